//! Threads of one attachment, which have everything at the same addresses: what the thread sanitizer can watch; see
//! `docs/RELIABILITY.md`. Nothing that they change at once is lost, and nothing half done is seen.

mod common;

use common::{Draw, segment};
use commy::{Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

const THREADS: u64 = 4;
const ROUNDS: u64 = 300;
const ACCOUNTS: u64 = 12;
const MONEY: i64 = 1000;

struct Objects {
    accounts: Shared<HashMap<u64, i64>>,
    names: Shared<BTreeMap<u64, String>>,
    queue: Shared<VecDeque<Vec<u64>>>,
    taken: Shared<Vec<u64>>,
}

impl Objects {
    fn of(segment: &Segment) -> Objects {
        let name = |n: u64| (n, "name ".repeat(n as usize));
        Objects {
            accounts: segment
                .open_or_create_with("accounts", || (0..ACCOUNTS).map(|n| (n, MONEY)).collect())
                .expect("accounts"),
            names: segment.open_or_create_with("names", || (0..ACCOUNTS).map(name).collect()).expect("names"),
            queue: segment.open_or_create("queue").expect("a queue"),
            taken: segment.open_or_create("taken").expect("a list"),
        }
    }

    /// Moves money between two accounts, under a guard.
    fn pay(&self, draw: &mut Draw) {
        let mut accounts = self.accounts.write().expect("lock");
        let (from, to) = (draw.below(ACCOUNTS), draw.below(ACCOUNTS));
        *accounts.get_mut(&from).expect("an account") -= 5;
        *accounts.get_mut(&to).expect("an account") += 5;
    }

    /// Moves what was queued first to the list, in a transaction.
    fn take(&self, segment: &Segment) {
        let moved = segment.transaction(|tx| {
            let (mut queue, mut taken) = (tx.write(&self.queue)?, tx.write(&self.taken)?);
            let Some(first) = queue.pop_front()? else { return Ok(()) };
            taken.push(first[0])
        });
        moved.expect("a transaction");
    }

    /// Takes a name out and puts a longer or shorter one in.
    fn rename(&self, draw: &mut Draw) {
        let number = draw.below(ACCOUNTS);
        self.names.remove(&number).expect("remove");
        self.names.insert(number, "name ".repeat(draw.below(60) as usize)).expect("insert");
    }

    /// Reads by reference.
    fn look(&self) {
        let accounts = self.accounts.read().expect("lock");
        assert_eq!(accounts.values().sum::<i64>(), MONEY * ACCOUNTS as i64, "half a payment is seen");
        drop(accounts);
        let names = self.names.read().expect("lock");
        assert!(names.values().all(|name| name.len().is_multiple_of(5) && name.starts_with("name ") | name.is_empty()));
    }
}

#[test]
fn nothing_that_threads_of_one_attachment_change_at_once_is_lost_or_seen_half_done() {
    let (_folder, _path, segment) = segment(1 << 30);
    let objects = Objects::of(&segment);
    let version = objects.taken.version();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (segment, objects) = (&segment, &objects);
            scope.spawn(move || {
                let mut draw = Draw::new(thread + 1);
                for round in 0..ROUNDS {
                    objects.queue.push_back(vec![thread * ROUNDS + round; 1 + draw.below(40) as usize]).expect("push");
                    match draw.below(4) {
                        0 => objects.pay(&mut draw),
                        1 => objects.rename(&mut draw),
                        2 => objects.look(),
                        _ => objects.take(segment),
                    }
                    if round % 64 == 0 {
                        segment.shrink_to_usage().expect("shrink");
                    }
                }
            });
        }
        // Sleeps until the first of them has taken something.
        objects.taken.wait(version, Duration::from_secs(60)).expect("a change");
    });
    objects.look();
    let mut all = objects.taken.load().expect("the list");
    all.extend(objects.queue.load().expect("the queue").iter().map(|item| item[0]));
    all.sort_unstable();
    assert!(all.into_iter().eq(0..THREADS * ROUNDS), "something is lost, or there twice");
    assert_eq!(segment.check().expect("check"), []);
}

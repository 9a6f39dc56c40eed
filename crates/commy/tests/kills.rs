//! Killed at random instants: eight processes work on objects of all kinds, one after another is killed and replaced.
//!
//! ```text
//! worker n     says "+ k" when operation k of its has returned       (through a pipe: it outlives the worker)
//!              each operation is one transaction: it adds (n, k) to the log of worker n in the segment, and does
//!              something to an object of each kind, to money on accounts, to large blocks that come and go
//! judge        kills; at the end all that was said is there, once, in order, and nothing else but at most one more
//!              operation a life; all money is there; the whole segment is checked
//! ```
//!
//! `COMMY_KILLS` says how many are killed, 200 unless said; the full run has 20000.
#![cfg(unix)]

mod common;

use common::{Draw, Player, SOON, Stage, folder, play, text};
use commy::{Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

const WORKERS: u64 = 8;
const ACCOUNTS: u64 = 10;
const MONEY: u64 = 1000;

type Nested = HashMap<String, BTreeMap<u32, Vec<String>>>;

struct Objects {
    segment: Segment,
    log: Shared<Vec<u64>>,
    accounts: Shared<HashMap<u64, u64>>,
    savings: Shared<BTreeMap<u64, u64>>,
    queue: Shared<VecDeque<String>>,
    nested: Shared<Nested>,
    blocks: Shared<Vec<Vec<u8>>>,
}

impl Objects {
    fn open(path: &std::path::Path, worker: u64) -> commy::Result<Objects> {
        let segment = Segment::options().max_size(256 << 20).open_or_create(path)?;
        Ok(Objects {
            log: segment.open_or_create(&format!("log/{worker}"))?,
            accounts: segment.open_or_create_with("accounts", || (0..ACCOUNTS).map(|n| (n, MONEY)).collect())?,
            savings: segment.open_or_create_with("savings", || (0..ACCOUNTS).map(|n| (n, MONEY)).collect())?,
            queue: segment.open_or_create("queue")?,
            nested: segment.open_or_create("nested")?,
            blocks: segment.open_or_create("blocks")?,
            segment,
        })
    }

    /// One operation: all of it happens, or nothing.
    fn operate(&self, draw: &mut Draw) -> commy::Result<u64> {
        let from = draw.below(ACCOUNTS);
        let to = draw.below(ACCOUNTS);
        let (amount, kind) = (draw.below(50), draw.below(4));
        self.segment.transaction(|tx| {
            let mut log = tx.write(&self.log)?;
            let number = log.last().map_or(0, |last| last + 1);
            log.push(number)?;
            let mut accounts = tx.write(&self.accounts)?;
            let mut savings = tx.write(&self.savings)?;
            let has = accounts.get(&from).copied().unwrap_or(0);
            let moved = amount.min(has);
            accounts.insert(from, has - moved)?;
            let has = savings.get(&to).copied().unwrap_or(0);
            // Sometimes back.
            let back = if has > MONEY { has / 2 } else { 0 };
            savings.insert(to, has + moved - back)?;
            let has = accounts.get(&to).copied().unwrap_or(0);
            accounts.insert(to, has + back)?;
            match kind {
                0 => {
                    let mut queue = tx.write(&self.queue)?;
                    queue.push_back("job ".repeat(amount as usize))?;
                    if queue.len() > 100 {
                        queue.pop_front()?;
                    }
                }
                1 | 2 => {
                    let mut nested = tx.write(&self.nested)?;
                    let value = (0..amount as u32 % 7).map(|n| (n, vec!["text".repeat(amount as usize); 2])).collect();
                    nested.insert(format!("key {}", amount * 7 % 40), value)?;
                    nested.remove(&format!("key {from}"))?;
                }
                _ => {
                    let mut blocks = tx.write(&self.blocks)?;
                    blocks.push(vec![7; (amount * amount * 40) as usize])?;
                    if blocks.len() > 30 {
                        blocks.truncate(5)?;
                    }
                }
            }
            Ok(number)
        })
    }
}

#[test]
fn role() {
    play(&[("worker", worker)]);
}

fn worker(stage: &Stage) {
    let number = stage.number(1);
    let mut draw = Draw::new(stage.number(2));
    let objects = Objects::open(stage.path(0), number).expect("open");
    let mut rounds = 0;
    loop {
        let begin = Instant::now();
        let done = objects.operate(&mut draw);
        let time = begin.elapsed();
        match done {
            Ok(done) => stage.say(format!("+ {done}")),
            Err(error) => stage.say(format!("failed: {error}")),
        }
        // Of eight on two processors each waits for all others, and for who is killed.
        if time > SOON * 5 {
            stage.say(format!("failed: waited for {time:?}"));
        }
        rounds += 1;
        if rounds % 50 == 0 && number == 0 {
            objects.segment.shrink_to_usage().expect("shrink");
        }
        if rounds % 20 == 0 {
            let name = format!("own/{number}");
            let own = objects.segment.open_or_create_with(&name, || vec!["own".to_string(); 50]);
            own.and_then(|_| objects.segment.remove(&name)).expect("an object that comes and goes");
        }
    }
}

#[test]
fn nothing_that_returned_is_lost_however_often_somebody_is_killed() {
    let kills = std::env::var("COMMY_KILLS").ok().map_or(200, |kills| kills.parse::<u64>().expect("a number"));
    let folder = folder();
    let path = folder.path().join("kills.commy");
    let mut draw = Draw::new(kills);
    let start = |number: u64, draw: &mut Draw| {
        Player::start("worker", &[text(&path), &number.to_string(), &draw.number().to_string()])
    };
    let mut players: Vec<Player> = (0..WORKERS).map(|number| start(number, &mut draw)).collect();
    // Of each the operations that are known to have returned, and how often it was killed since it said so: each of
    // these lives may have ended with an operation that it could not tell of.
    let mut returned: Vec<(u64, u64)> = vec![(0, 0); WORKERS as usize];
    let listen = |player: &mut Player, (said, silent): &mut (u64, u64)| {
        while let Some(line) = player.heard() {
            let number = line.strip_prefix("+ ").and_then(|number| number.parse::<u64>().ok());
            let number = number.unwrap_or_else(|| panic!("{line}"));
            assert!((*said..=*said + *silent).contains(&number), "{number} after {said}, {silent} kills ago");
            (*said, *silent) = (number + 1, 0);
        }
    };
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(2 + draw.below(12)));
        let victim = draw.below(WORKERS) as usize;
        players[victim].kill();
        for (player, last) in players.iter_mut().zip(&mut returned) {
            player.settle_if_dead();
            listen(player, last);
        }
        returned[victim].1 += 1;
        players[victim] = start(victim as u64, &mut draw);
    }
    for (player, last) in players.iter_mut().zip(&mut returned) {
        player.kill();
        player.settle_if_dead();
        listen(player, last);
    }
    let objects = Objects::open(&path, 0).expect("open");
    objects.segment.recover().expect("recover");
    let total = objects.accounts.load().expect("load").values().sum::<u64>()
        + objects.savings.load().expect("load").values().sum::<u64>();
    assert_eq!(total, 2 * ACCOUNTS * MONEY, "money was lost or made");
    let mut operations = 0;
    for (number, (said, silent)) in returned.into_iter().enumerate() {
        let log = objects.segment.open::<Vec<u64>>(&format!("log/{number}")).expect("log").load().expect("load");
        assert!(log.iter().copied().eq(0..log.len() as u64), "worker {number} did something twice, or lost it");
        let there = log.len() as u64;
        let untold = said..=said + silent + 1;
        assert!(untold.contains(&there), "worker {number} said {said} operations, {there} are there");
        operations += said;
    }
    assert_eq!(objects.segment.check().expect("check"), []);
    let stats = objects.segment.stats().expect("stats");
    println!("{kills} kills, {operations} operations, {stats:?}");
    assert!(operations > kills, "hardly anything was done");
}

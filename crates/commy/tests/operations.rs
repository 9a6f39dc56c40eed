//! One-operation forms: each locks for itself, what reads takes no lock; never is half a change seen, nothing that was
//! undone, nothing of what a killed process left.

mod common;

use common::{Draw, LONG, Player, Stage, place, play, segment, text};
use commy::{Error, Plain, Segment, Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn role() {
    play(&[("changer", changer), ("producer", producer), ("consumer", consumer)]);
}

#[derive(Share, Clone, Debug, PartialEq, Default)]
struct Record {
    name: String,
    tags: Vec<String>,
    state: State,
    pair: (u64, u64),
}

#[derive(Plain, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, commy::Key)]
#[repr(u8)]
enum State {
    #[default]
    Low = 3,
    High = 9,
}

/// What the changer changes; all of it tells whether it is whole.
struct Objects {
    array: Shared<[u64; 32]>,
    text: Shared<String>,
    record: Shared<Record>,
    texts: Shared<Vec<String>>,
    queue: Shared<VecDeque<[u64; 4]>>,
    hashed: Shared<HashMap<u64, String>>,
    named: Shared<HashMap<String, [u64; 3]>>,
    states: Shared<HashMap<(State, bool, u32), u64>>,
    ordered: Shared<BTreeMap<String, u64>>,
    some: Shared<Option<Vec<u64>>>,
}

impl Objects {
    fn of(segment: &Segment) -> Objects {
        Objects {
            array: segment.open_or_create("array").expect("array"),
            text: segment.open_or_create("text").expect("text"),
            record: segment.open_or_create("record").expect("record"),
            texts: segment.open_or_create("texts").expect("texts"),
            queue: segment.open_or_create("queue").expect("queue"),
            hashed: segment.open_or_create("hashed").expect("hashed"),
            named: segment.open_or_create("named").expect("named"),
            states: segment.open_or_create("states").expect("states"),
            ordered: segment.open_or_create("ordered").expect("ordered"),
            some: segment.open_or_create("some").expect("some"),
        }
    }

    /// Changes one thing, in a way that only makes sense whole.
    fn change(&self, draw: &mut Draw) {
        let number = draw.number() % 1000;
        let word = format!("{number:04}").repeat(draw.below(40) as usize + 1);
        match draw.below(13) {
            0 => self.array.store([number; 32]).expect("store"),
            1 => self.text.set(&word).expect("set"),
            2 => {
                let tags = vec![word.clone(); draw.below(20) as usize];
                let state = if number % 2 == 0 { State::Low } else { State::High };
                self.record.store(Record { name: word, tags, state, pair: (number, number) }).expect("store");
            }
            3 => self.texts.store(vec![word; draw.below(50) as usize]).expect("store"),
            4 => self.queue.push_back([number; 4]).expect("push"),
            5 => drop(self.queue.pop_front().expect("pop")),
            6 => drop(self.hashed.insert(number, format!("{number}-{word}")).expect("insert")),
            7 => drop(self.hashed.remove(&number).expect("remove")),
            8 => drop(self.named.insert(number.to_string(), [number; 3]).expect("insert")),
            9 => {
                let state = if number % 2 == 0 { State::Low } else { State::High };
                self.states.insert((state, number % 3 == 0, number as u32), number).expect("insert");
            }
            10 => drop(self.ordered.insert(number.to_string(), number).expect("insert")),
            11 => drop(self.ordered.pop_first().expect("pop")),
            _ => {
                self.some.replace(vec![number; draw.below(100) as usize]).expect("replace");
                if number % 7 == 0 {
                    self.hashed.clear().expect("clear");
                    self.ordered.clear().expect("clear");
                }
                // What is undone must not be seen.
                let mut guard = self.array.write().expect("lock");
                guard[3] = u64::MAX;
                guard.rollback();
            }
        }
    }

    /// Looks at all of it without a lock.
    fn look(&self, draw: &mut Draw) {
        let number = draw.below(1000);
        let array = self.array.load().expect("array");
        assert!(array.iter().all(|n| *n == array[0] && *n < 1000), "half a change: {array:?}");
        let whole =
            |word: &str| word.len() % 4 == 0 && word.as_bytes().chunks(4).all(|part| part == &word.as_bytes()[..4]);
        let word = self.text.load().expect("text");
        assert!(whole(&word), "half a change");
        let record = self.record.load().expect("record");
        assert!(whole(&record.name) && record.tags.iter().all(|tag| *tag == record.name), "half a change");
        assert_eq!(record.pair.0, record.pair.1);
        assert!(record.name.is_empty() || (record.state == State::Low) == (record.pair.0 % 2 == 0), "half a change");
        let texts = self.texts.load().expect("texts");
        assert!(texts.iter().all(|word| *word == texts[0] && whole(word)), "half a change");
        if let Some(text) = self.texts.get(draw.below(50) as usize).expect("get") {
            assert!(whole(&text));
        }
        for items in [self.queue.front(), self.queue.back(), self.queue.get(draw.below(30) as usize)] {
            assert!(items.expect("get").is_none_or(|items| items == [items[0]; 4]), "half a change");
        }
        let found = self.hashed.get(&number).expect("get");
        assert!(found.is_none_or(|text| text.starts_with(&format!("{number}-"))), "another key's value");
        self.hashed.contains_key(&number).expect("contains");
        let found = self.named.get(number.to_string().as_str()).expect("get");
        assert!(found.is_none_or(|found| found == [number; 3]), "another key's value");
        let state = if number % 2 == 0 { State::Low } else { State::High };
        let found = self.states.get(&(state, number % 3 == 0, number as u32)).expect("get");
        assert!(found.is_none_or(|found| found == number), "another key's value");
        let found = self.ordered.get(number.to_string().as_str()).expect("get");
        assert!(found.is_none_or(|found| found == number), "another key's value");
        let first = self.ordered.first_key_value().expect("first");
        assert!(first.is_none_or(|(key, value)| key == value.to_string()), "another key's value");
        let some = self.some.load().expect("some").unwrap_or_default();
        assert!(some.iter().all(|n| *n == some[0]), "half a change");
        if number < 10 {
            assert!(self.ordered.load().expect("load").iter().all(|(key, value)| *key == value.to_string()));
            let hashed = self.hashed.load().expect("load");
            assert!(hashed.iter().all(|(key, text)| text.starts_with(&format!("{key}-"))));
        }
    }
}

/// Changes things until it is dismissed or killed.
fn changer(stage: &Stage) {
    let objects = Objects::of(&Segment::open(stage.path(0)).expect("open"));
    let mut draw = Draw::new(stage.number(1));
    stage.say("ready");
    let dismissed = stage.until_dismissed();
    while !dismissed.load(Ordering::Relaxed) {
        objects.change(&mut draw);
    }
}

#[test]
fn without_a_lock_nothing_half_done_or_undone_is_seen() {
    let (_folder, path, segment) = segment(1 << 28);
    let objects = Objects::of(&segment);
    let mut changers = [1, 2].map(|seed: u64| Player::start("changer", &[text(&path), &seed.to_string()]));
    changers.iter_mut().for_each(|changer| changer.expect("ready"));
    let rounds = std::env::var("COMMY_LOOKS").ok().and_then(|looks| looks.parse().ok()).unwrap_or(20_000);
    let mut draw = Draw::new(9);
    (0..rounds).for_each(|_| objects.look(&mut draw));
    changers.iter_mut().for_each(Player::dismiss);
    changers.into_iter().for_each(Player::end_well);
}

#[test]
fn without_a_lock_nothing_of_what_the_killed_left_is_seen() {
    let (_folder, path, segment) = segment(1 << 28);
    let objects = Objects::of(&segment);
    let mut draw = Draw::new(5);
    for seed in 0..30u64 {
        let mut changer = Player::start("changer", &[text(&path), &seed.to_string()]);
        changer.expect("ready");
        (0..draw.below(100)).for_each(|_| objects.look(&mut draw));
        changer.kill();
        (0..10).for_each(|_| objects.look(&mut draw));
    }
}

const ITEMS: u64 = 20_000;

/// Puts its share of numbers into the queue.
fn producer(stage: &Stage) {
    let queue: Shared<VecDeque<u64>> = Segment::open(stage.path(0)).expect("open").open("queue").expect("queue");
    for number in 0..ITEMS {
        queue.push_back(stage.number(1) * ITEMS + number).expect("push");
    }
}

/// Takes numbers out until one comes that says the end; tells how many, and their sum.
fn consumer(stage: &Stage) {
    let queue: Shared<VecDeque<u64>> = Segment::open(stage.path(0)).expect("open").open("queue").expect("queue");
    let (mut many, mut sum) = (0, 0u64);
    let mut last = [None; 2];
    loop {
        let number = queue.pop_front_wait(LONG).expect("pop").expect("slept through an element");
        if number == u64::MAX {
            break;
        }
        let producer = (number / ITEMS) as usize;
        assert!(last[producer] < Some(number), "out of order");
        last[producer] = Some(number);
        (many, sum) = (many + 1, sum + number);
    }
    stage.say(format!("{many} {sum}"));
}

#[test]
fn each_element_is_given_to_exactly_one_of_those_who_wait() {
    let (_folder, path, segment) = segment(1 << 28);
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    let mut consumers = [(); 2].map(|()| Player::start("consumer", &[text(&path)]));
    let producers = [0, 1].map(|number: u64| Player::start("producer", &[text(&path), &number.to_string()]));
    producers.into_iter().for_each(Player::end_well);
    queue.extend([u64::MAX; 2]).expect("push");
    let told: Vec<Vec<u64>> = (consumers.iter_mut())
        .map(|consumer| consumer.hear().split(' ').map(|number| number.parse().expect("a number")).collect())
        .collect();
    consumers.into_iter().for_each(Player::end_well);
    assert_eq!(told[0][0] + told[1][0], 2 * ITEMS);
    assert_eq!(told[0][1] + told[1][1], (0..2 * ITEMS).sum::<u64>());
    assert!(queue.is_empty().expect("len"));
}

#[test]
fn a_wait_for_an_element_ends_when_its_time_has_passed() {
    let (_folder, _path, segment) = segment(1 << 24);
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    let start = Instant::now();
    assert_eq!(queue.pop_front_wait(Duration::from_millis(30)).expect("pop"), None);
    assert_eq!(queue.pop_back_wait(Duration::ZERO).expect("pop"), None);
    assert!(start.elapsed() >= Duration::from_millis(30));
    queue.push_back(1).expect("push");
    assert_eq!(queue.pop_back_wait(Duration::ZERO).expect("pop"), Some(1));
}

#[test]
fn an_operation_on_an_object_under_an_own_write_guard_is_a_deadlock_at_once() {
    let (_folder, _path, segment) = segment(1 << 24);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    let guard = list.write().expect("lock");
    assert!(matches!(list.push(1), Err(Error::Deadlock { .. })));
    assert!(matches!(list.len(), Err(Error::Deadlock { .. })));
    assert!(matches!(list.load(), Err(Error::Deadlock { .. })));
    queue.push_back(1).expect("another object");
    drop(guard);
    let guard = list.read().expect("lock");
    assert!(matches!(list.push(1), Err(Error::Deadlock { .. })));
    assert_eq!(list.len().expect("reading is no harm"), 0);
    drop(guard);
    list.push(1).expect("push");
}

#[test]
fn an_operation_that_fails_changes_nothing_and_wakes_nobody() {
    let (_folder, path) = place();
    let segment = Segment::options().initial_size(64 << 10).max_size(256 << 10).create(&path).expect("create");
    let texts: Shared<Vec<String>> = segment.open_or_create("texts").expect("texts");
    texts.push("one".into()).expect("push");
    let version = texts.version();
    let error = texts.extend((0..).map(|n: u64| n.to_string().repeat(50))).expect_err("it cannot hold all numbers");
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert_eq!((texts.version(), texts.load().expect("load")), (version, vec!["one".to_string()]));
}

#[test]
fn operations_do_what_those_of_std_do() {
    let (_folder, _path, segment) = segment(1 << 24);
    let list: Shared<Vec<String>> = segment.open_or_create("list").expect("list");
    list.push("a".into()).expect("push");
    list.extend(["b".into(), "c".into()]).expect("extend");
    assert_eq!(list.get(1).expect("get"), Some("b".to_string()));
    assert!(list.set(1, "B".into()).expect("set") && !list.set(3, "D".into()).expect("set"));
    assert_eq!((list.first().unwrap().unwrap(), list.last().unwrap().unwrap()), ("a".into(), "c".into()));
    assert_eq!(list.pop().expect("pop").as_deref(), Some("c"));
    assert_eq!((list.len().unwrap(), list.load().unwrap()), (2, vec!["a".to_string(), "B".into()]));
    list.clear().expect("clear");
    assert!(list.is_empty().unwrap() && list.pop().unwrap().is_none() && list.last().unwrap().is_none());

    let set: Shared<HashSet<String>> = segment.open_or_create("set").expect("set");
    assert!(set.insert("x".into()).unwrap() && !set.insert("x".into()).unwrap());
    set.extend(["y".to_string()]).expect("extend");
    assert!(set.contains("y").unwrap() && set.remove("y").unwrap() && !set.contains("y").unwrap());
    assert_eq!(set.len().unwrap(), 1);
    set.clear().expect("clear");
    assert!(set.is_empty().unwrap());

    let ordered: Shared<BTreeSet<i32>> = segment.open_or_create("ordered").expect("ordered");
    ordered.extend([3, -1, 2]).expect("extend");
    assert_eq!((ordered.first().unwrap(), ordered.last().unwrap()), (Some(-1), Some(3)));
    assert_eq!((ordered.pop_first().unwrap(), ordered.pop_last().unwrap()), (Some(-1), Some(3)));
    assert!(ordered.contains(&2).unwrap() && ordered.remove(&2).unwrap() && ordered.is_empty().unwrap());

    let map: Shared<BTreeMap<u8, char>> = segment.open_or_create("map").expect("map");
    assert_eq!(map.insert(1, 'a').unwrap(), None);
    assert_eq!(map.insert(1, 'b').unwrap(), Some('a'));
    map.extend([(2, 'c'), (0, 'd')]).expect("extend");
    assert_eq!((map.first_key_value().unwrap(), map.last_key_value().unwrap()), (Some((0, 'd')), Some((2, 'c'))));
    assert_eq!((map.get(&1).unwrap(), map.contains_key(&9).unwrap()), (Some('b'), false));
    assert_eq!((map.pop_last().unwrap(), map.remove(&0).unwrap(), map.len().unwrap()), (Some((2, 'c')), Some('d'), 1));
    map.clear().expect("clear");
    assert!(map.is_empty().unwrap());

    let text: Shared<String> = segment.open_or_create("text").expect("text");
    text.push_str("Zür").unwrap();
    text.push('i').unwrap();
    assert_eq!((text.len().unwrap(), text.load().unwrap()), (5, "Züri".to_string()));
    text.clear().unwrap();
    assert!(text.is_empty().unwrap());

    let option: Shared<Option<String>> = segment.open_or_create("option").expect("option");
    assert!(option.is_none().unwrap() && option.take().unwrap().is_none());
    assert_eq!(option.replace("a".into()).unwrap(), None);
    assert!(option.is_some().unwrap());
    assert_eq!((option.replace("b".into()).unwrap(), option.take().unwrap()), (Some("a".into()), Some("b".into())));

    let queue: Shared<VecDeque<u16>> = segment.open_or_create("queue").expect("queue");
    queue.push_back(2).unwrap();
    queue.push_front(1).unwrap();
    queue.extend([3, 4]).unwrap();
    assert_eq!((queue.front().unwrap(), queue.back().unwrap(), queue.get(2).unwrap()), (Some(1), Some(4), Some(3)));
    assert_eq!((queue.pop_front().unwrap(), queue.pop_back().unwrap(), queue.len().unwrap()), (Some(1), Some(4), 2));
    queue.clear().unwrap();
    assert!(queue.is_empty().unwrap());
}

#[test]
fn what_is_lent_is_locked_until_it_is_given_back_also_by_a_panic() {
    let (_folder, _path, segment) = segment(1 << 24);
    let hashed: Shared<HashMap<u8, String>> = segment.open_or_create("hashed").expect("hashed");
    let ordered: Shared<BTreeMap<u8, String>> = segment.open_or_create("ordered").expect("ordered");
    let list: Shared<Vec<String>> = segment.open_or_create("list").expect("list");
    let queue: Shared<VecDeque<String>> = segment.open_or_create("queue").expect("queue");
    let fill = || {
        hashed.insert(1, "a".into()).expect("insert");
        ordered.insert(1, "b".into()).expect("insert");
        list.extend(["c".into(), "d".into()]).expect("extend");
        queue.extend(["e".into(), "f".into()]).expect("extend");
    };
    fill();
    let elsewhere = |work: &(dyn Fn() -> bool + Sync)| std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    let locked = |value: &str, is_locked: &(dyn Fn() -> bool + Sync)| {
        assert!(elsewhere(is_locked), "others may change what is lent");
        value.to_string()
    };
    assert_eq!(hashed.view(&1, |value| locked(value, &|| hashed.try_write().is_err())).unwrap(), Some("a".into()));
    assert_eq!(ordered.view(&1, |value| locked(value, &|| ordered.try_write().is_err())).unwrap(), Some("b".into()));
    assert_eq!(list.view(1, |value| locked(value, &|| list.try_write().is_err())).unwrap(), Some("d".into()));
    assert_eq!(queue.view(1, |value| locked(value, &|| queue.try_write().is_err())).unwrap(), Some("f".into()));
    assert!(matches!(list.view(0, |_| list.push("g".into())), Ok(Some(Err(Error::Deadlock { .. })))));
    assert_eq!((hashed.view(&2, |_| ()).unwrap(), ordered.view(&2, |_| ()).unwrap()), (None, None));
    assert_eq!((list.view(2, |_| ()).unwrap(), queue.view(2, |_| ()).unwrap()), (None, None));
    let panics = |view: &dyn Fn()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(view)).expect_err("it panics");
    };
    panics(&|| drop(hashed.view(&1, |_| panic!("on purpose"))));
    panics(&|| drop(ordered.view(&1, |_| panic!("on purpose"))));
    panics(&|| drop(list.view(0, |_| panic!("on purpose"))));
    panics(&|| drop(queue.view(0, |_| panic!("on purpose"))));
    elsewhere(&|| (fill(), true).1);
}

/// Short texts are copied in another way than long ones.
#[test]
fn a_copy_of_a_text_is_never_half_of_another_one() {
    let (_folder, _, segment) = segment(1 << 26);
    let hashed: Shared<HashMap<u32, String>> = segment.open_or_create("hashed").expect("a map");
    let ordered: Shared<BTreeMap<u32, String>> = segment.open_or_create("ordered").expect("a map");
    let text =
        |n: usize| char::from(b'a' + (n % 26) as u8).to_string().repeat([0, 3, 4095, 4096, 4097, 200_000][n % 6]);
    let is_one = |text: &str| text.bytes().all(|byte| byte == text.as_bytes()[0]);
    for n in 0..12 {
        hashed.insert(1, text(n)).expect("room");
        ordered.insert(1, text(n)).expect("room");
        assert_eq!(hashed.get(&1).expect("get"), Some(text(n)));
        assert_eq!(ordered.get(&1).expect("get"), Some(text(n)));
    }
    assert_eq!((hashed.get(&2).expect("get"), ordered.get(&2).expect("get")), (None, None));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let both = [hashed.get(&1).expect("get"), ordered.get(&1).expect("get")];
                    assert!(both.iter().flatten().all(|text| is_one(text)), "half of one and half of another");
                }
            });
        }
        for n in 0..3000 {
            hashed.insert(1, text(n)).expect("room");
            ordered.insert(1, text(n)).expect("room");
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! Attachments that cannot write: what they see while others write, and what of those who died half-way; and that
//! nothing they do is noticed.

mod common;

use common::{Draw, LONG, Player, Stage, place, play, segment, text};
use commy::{Error, Segment, Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn role() {
    play(&[("changer", changer), ("dying", dying), ("holder", holder)]);
}

fn onlooker(path: &Path) -> Segment {
    Segment::options().read_only(true).lock_timeout(Duration::from_secs(30)).open(path).expect("open read-only")
}

#[derive(Share, Clone, Debug, PartialEq, Default)]
struct Pair {
    one: String,
    two: Vec<u64>,
}

fn pair(number: u64) -> Pair {
    Pair { one: format!("{number:06}").repeat(number as usize % 50 + 1), two: vec![number; number as usize % 300] }
}

fn is_whole(pair: &Pair) -> bool {
    *pair == Pair::default() || *pair == self::pair(pair.one[..6].parse().expect("digits"))
}

/// Changes things until it is dismissed or killed.
fn changer(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let one: Shared<Pair> = segment.open("pair").expect("pair");
    let map: Shared<HashMap<u64, Pair>> = segment.open("map").expect("map");
    let mut draw = Draw::new(stage.number(1));
    stage.say("ready");
    let dismissed = stage.until_dismissed();
    while !dismissed.load(Ordering::Relaxed) {
        let number = draw.below(1000);
        one.store(pair(number)).expect("store");
        map.insert(number, pair(number)).expect("insert");
        map.remove(&draw.below(1000)).expect("remove");
    }
}

#[test]
fn while_others_write_nothing_half_done_is_seen() {
    let (_folder, path, segment) = segment(1 << 28);
    segment.open_or_create::<Pair>("pair").expect("pair");
    segment.open_or_create::<HashMap<u64, Pair>>("map").expect("map");
    let watching = onlooker(&path);
    let one: Shared<Pair> = watching.open("pair").expect("pair");
    let map: Shared<HashMap<u64, Pair>> = watching.open("map").expect("map");
    let mut changers = [1, 2].map(|seed: u64| Player::start("changer", &[text(&path), &seed.to_string()]));
    changers.iter_mut().for_each(|changer| changer.expect("ready"));
    let mut draw = Draw::new(3);
    for round in 0..3000 {
        assert!(is_whole(&one.load().expect("load")), "half a change");
        let number = draw.below(1000);
        assert!(map.get(&number).expect("get").is_none_or(|value| value == pair(number)), "half a change");
        if round % 100 == 0 {
            let all = map.load().expect("load");
            assert!(all.iter().all(|(number, value)| *value == pair(*number)), "half a change");
        }
    }
    changers.iter_mut().for_each(Player::dismiss);
    changers.into_iter().for_each(Player::end_well);
}

/// Kills itself in the middle of changes, or right behind their commit.
fn dying(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let objects = Objects::of(&segment);
    let mut map = objects.map.write().expect("lock");
    let mut list = objects.list.write().expect("lock");
    let mut tree = objects.tree.write().expect("lock");
    let mut text = objects.text.write().expect("lock");
    let mut array = objects.array.write().expect("lock");
    // Enough for tables and trees to be replaced, and for logs that have outgrown their records.
    for number in 0..3000u64 {
        map.insert(number, "new".repeat(20)).expect("insert");
        tree.insert(number, number + 1).expect("insert");
    }
    list.retain(|_| false).expect("retain");
    list.extend((0..500).map(|number| format!("new {number}"))).expect("extend");
    text.set("another text, which is longer than the one before").expect("set");
    array.iter_mut().for_each(|number| *number = 77);
    stage.say("changed");
    stage.stay();
}

struct Objects {
    map: Shared<HashMap<u64, String>>,
    list: Shared<Vec<String>>,
    tree: Shared<BTreeMap<u64, u64>>,
    text: Shared<String>,
    array: Shared<[u64; 16]>,
}

impl Objects {
    fn of(segment: &Segment) -> Objects {
        Objects {
            map: segment.open("map").expect("map"),
            list: segment.open("list").expect("list"),
            tree: segment.open("tree").expect("tree"),
            text: segment.open("text").expect("text"),
            array: segment.open("array").expect("array"),
        }
    }

    fn assert_old(&self) {
        let map: HashMap<u64, String> = (0..300).map(|number| (number, format!("old {number}"))).collect();
        assert_eq!(self.map.load().expect("load"), map);
        assert_eq!(self.map.get(&7).expect("get").as_deref(), Some("old 7"));
        assert_eq!(self.map.get(&2999).expect("get"), None);
        assert_eq!(self.map.len().expect("len"), 300);
        assert_eq!(self.list.load().expect("load"), (0..100).map(|number| format!("old {number}")).collect::<Vec<_>>());
        assert_eq!(
            self.tree.load().expect("load"),
            (0..1000).map(|number| (number, number)).collect::<BTreeMap<_, _>>()
        );
        assert_eq!(self.tree.scan(Some(&997), 10).expect("scan"), [(998, 998), (999, 999)]);
        assert_eq!(self.text.load().expect("load"), "an old text");
        assert_eq!(self.array.load().expect("load"), [5; 16]);
    }
}

fn with_old() -> (tempfile::TempDir, std::path::PathBuf) {
    let (folder, path, segment) = segment(1 << 28);
    let map = || (0..300).map(|number| (number, format!("old {number}"))).collect::<HashMap<u64, String>>();
    segment.open_or_create_with("map", map).expect("map");
    let list = || (0..100).map(|number| format!("old {number}")).collect::<Vec<_>>();
    segment.open_or_create_with("list", list).expect("list");
    let tree = || (0..1000).map(|number| (number, number)).collect::<BTreeMap<u64, u64>>();
    segment.open_or_create_with("tree", tree).expect("tree");
    segment.open_or_create_with("text", || "an old text".to_string()).expect("text");
    segment.open_or_create_with("array", || [5u64; 16]).expect("array");
    (folder, path)
}

#[test]
fn of_a_writer_that_died_half_way_what_was_before_is_seen() {
    let (_folder, path) = with_old();
    let before = onlooker(&path);
    let objects = Objects::of(&before);
    objects.assert_old();
    let mut dying = Player::start("dying", &[text(&path)]);
    dying.expect("changed");
    dying.kill();
    objects.assert_old();
    // Who comes later sees the same, and so does everybody once the dead one has been recovered.
    Objects::of(&onlooker(&path)).assert_old();
    objects.assert_old();
    Segment::open(&path).expect("open").recover().expect("recover");
    objects.assert_old();
}

/// Holds an object locked until it is dismissed.
fn holder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let guard = list.write().expect("lock");
    stage.say("locked");
    assert_eq!(stage.hear(), "unlock");
    drop(guard);
    stage.say("unlocked");
}

#[test]
fn who_writes_for_too_long_is_named_and_waited_for_no_longer() {
    let (_folder, path, segment) = segment(1 << 24);
    segment.open_or_create_with("list", || vec![1u64, 2]).expect("list");
    let mut holder = Player::start("holder", &[text(&path)]);
    holder.expect("locked");
    let options = Segment::options().read_only(true).lock_timeout(Duration::from_millis(50));
    let list: Shared<Vec<u64>> = options.open(&path).expect("open").open("list").expect("list");
    match list.load() {
        Err(Error::LockTimeout { holder: pid, .. }) => assert_eq!(pid, holder.pid()),
        other => panic!("{other:?}"),
    }
    holder.say("unlock");
    holder.expect("unlocked");
    assert_eq!(list.load().expect("load"), [1, 2]);
    holder.end_well();
}

#[test]
fn an_onlooker_changes_nothing_and_is_told_so() {
    let (_folder, path, segment) = segment(1 << 24);
    let list: Shared<Vec<u64>> = segment.open_or_create_with("list", || vec![1u64, 2]).expect("list");
    segment.open_or_create::<AtomicU64>("hits").expect("hits");
    segment.open_or_create::<VecDeque<u64>>("numbers").expect("numbers");
    segment.open_or_create::<VecDeque<String>>("texts").expect("texts");
    let participants = segment.participants().len();
    let watching = onlooker(&path);
    assert!(watching.is_read_only() && !segment.is_read_only());
    let seen: Shared<Vec<u64>> = watching.open("list").expect("list");
    assert_eq!(seen.load().expect("load"), [1, 2]);
    for error in [
        seen.push(3).expect_err("push"),
        watching.open::<VecDeque<u64>>("numbers").expect("numbers").pop_front().expect_err("from an empty deque"),
        watching.open::<VecDeque<String>>("texts").expect("texts").pop_back().expect_err("from an empty deque"),
        seen.store(vec![]).expect_err("store"),
        seen.read().map(drop).expect_err("read"),
        seen.write().map(drop).expect_err("write"),
        watching.open_or_create::<u64>("new").map(drop).expect_err("create"),
        watching.open::<AtomicU64>("hits").map(drop).expect_err("atomics are used in place"),
        watching.remove("list").expect_err("remove"),
        watching.rename("list", "other").expect_err("rename"),
        watching.transaction(|tx| tx.write(&seen).map(drop)).expect_err("transaction"),
        watching.heartbeat().expect_err("heartbeat"),
        watching.recover().map(drop).expect_err("recover"),
        watching.resize(1 << 20).expect_err("resize"),
        watching.shrink_to_usage().map(drop).expect_err("shrink"),
        Segment::options().read_only(true).create(path.with_extension("new")).map(drop).expect_err("create"),
    ] {
        assert!(matches!(error, Error::ReadOnly), "{error}");
    }
    assert_eq!(watching.objects().expect("objects"), ["hits", "list", "numbers", "texts"]);
    assert_eq!(watching.stats().expect("stats"), segment.stats().expect("stats"));
    assert_eq!(watching.extents().expect("extents"), segment.extents().expect("extents"));
    assert_eq!(watching.object_size("list").expect("size"), segment.object_size("list").expect("size"));
    let threads = watching.threads().expect("threads");
    assert!(threads.len() == 1 && threads[0].pid == std::process::id() && threads[0].alive, "{threads:?}");
    {
        let _held = list.write().expect("lock");
        let held = watching.held().expect("locks");
        assert_eq!(held.len(), 1, "{held:?}");
        assert!(held[0].object == "list" && held[0].alone && held[0].pid == std::process::id() && held[0].alive);
    }
    assert_eq!(segment.participants().len(), participants, "an onlooker takes no place");
    assert!(!path.with_extension("new").exists());
    // It does not keep the others from closing the segment in order.
    drop((list, segment));
    assert_eq!(seen.load().expect("load"), [1, 2]);
    Segment::open(&path).expect("open").remove("list").expect("remove");
    assert!(matches!(seen.load(), Err(Error::Removed { .. })));
}

#[test]
fn what_grows_while_one_looks_on_is_seen_where_it_is() {
    let (_folder, path) = place();
    let segment = Segment::options().initial_size(64 << 10).max_size(1 << 28).create(&path).expect("create");
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let seen: Shared<Vec<u64>> = onlooker(&path).open("list").expect("list");
    for round in 0..10u64 {
        list.extend(round * 100_000..(round + 1) * 100_000).expect("extend");
        assert_eq!(seen.len().expect("len") as u64, (round + 1) * 100_000);
        assert_eq!(seen.last().expect("last"), Some((round + 1) * 100_000 - 1));
    }
    assert_eq!(seen.scan(499_999, 3).expect("scan"), [499_999, 500_000, 500_001]);
}

#[test]
fn a_change_is_noticed_by_who_looks_on() {
    let (_folder, path, segment) = segment(1 << 24);
    let number: Shared<u64> = segment.open_or_create("number").expect("number");
    let seen: Shared<u64> = onlooker(&path).open("number").expect("number");
    let version = seen.version();
    assert_eq!(seen.wait(version, Duration::from_millis(5)).expect("wait"), version);
    let writer = std::thread::spawn(move || number.store(7));
    assert!(seen.wait(version, LONG).expect("wait") > version);
    assert_eq!(seen.load().expect("load"), 7);
    writer.join().expect("a writer").expect("store");
}

#[test]
fn pages_of_all_collections_are_those_of_std() {
    let (_folder, path, segment) = segment(1 << 24);
    segment.open_or_create_with("queue", || (0..50u8).collect::<VecDeque<_>>()).expect("queue");
    segment.open_or_create_with("set", || (0..500u32).collect::<HashSet<_>>()).expect("set");
    segment
        .open_or_create_with("ordered", || (0..500).map(|n| n.to_string()).collect::<BTreeSet<_>>())
        .expect("ordered");
    let watching = onlooker(&path);
    let queue: Shared<VecDeque<u8>> = watching.open("queue").expect("queue");
    assert_eq!(queue.scan(48, 10).expect("scan"), [48, 49]);
    let set: Shared<HashSet<u32>> = watching.open("set").expect("set");
    let (mut all, mut next) = (HashSet::new(), Some(0));
    while let Some(cursor) = next {
        let (page, cursor) = set.scan(cursor, 40).expect("scan");
        all.extend(page);
        next = cursor;
    }
    assert_eq!(all, (0..500).collect::<HashSet<_>>());
    let ordered: Shared<BTreeSet<String>> = watching.open("ordered").expect("ordered");
    let (mut all, mut last) = (Vec::new(), None::<String>);
    loop {
        let page = ordered.scan(last.as_deref(), 33).expect("scan");
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        all.extend(page);
    }
    assert!(all.is_sorted() && all.len() == 500);
}

//! Several processes at work in one segment, some of them killed, stopped or stuck: nothing is lost, nothing
//! half-done is seen, nobody else is harmed.

mod common;

use common::{Draw, LONG, Player, Stage, Watch, place, play, segment, text};
use commy::{Error, Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn role() {
    play(&[
        ("adder", adder),
        ("taker", taker),
        ("grower", grower),
        ("holder", holder),
        ("reader", reader),
        ("waiter", waiter),
        ("soldier", soldier),
    ]);
}

const ADDERS: u64 = 4;
const ADDED: u64 = 400;

/// Adds its share of numbers to collections of each kind.
fn adder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    let hashed: Shared<HashMap<u64, u64>> = segment.open_or_create("hashed").expect("hashed");
    let ordered: Shared<BTreeMap<u64, u64>> = segment.open_or_create("ordered").expect("ordered");
    let named: Shared<HashMap<String, u64>> = segment.open_or_create("named").expect("named");
    stage.say("ready");
    assert_eq!(stage.hear(), "go");
    for number in (0..ADDED).map(|number| stage.number(1) * ADDED + number) {
        list.write().expect("lock").push(number).expect("push");
        queue.write().expect("lock").push_front(number).expect("push");
        assert_eq!(hashed.write().expect("lock").insert(number, number * 2).expect("insert"), None);
        assert_eq!(ordered.write().expect("lock").insert(number, number * 3).expect("insert"), None);
        // All meet here.
        *named.write().expect("lock").entry_or_insert("sum", 0).expect("insert") += number;
    }
}

/// Takes numbers from a queue until it is empty; tells which.
fn taker(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let queue: Shared<VecDeque<u64>> = segment.open("queue").expect("queue");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    stage.say("ready");
    assert_eq!(stage.hear(), "go");
    let (mut from_queue, mut from_list) = (Vec::new(), Vec::new());
    while let Some(number) = queue.write().expect("lock").pop_back().expect("pop") {
        from_queue.push(number.to_string());
    }
    while let Some(number) = list.write().expect("lock").pop().expect("pop") {
        from_list.push(number.to_string());
    }
    stage.say(from_queue.join(" "));
    stage.say(from_list.join(" "));
}

/// Starts several that do the same, and lets them go together.
fn together(role: &str, path: &str, many: u64) -> Vec<Player> {
    let mut players: Vec<Player> = (0..many).map(|number| Player::start(role, &[path, &number.to_string()])).collect();
    players.iter_mut().for_each(|player| player.expect("ready"));
    players.iter_mut().for_each(|player| player.say("go"));
    players
}

#[test]
fn what_several_processes_push_and_insert_and_pop_at_once_is_all_there_once() {
    let (_folder, path, segment) = segment(1 << 30);
    together("adder", text(&path), ADDERS).into_iter().for_each(Player::end_well);
    let all = ADDERS * ADDED;
    let mut list = segment.open::<Vec<u64>>("list").expect("list").load().expect("load");
    list.sort_unstable();
    assert!(list.into_iter().eq(0..all), "the list");
    let hashed = segment.open::<HashMap<u64, u64>>("hashed").expect("hashed").load().expect("load");
    assert_eq!(hashed, HashMap::from_iter((0..all).map(|n| (n, n * 2))));
    let ordered = segment.open::<BTreeMap<u64, u64>>("ordered").expect("ordered").load().expect("load");
    assert!(ordered.into_iter().eq((0..all).map(|n| (n, n * 3))), "the ordered map");
    let named: Shared<HashMap<String, u64>> = segment.open("named").expect("named");
    assert_eq!(named.read().expect("lock").get("sum"), Some(&(0..all).sum::<u64>()));

    let mut takers = together("taker", text(&path), ADDERS);
    for of in ["queue", "list"] {
        let said: Vec<String> = takers.iter_mut().map(Player::hear).collect();
        let mut taken: Vec<u64> =
            said.iter().flat_map(|line| line.split_whitespace()).map(|n| n.parse().expect("a number")).collect();
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..all), "the {of} gave something twice or not at all");
    }
    takers.into_iter().for_each(Player::end_well);
}

/// Makes the file grow by a mebibyte each time it is told so.
fn grower(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let blocks: Shared<Vec<Vec<u8>>> = segment.open_or_create("blocks").expect("blocks");
    loop {
        stage.hear();
        for number in 0..16 {
            blocks.write().expect("lock").push(vec![number; 64 << 10]).expect("push");
        }
        stage.say(segment.size());
    }
}

#[test]
fn a_reader_keeps_its_references_while_another_process_makes_the_file_grow() {
    let (_folder, path, segment) = segment(1 << 30);
    let numbers: Shared<Vec<u64>> = segment.open_or_create("numbers").expect("numbers");
    numbers.store((0..5000).collect()).expect("store");
    let words: Shared<Vec<String>> = segment.open_or_create("words").expect("words");
    words.store((0..500).map(|n| format!("word number {n}")).collect()).expect("store");
    let begin = segment.size();

    let (numbers, words) = (numbers.read().expect("lock"), words.read().expect("lock"));
    let slice: &[u64] = &numbers[..];
    let borrowed: Vec<&str> = words.iter().collect();
    let places: Vec<*const u8> = borrowed.iter().map(|word| word.as_ptr()).collect();

    let mut player = Player::start("grower", &[text(&path)]);
    for _ in 0..16 {
        player.say("grow");
        let size: u64 = player.hear().parse().expect("a size");
        assert_eq!(segment.size(), size, "the reader does not see the growth");
        assert!(slice.iter().copied().eq(0..5000));
        assert!(borrowed.iter().enumerate().all(|(n, word)| *word == format!("word number {n}")));
        // Looked up anew, all is where it was.
        assert_eq!(numbers[..].as_ptr(), slice.as_ptr());
        assert!(words.iter().map(str::as_ptr).eq(places.iter().copied()));
    }
    assert!(segment.size() >= begin + (16 << 20));
    // What was added meanwhile is within reach.
    let blocks: Shared<Vec<Vec<u8>>> = segment.open("blocks").expect("blocks");
    let blocks = blocks.read().expect("lock");
    assert_eq!(blocks.len(), 256);
    assert!(blocks.iter().enumerate().all(|(n, block)| block.len() == 64 << 10 && block[65_535] == n as u8 % 16));
}

/// Changes things under a guard and stays there. Commits if it is told so.
fn holder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let mut guard = list.write().expect("lock");
    guard[0] = 99;
    assert_eq!(guard.pop().expect("pop"), Some(3));
    for number in 100..1100 {
        guard.push(number).expect("push");
    }
    stage.say("inside");
    stage.hear();
    guard.commit().expect("commit");
    stage.say("committed");
    stage.stay();
}

/// Reads, and stays there.
fn reader(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let guard = list.read().expect("lock");
    assert_eq!(guard[..], [1, 2, 3]);
    stage.say("inside");
    stage.stay();
}

/// Waits for the lock, sees that nothing half-done is there, leaves its number.
fn waiter(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    stage.say("waiting");
    let mut guard = list.write().expect("lock");
    stage.say(format!("{:?}", &guard[..3]));
    guard.push(stage.number(1)).expect("push");
    guard.commit().expect("commit");
    stage.say("done");
    stage.stay();
}

/// A segment with the list that all these use, and somebody who does something with it.
fn with_list(role: &str) -> (tempfile::TempDir, std::path::PathBuf, Segment, Shared<Vec<u64>>, Player) {
    let (folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    list.store(vec![1, 2, 3]).expect("store");
    let mut player = Player::start(role, &[text(&path)]);
    player.expect("inside");
    (folder, path, segment, list, player)
}

#[test]
fn a_killed_writers_half_done_change_is_undone_by_who_waits_and_soon() {
    let (_folder, _path, segment, list, mut player) = with_list("holder");
    let allocated = |segment: &Segment| segment.stats().expect("stats").allocated;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut guard = list.write().expect("lock");
            assert_eq!(guard[..], [1, 2, 3], "half-done changes are seen");
            guard.push(4).expect("push");
        });
        // Gives the other the time to fall asleep. If it does not, the test is merely easier.
        assert!(matches!(list.write_for(Duration::from_millis(100)), Err(Error::LockTimeout { .. })));
        let killed = Watch::start();
        player.kill_only();
        waiting.join().expect("the waiter");
        killed.expect_soon("it");
    });
    assert_eq!(list.load().expect("load"), [1, 2, 3, 4]);
    let stats = segment.stats().expect("stats");
    assert_eq!((stats.recovered, stats.rolled_back, stats.finished), (1, 1, 0));
    list.store(Vec::new()).expect("store");
    let empty = allocated(&segment);
    list.store(vec![1, 2, 3]).expect("store");
    list.store(Vec::new()).expect("store");
    assert_eq!(allocated(&segment), empty);
}

#[test]
fn a_killed_writers_half_done_change_is_undone_by_who_opens_later() {
    let (_folder, path, segment, list, mut player) = with_list("holder");
    let before = segment.stats().expect("stats").allocated;
    drop((list, segment));
    player.kill();
    // Nobody has the file open now.
    let segment = Segment::open(&path).expect("open");
    assert_eq!(segment.recover().expect("recover"), 0, "opening did not recover");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    assert_eq!(list.load().expect("load"), [1, 2, 3]);
    let stats = segment.stats().expect("stats");
    assert_eq!((stats.rolled_back, stats.finished), (1, 0));
    // The list may not have been copied to a larger block for good: what the dead had taken is given back.
    assert!(stats.allocated <= before, "{} of {before} bytes leaked", stats.allocated - before);
    list.write_for(Duration::ZERO).expect("the lock is free");
}

#[test]
fn a_killed_writers_half_done_change_is_undone_by_whoever_comes_in_whatever_way() {
    let ways: [fn(&Shared<Vec<u64>>) -> commy::Result<Vec<u64>>; 7] = [
        |list| list.read().map(|guard| guard[..].to_vec()),
        |list| list.load(),
        |list| list.try_read().map(|guard| guard[..].to_vec()),
        |list| list.try_write().map(|guard| guard[..].to_vec()),
        |list| list.write_for(Duration::ZERO).map(|guard| guard[..].to_vec()),
        |list| list.store(vec![1, 2, 3]).map(|()| vec![1, 2, 3]),
        |list| list.segment().transaction(|tx| tx.write(list).map(|part| part[..].to_vec())),
    ];
    for (number, way) in ways.iter().enumerate() {
        let (_folder, _path, segment, list, mut player) = with_list("holder");
        player.kill();
        let begin = Watch::start();
        let seen = way(&list).unwrap_or_else(|error| panic!("way {number}: {error}"));
        assert_eq!(seen, [1, 2, 3], "way {number}");
        begin.expect_soon(&format!("way {number}"));
        assert_eq!(segment.stats().expect("stats").rolled_back, 1, "way {number}");
    }
}

#[test]
fn recover_undoes_what_the_dead_left_without_touching_the_object() {
    let (_folder, _path, segment, list, mut player) = with_list("holder");
    assert_eq!(segment.recover().expect("recover"), 0, "the living were recovered");
    player.kill();
    assert_eq!(segment.recover().expect("recover"), 1);
    assert_eq!(segment.recover().expect("recover"), 0);
    assert_eq!(list.try_read().expect("the lock is free")[..], [1, 2, 3]);
}

#[test]
fn a_killed_reader_does_not_block_writers() {
    let (_folder, _path, _segment, list, mut player) = with_list("reader");
    let error = list.write_for(Duration::from_millis(50)).expect_err("somebody reads");
    assert!(matches!(error, Error::LockTimeout { holder, .. } if holder == player.pid()), "{error}");
    list.try_read().expect("readers do not exclude each other");
    player.kill();
    let begin = Watch::start();
    list.write().expect("lock").push(4).expect("push");
    begin.expect_soon("it");
}

#[test]
fn a_time_out_names_the_process_that_has_the_lock() {
    let (_folder, path, _segment, list, mut player) = with_list("holder");
    let impatient = Segment::options().lock_timeout(Duration::from_millis(80)).open(&path).expect("open");
    let same: Shared<Vec<u64>> = impatient.open("list").expect("list");
    for (patience, error) in [
        (60, list.write_for(Duration::from_millis(60)).err()),
        (60, list.read_for(Duration::from_millis(60)).err()),
        (0, list.try_write().err()),
        (0, list.try_read().err()),
        (80, same.write().err()),
        (80, same.read().err()),
        (80, same.load().err()),
        (80, same.store(vec![]).err()),
    ] {
        let error = error.expect("it is locked");
        let Error::LockTimeout { what, holder, held_for } = &error else { panic!("{error}") };
        assert_eq!(*holder, player.pid());
        assert!(what.contains("list") && *held_for >= Duration::from_millis(patience), "{error}");
        assert!(error.to_string().contains(&player.pid().to_string()), "{error}");
    }
    let begin = Instant::now();
    let error = list.write_for(Duration::from_millis(200)).expect_err("it is locked");
    assert!(begin.elapsed() >= Duration::from_millis(200) && begin.elapsed() < LONG, "{error} {:?}", begin.elapsed());
    // Having been waited for in vain changes nothing for the holder.
    player.say("commit");
    player.expect("committed");
    assert_eq!(list.load().expect("load").len(), 1002);
}

#[test]
fn participants_are_told_apart_the_living_from_the_dead() {
    let (_folder, _path, segment, _list, mut player) = with_list("holder");
    let alive = |pid| segment.participants().into_iter().find(|p| p.pid == pid).map(|p| p.alive);
    assert_eq!(alive(std::process::id()), Some(true));
    assert_eq!(alive(player.pid()), Some(true));
    assert_eq!(segment.participants().len(), 2);
    player.kill();
    assert_ne!(alive(player.pid()), Some(true));
    segment.heartbeat().expect("heartbeat");
    let own = segment.participants().into_iter().find(|p| p.pid == std::process::id()).expect("this process");
    assert!(own.heartbeat_age < Duration::from_secs(5));
}

// Windows has no way to stop a process that is documented.
#[cfg(unix)]
#[test]
fn a_stopped_holder_is_not_robbed_and_commits_when_it_goes_on() {
    let (_folder, _path, segment, list, mut player) = with_list("holder");
    let pid = libc::pid_t::try_from(player.pid()).expect("a pid");
    let mut status = 0;
    // SAFETY: a signal to a child that was not waited for, and a wait for it to stop.
    unsafe {
        assert_eq!(libc::kill(pid, libc::SIGSTOP), 0);
        assert_eq!(libc::waitpid(pid, &raw mut status, libc::WUNTRACED), pid);
    }
    assert!(libc::WIFSTOPPED(status));
    let error = list.write_for(Duration::from_millis(400)).expect_err("it is locked");
    assert!(matches!(error, Error::LockTimeout { holder, .. } if holder == player.pid()), "{error}");
    assert_eq!(segment.recover().expect("recover"), 0, "the stopped was taken for dead");
    assert!(matches!(list.try_read(), Err(Error::LockTimeout { .. })));
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
    player.say("commit");
    player.expect("committed");
    let values = list.load().expect("load");
    assert_eq!((values.len(), values[0], values[1001]), (1002, 99, 1099));
    assert_eq!(segment.stats().expect("stats").recovered, 0);
}

#[test]
fn three_that_wait_for_a_lock_whose_holder_is_killed_all_get_it_soon() {
    let (_folder, path, segment, list, mut player) = with_list("holder");
    let mut waiters: Vec<Player> =
        (11..14).map(|number: u64| Player::start("waiter", &[text(&path), &number.to_string()])).collect();
    waiters.iter_mut().for_each(|waiter| waiter.expect("waiting"));
    // Gives them the time to fall asleep.
    assert!(matches!(list.write_for(Duration::from_millis(100)), Err(Error::LockTimeout { .. })));
    let killed = Watch::start();
    player.kill_only();
    for waiter in &mut waiters {
        waiter.expect("[1, 2, 3]");
        waiter.expect("done");
    }
    killed.expect_soon("it");
    let mut values = list.load().expect("load");
    values[3..].sort_unstable();
    assert_eq!(values, [1, 2, 3, 11, 12, 13]);
    let stats = segment.stats().expect("stats");
    assert_eq!((stats.recovered, stats.rolled_back), (1, 1), "somebody else was recovered as well");
}

#[test]
fn the_wake_of_a_killed_waiter_is_not_lost_for_the_others() {
    let (_folder, path, _segment, list, mut player) = with_list("holder");
    let mut waiters: Vec<Player> =
        (11..15).map(|number: u64| Player::start("waiter", &[text(&path), &number.to_string()])).collect();
    waiters.iter_mut().for_each(|waiter| waiter.expect("waiting"));
    assert!(matches!(list.write_for(Duration::from_millis(100)), Err(Error::LockTimeout { .. })));
    waiters.drain(..2).for_each(drop);
    let begin = Watch::start();
    player.say("commit");
    player.expect("committed");
    for waiter in &mut waiters {
        waiter.expect("[99, 2, 100]");
        waiter.expect("done");
    }
    begin.expect_soon("it");
    let mut values = list.load().expect("load");
    assert_eq!(values.len(), 1004);
    values[1002..].sort_unstable();
    assert_eq!(values[1002..], [13, 14]);
}

const SOLDIERS: usize = 8;
/// What both accounts have together.
const MONEY: u64 = 1_000_000;
/// Distance of the two keys that a soldier changes together.
const TWIN: u64 = 1000;

/// The objects of the soak test.
struct Field {
    segment: Segment,
    list: Shared<Vec<u64>>,
    map: Shared<HashMap<u64, u64>>,
    here: Shared<u64>,
    there: Shared<u64>,
}

impl Field {
    fn open(path: &std::path::Path) -> Field {
        let segment = Segment::options().lock_timeout(Duration::from_secs(20)).open_or_create(path).expect("open");
        Field {
            list: segment.open_or_create("list").expect("list"),
            map: segment.open_or_create("map").expect("map"),
            here: segment.open_or_create_with("here", || MONEY).expect("here"),
            there: segment.open_or_create("there").expect("there"),
            segment,
        }
    }

    /// How many changes were committed.
    fn progress(&self) -> u64 {
        self.list.version() + self.map.version() + self.here.version()
    }

    /// What must hold at each moment.
    fn check(&self) {
        let list = self.list.read().expect("lock");
        let (pairs, rest) = list[..].as_chunks::<2>();
        assert!(rest.is_empty() && pairs.iter().all(|[a, b]| *a == !*b), "half a change to the list");
        drop(list);
        let map = self.map.read().expect("lock");
        for (key, value) in map.iter() {
            let twin = if *key < TWIN { key + TWIN } else { key - TWIN };
            assert_eq!(map.get(&twin), Some(value), "half a change to the map, at {key}");
        }
        drop(map);
        loop {
            // Those who move money lock in either order, so this may be told to let go.
            let here = self.here.read().expect("lock");
            match self.there.read() {
                Ok(there) => break assert_eq!(here.view() + there.view(), MONEY, "money was made or lost"),
                Err(Error::Deadlock { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// One change, whole or not at all.
    fn change(&self, draw: &mut Draw) -> commy::Result<()> {
        let (key, value, many) = (draw.below(100), draw.number(), draw.below(50));
        match draw.below(6) {
            0 => {
                let mut list = self.list.write()?;
                for number in value..value.saturating_add(many) {
                    list.push(number)?;
                    list.push(!number)?;
                }
            }
            1 => {
                let mut list = self.list.write()?;
                for _ in 0..many {
                    let Some(last) = list.pop()? else { break };
                    assert_eq!(list.pop()?, Some(!last));
                }
            }
            2 => {
                let mut map = self.map.write()?;
                for key in key..key + many {
                    map.insert(key, value)?;
                    map.insert(key + TWIN, value)?;
                }
            }
            3 => {
                let mut map = self.map.write()?;
                for key in key..key + many {
                    assert_eq!(map.remove(&key)?, map.remove(&(key + TWIN))?);
                }
            }
            order => self.segment.transaction_retry(1000, |tx| {
                let (from, to) = if order == 4 { (&self.here, &self.there) } else { (&self.there, &self.here) };
                let mut from = tx.write(from)?;
                let sum = value % 100;
                let Some(less) = from.view().checked_sub(sum) else { return Ok(()) };
                *from.view_mut() = less;
                *tx.write(to)?.view_mut() += sum;
                Ok(())
            })?,
        }
        Ok(())
    }
}

/// Makes changes until it is killed or dismissed.
fn soldier(stage: &Stage) {
    let dismissed = stage.until_dismissed();
    let field = Field::open(stage.path(0));
    let mut draw = Draw::new(stage.number(1));
    while !dismissed.load(Ordering::Relaxed) {
        if let Err(error) = field.change(&mut draw) {
            stage.say(format!("error: {error}"));
            panic!("{error}");
        }
    }
}

#[test]
fn kills_at_random_instants_lose_nothing_leak_nothing_and_harm_nobody() {
    let kills: u64 = std::env::var("COMMY_KILLS").map_or(40, |text| text.parse().expect("COMMY_KILLS: a number"));
    let (_folder, path) = place();
    let field = Field::open(&path);
    let allocated = field.segment.stats().expect("stats").allocated;
    let mut seeds = 0..;
    let mut recruit = || {
        let seed: u64 = seeds.next().expect("numbers do not end");
        Player::start("soldier", &[text(&path), &seed.to_string()])
    };
    let mut soldiers: Vec<Player> = (0..SOLDIERS).map(|_| recruit()).collect();
    let mut draw = Draw::new(40);
    for kill in 0..kills {
        // Not before some work was done since the last one.
        let goal = field.progress() + 1 + draw.below(300);
        let begin = Instant::now();
        while field.progress() < goal {
            assert!(begin.elapsed() < LONG, "nobody gets on any more after {kill} kills");
            std::thread::yield_now();
        }
        let victim = draw.below(SOLDIERS as u64) as usize;
        soldiers[victim].kill_only();
        let successor = recruit();
        let fallen = std::mem::replace(&mut soldiers[victim], successor);
        drop(fallen);
        for bystander in &mut soldiers {
            assert_eq!(bystander.heard(), None, "a bystander failed after {kill} kills");
        }
        if kill % 8 == 0 {
            field.check();
        }
    }
    soldiers.iter_mut().for_each(Player::dismiss);
    soldiers.into_iter().for_each(Player::end_well);
    field.segment.recover().expect("recover");
    field.check();
    let changes = field.progress();
    let stats = field.segment.stats().expect("stats");
    println!("{kills} kills, {changes} changes, {} rolled back, {} finished", stats.rolled_back, stats.finished);
    drop(field);
    let field = Field::open(&path);
    field.check();
    field.list.store(Vec::new()).expect("store");
    field.map.store(HashMap::new()).expect("store");
    assert_eq!(field.segment.stats().expect("stats").allocated, allocated, "something leaked");
    assert_eq!(field.segment.participants().iter().filter(|one| one.alive).count(), 1);
}

//! Killed right before named stores, while three other processes work on the same objects: one that sleeps until something
//! is there, one that reads by reference, one that only may read. Nobody fails, nothing is lost, nobody waits.
//!
//! ```text
//! surveyor     does each operation a few times, and says how often it passes each crash point
//! victim       does one operation again and again, and is killed at a point that it passes          (for real)
//! bystanders   live through all of that: none fails, and none of their operations is kept waiting by the dead for longer
//!              than 100 ms
//! ```
//!
//! What the dead may cost begins when one is dead, which the kernel tells at once: a victim that has a lock and gets no
//! processor is alive, and may be waited for. And the machine may be as busy as it likes: the kernel counts how long
//! threads had work to do and got no processor, which is taken off, of all who can be waited for
//! (`common::waited_for_processors`), with the lateness of timers (`common::Watch`):
//!
//! ```text
//! operations    |---------------------------|   |-----|   of each who survives: that which is going on, and the next;
//! death                          x                        of the test itself one for each object
//! kept waiting                   |<-------->|   |<--->|   less what the machine let wait
//! next victim                                            x    when all these are over
//! ```
//!
//! Where the kernel does not count that, none may take longer than a second (`common::Watch`), which holds everywhere.
//!
//! `COMMY_POINTS` says how many kills are drawn, 40 unless said; `all`: each operation at each point that it passes, the
//! first time, the second, and some time later. Needs the feature `crash-points`.
// On Windows `crash_points` does as much: there nothing tells who was killed from who ended by itself.
#![cfg(all(feature = "crash-points", unix))]

mod common;

use common::{Draw, Player, SOON, Stage, Watch, machine_time, play, segment, text, waited_for_processors};
use commy::crash_points::{hits, kill_at, points};
use commy::{Error, Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

#[test]
fn role() {
    play(&[
        ("surveyor", surveyor),
        ("victim", victim),
        ("sleeper", sleeper),
        ("reader", reader),
        ("onlooker", onlooker),
    ]);
}

/// What survivors may be kept waiting, beside what is in proportion to what the dead had changed: here that is little.
const BOUND: Duration = Duration::from_millis(100);
/// How long a victim has to come to its point.
const LIFE: Duration = Duration::from_secs(3);
/// What moves to and fro.
const ITEMS: usize = 40;

struct Objects {
    segment: Segment,
    left: Shared<Vec<String>>,
    right: Shared<VecDeque<String>>,
    map: Shared<HashMap<u64, Vec<String>>>,
    tree: Shared<BTreeMap<String, u64>>,
    note: Shared<String>,
    block: Shared<Vec<u8>>,
    moves: Shared<u64>,
}

fn item(number: usize) -> String {
    format!("{number:03}").repeat(1 + number * 7)
}

impl Objects {
    fn of(segment: Segment) -> Objects {
        Objects {
            left: segment.open_or_create_with("left", || (0..ITEMS).map(item).collect()).expect("left"),
            right: segment.open_or_create("right").expect("right"),
            map: segment.open_or_create("map").expect("map"),
            tree: segment.open_or_create("tree").expect("tree"),
            note: segment.open_or_create("note").expect("note"),
            block: segment.open_or_create("block").expect("block"),
            moves: segment.open_or_create("moves").expect("moves"),
            segment,
        }
    }

    /// Moves an item from one end to another, and counts it: one transaction.
    fn shift(&self, round: u64) -> commy::Result<()> {
        self.segment.transaction_retry(100, |tx| {
            let (mut left, mut right) = (tx.write(&self.left)?, tx.write(&self.right)?);
            if round / 8 % 2 == 0 {
                if let Some(item) = left.pop()? {
                    right.push_front(item)?;
                }
            } else if let Some(item) = right.pop_back()? {
                left.insert(0, item)?;
            }
            *tx.write(&self.moves)?.view_mut() += 1;
            Ok(())
        })
    }

    /// What there is to do with everything that the dead may have had.
    const LOOKS: [fn(&Objects, u64) -> commy::Result<()>; 6] = [
        Objects::shift,
        |at, _| at.map.write().map(drop),
        |at, _| at.tree.write().map(drop),
        |at, _| at.note.write().map(drop),
        |at, n| at.block.store(vec![n as u8; 50_000]),
        |at, _| at.segment.objects().map(drop),
    ];

    /// Sees that all is whole; nobody is in the middle of anything.
    fn are_whole(&self) {
        let (left, right) = (self.left.load().expect("left"), self.right.load().expect("right"));
        let mut all: Vec<String> = left.into_iter().chain(right).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..ITEMS).map(item)), "items are lost, doubled or damaged");
        for (key, value) in self.map.load().expect("map") {
            assert_eq!(value, values(key));
        }
        assert!(self.tree.load().expect("tree").into_iter().all(|(key, value)| key == format!("{value:05}")));
        let note = self.note.load().expect("note");
        assert!(note.split_terminator(';').all(|word| word == "word"), "{note}");
        let block = self.block.load().expect("block");
        assert!(block.iter().all(|byte| *byte == block[0]), "a block is torn");
        assert_eq!(self.segment.check().expect("check"), []);
    }
}

fn values(key: u64) -> Vec<String> {
    vec![format!("value {key} ").repeat(key as usize % 7); key as usize % 4]
}

/// What a victim does; the number counts.
const OPERATIONS: [(&str, fn(&Objects, u64) -> commy::Result<()>); 10] = [
    ("transaction", Objects::shift),
    ("hash map", |at, n| {
        at.map.insert(n * 7 % 90, values(n * 7 % 90))?;
        at.map.remove(&(n * 11 % 90)).map(drop)
    }),
    ("ordered map", |at, n| {
        at.tree.insert(format!("{:05}", n * 7 % 200), n * 7 % 200)?;
        at.tree.remove(format!("{:05}", n * 11 % 200).as_str()).map(drop)
    }),
    ("text", |at, n| if n % 60 == 59 { at.note.clear() } else { at.note.push_str("word;") }),
    ("block", |at, n| at.block.store(vec![n as u8; (n * 7919 % 60_000) as usize])),
    ("rolled back", |at, n| {
        let mut map = at.map.write()?;
        map.insert(n % 90, vec!["nonsense".repeat(20); 9])?;
        map.remove(&(n * 5 % 90))?;
        map.rollback();
        Ok(())
    }),
    ("object", |at, n| {
        at.segment.open_or_create_with("own", || vec![n; 50])?;
        let _ = at.segment.rename("own", "other");
        match at.segment.remove("other") {
            Err(Error::NotFound { .. }) => Ok(()),
            done => done,
        }
    }),
    ("attachment", |at, n| {
        let other = Objects::of(Segment::open(at.segment.path())?);
        std::thread::scope(|scope| scope.spawn(|| other.shift(n)).join().expect("a thread"))
    }),
    ("space", |at, n| {
        at.block.store(vec![n as u8; 300_000])?;
        at.block.store(vec![n as u8; 10])?;
        at.segment.shrink_to_usage()?;
        at.segment.recover().map(drop)
    }),
    ("reading", |at, _| {
        let _long = at.left.read()?;
        let _ = at.right.read()?.len();
        at.map.get(&1).map(drop)
    }),
];

/// Says how often each operation passes each point, in its first rounds.
fn surveyor(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    for (name, operate) in OPERATIONS {
        let before = hits();
        (0..20).for_each(|round| operate(&objects, round).expect(name));
        for ((point, before), (_, after)) in before.into_iter().zip(hits()).filter(|((_, a), (_, b))| a != b) {
            stage.say(format!("{name}|{point}|{}", after - before));
        }
    }
    stage.say("done");
}

/// Does one operation until it is killed.
fn victim(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let (name, operate) = OPERATIONS.into_iter().find(|(name, _)| *name == stage.arguments[1]).expect("an operation");
    kill_at(&stage.arguments[2], stage.number(3));
    for round in 0.. {
        operate(&objects, round).expect(name);
    }
}

/// An operation that took longer than the dead may cost: when it began and ended, and what of this was waiting for
/// processors, and for timers that came late.
struct Slow {
    who: String,
    begin: Duration,
    end: Duration,
    waited: Duration,
}

impl Slow {
    /// How long a death may have kept it waiting.
    fn kept_waiting(&self, death: Duration) -> Duration {
        self.end.saturating_sub(self.begin.max(death)).saturating_sub(self.waited)
    }
}

/// Waits for a child to be dead, and says when that was. Somebody has to wait for the child all the same.
fn moment_of_death(pid: u32) -> JoinHandle<Duration> {
    std::thread::spawn(move || {
        // SAFETY: zeros are a `siginfo_t`, which is filled; the child belongs to this process.
        let seen = unsafe {
            let mut facts: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid, &raw mut facts, libc::WEXITED | libc::WNOWAIT)
        };
        assert_eq!(seen, 0, "waitid: {}", std::io::Error::last_os_error());
        machine_time()
    })
}

/// Does an operation next to these processes. Says so if it was slow.
fn timed<R>(beside: &[u32], act: impl FnOnce() -> R) -> (R, Option<Slow>) {
    let (before, watch, begin) = (waited_for_processors(beside), Watch::start(), machine_time());
    let done = act();
    let (end, late) = (machine_time(), watch.lateness());
    let slow = (end - begin > BOUND).then(|| waited_for_processors(beside)).flatten().zip(before);
    (
        done,
        slow.map(|(after, before)| Slow {
            who: "who counts".into(),
            begin,
            end,
            waited: after.saturating_sub(before) + late,
        }),
    )
}

/// Does something again and again until it is dismissed; says what was slow, or wrong.
fn stand_by(stage: &Stage, mut act: impl FnMut() -> commy::Result<()>) {
    stage.say("there");
    let survivors: Vec<u32> = stage.hear().split(' ').map(|pid| pid.parse().expect("a pid")).collect();
    let (asked, dismissed) = stage.asked_and_dismissed();
    let (mut many, mut answered) = (0u64, 0);
    while !dismissed.load(Ordering::Relaxed) {
        // What these want to know of is behind what was going on when they asked.
        let (watch, wanted) = (Watch::start(), asked.load(Ordering::Relaxed));
        let (done, slow) = timed(&survivors, &mut act);
        if let Err(error) = done {
            return stage.say(format!("failed: {error}"));
        }
        if !watch.is_within(SOON) {
            return stage.say(format!("waited for {:?}, the machine for {:?}", watch.elapsed(), watch.lateness()));
        }
        if let Some(Slow { begin, end, waited, .. }) = slow {
            stage.say(format!("slow {} {} {}", begin.as_nanos(), end.as_nanos(), waited.as_nanos()));
        }
        many += 1;
        while answered < wanted {
            answered += 1;
            stage.say("alive");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    stage.say(format!("done {many}"));
}

/// Hears what was slow for a bystander, until it says this, maybe with a number.
#[track_caller]
fn hear_until(bystander: &mut Player, what: &str, slow: &mut Vec<Slow>) -> u64 {
    loop {
        let said = bystander.hear();
        let words: Vec<&str> = said.split(' ').collect();
        let number = |at: usize| words.get(at).map_or(0, |word| word.parse().expect("a number"));
        match words[0] {
            word if word == what => return number(1),
            "slow" => {
                let [begin, end, waited] = [1, 2, 3].map(|at| Duration::from_nanos(number(at)));
                slow.push(Slow { who: bystander.name().into(), begin, end, waited });
            }
            _ => panic!("a bystander {said}"),
        }
    }
}

/// Sleeps until something has changed.
fn sleeper(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    let mut version = objects.moves.version();
    stand_by(stage, || {
        version = objects.moves.wait(version, BOUND / 10)?;
        Ok(())
    });
}

/// Reads by reference, several objects at once.
fn reader(stage: &Stage) {
    let objects = Objects::of(Segment::open(stage.path(0)).expect("open"));
    stand_by(stage, || {
        let left = objects.left.read()?;
        let texts: Vec<&str> = left.iter().collect();
        assert!(texts.iter().all(|text| text.len() % 3 == 0 && text.is_ascii()), "half an item is seen");
        let map = objects.map.read()?;
        assert!(map.iter().all(|(key, value)| value.len() == *key as usize % 4), "half a value is seen");
        Ok(())
    });
}

/// May only read.
fn onlooker(stage: &Stage) {
    let path = stage.path(0).to_path_buf();
    stand_by(stage, || {
        let segment = Segment::options().read_only(true).open(&path)?;
        let left: Shared<Vec<String>> = segment.open("left")?;
        let tree: Shared<BTreeMap<String, u64>> = segment.open("tree")?;
        assert!(left.load()?.iter().all(|text| text.len() % 3 == 0), "half an item is seen");
        assert!(tree.load()?.iter().all(|(key, value)| *key == format!("{value:05}")), "half an entry is seen");
        Ok(())
    });
}

#[test]
fn whoever_is_killed_at_whatever_point_the_bystanders_notice_nothing() {
    let (_folder, path, segment) = segment(64 << 20);
    let objects = Objects::of(segment);
    // Which operation passes which point, how often.
    let mut surveyor = Player::start("surveyor", &[text(&path)]);
    let mut places: Vec<(String, String, u64)> = Vec::new();
    loop {
        let said = surveyor.hear();
        let Some((operation, rest)) = said.split_once('|') else { break };
        let (point, many) = rest.split_once('|').expect("a point");
        places.push((operation.into(), point.into(), many.parse().expect("a number")));
    }
    surveyor.end_well();
    // Only who finds somebody dead comes to this one: the victims of the operations do, if another was killed before.
    let missed: Vec<String> = points()
        .into_iter()
        .filter(|point| point != "SlotRescue" && places.iter().all(|(_, p, _)| p != point))
        .collect();
    assert!(missed.is_empty(), "no operation passes {missed:?}");
    let mut draw = Draw::new(7);
    let mut kills: Vec<(String, String, u64)> = Vec::new();
    for (operation, point, many) in places {
        for skip in [0, 1.min(many - 1), draw.below(many)] {
            kills.push((operation.clone(), point.clone(), skip));
        }
    }
    draw.shuffle(&mut kills);
    match std::env::var("COMMY_POINTS").as_deref() {
        Ok("all") => {}
        Ok(number) => kills.truncate(number.parse().expect("COMMY_POINTS: a number, or all")),
        Err(_) => kills.truncate(40),
    }
    let mut bystanders: Vec<Player> =
        ["sleeper", "reader", "onlooker"].into_iter().map(|role| Player::start(role, &[text(&path)])).collect();
    bystanders.iter_mut().for_each(|bystander| bystander.expect("there"));
    let mut survivors: Vec<u32> = bystanders.iter().map(Player::pid).collect();
    survivors.push(std::process::id());
    let told = survivors.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    bystanders.iter_mut().for_each(|bystander| bystander.say(&told));
    let (mut operations, mut missed, mut slow, mut longest) = (0, 0, 0, Duration::ZERO);
    let mut worst = ("nobody".to_string(), Duration::ZERO);
    for (number, (operation, point, skip)) in kills.iter().enumerate() {
        let mut victim = Player::start("victim", &[text(&path), operation, point, &skip.to_string()]);
        let death = moment_of_death(victim.pid());
        let (all, mut beside) = (Watch::start(), Vec::new());
        for round in 0.. {
            let watch = Watch::start();
            let (done, late) = timed(&survivors, || objects.shift(round));
            done.expect("a transaction");
            assert!(watch.is_within(SOON), "{operation} at {point} {skip}: waited for {:?}", watch.elapsed());
            beside.extend(late);
            operations += 1;
            if death.is_finished() {
                break;
            }
            if all.elapsed() > LIFE {
                // What it meets depends on what the others do.
                victim.kill_only();
                missed += 1;
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let death = death.join().expect("a death");
        assert!(victim.was_killed(), "{operation} at {point} {skip}: not killed");
        for look in Objects::LOOKS {
            let (done, late) = timed(&survivors, || look(&objects, number as u64));
            done.expect("what the dead had");
            beside.extend(late);
            operations += 1;
        }
        // The next victim lives only when nobody is left who was there at this death: so no slowness of its own counts.
        bystanders.iter_mut().for_each(|bystander| bystander.say("still there?"));
        for bystander in &mut bystanders {
            hear_until(bystander, "alive", &mut beside);
        }
        for one in beside {
            slow += 1;
            longest = longest.max(one.end - one.begin);
            let kept = one.kept_waiting(death);
            assert!(kept <= BOUND, "{operation} at {point} {skip}: {} was kept waiting for {kept:?}", one.who);
            if kept > worst.1 {
                worst = (one.who, kept);
            }
        }
        if number % 8 == 7 {
            objects.segment.recover().expect("recover");
            objects.are_whole();
        }
    }
    for mut bystander in bystanders {
        bystander.dismiss();
        operations += hear_until(&mut bystander, "done", &mut Vec::new());
        bystander.end_well();
    }
    objects.segment.recover().expect("recover");
    objects.are_whole();
    println!(
        "{} kills, {missed} of them elsewhere; {operations} operations beside them, {slow} of them took longer than {BOUND:?}, \
         the longest {longest:?}; of these the dead kept {} waiting for at most {:?}",
        kills.len(),
        worst.0,
        worst.1
    );
    assert!(missed * 2 <= kills.len(), "{missed} of {} did not come to their points", kills.len());
}

//! Killed at random instants: eight processes work on objects of all kinds, one after another is killed and replaced.
//!
//! ```text
//! worker n     says "+ kind k" when its operation k of that kind has returned     (through a pipe: it outlives the worker)
//!              transactions over several objects, one-operation forms, money on accounts, blocks that come and go, a
//!              stream that others take from, a file that grows and shrinks                               (`work`)
//! judge        kills; at the end all that was said is there, once, in order, and nothing else but at most one more
//!              operation a life; all money is there; the whole segment is checked
//! ```
//!
//! Nobody may wait for longer than a second, but for the time that the machine lets everybody wait (`common::Watch`). Who
//! gives room back is at work for longer, in proportion to the file, and only the others may not notice that.
//!
//! `COMMY_KILLS` says how many are killed, 200 unless said; the full run has 20000.

#[path = "../common/mod.rs"]
mod common;
mod work;

use common::{Draw, LONG, Player, SOON, Stage, Watch, folder, play, text};
use std::time::Duration;
use work::{ALL_MONEY, Done, KINDS, Objects, WORKERS};

#[test]
fn role() {
    play(&[("worker", worker)]);
}

/// Does something and sees that it did not have to wait for others.
fn timed(stage: &Stage, what: &str, act: impl FnOnce() -> Done) -> bool {
    within(SOON, stage, what, act)
}

fn within(most: Duration, stage: &Stage, what: &str, act: impl FnOnce() -> Done) -> bool {
    let watch = Watch::start();
    let done = act();
    let (time, late) = (watch.elapsed(), watch.lateness());
    if let Err(error) = &done {
        stage.say(format!("failed: {what}: {error}"));
    }
    if time > SOON / 4 && most == SOON {
        stage.say(format!("waited {} {}", time.as_millis(), late.as_millis()));
    }
    if !watch.is_within(most) {
        stage.say(format!("failed: {what} waited for {time:?}, the machine for {late:?}"));
    }
    done.is_ok()
}

fn worker(stage: &Stage) {
    let number = stage.number(1);
    let mut draw = Draw::new(stage.number(2));
    let objects = Objects::open(stage.path(0), number).expect("open");
    let mut next = Vec::new();
    for kind in &KINDS {
        match (kind.count)(&objects) {
            Ok(count) => next.push(count),
            Err(error) => return stage.say(format!("failed: {}: {error}", kind.name)),
        }
    }
    loop {
        let index = draw.below(KINDS.len() as u64) as usize;
        let kind = &KINDS[index];
        if timed(stage, kind.name, || (kind.operate)(&objects, next[index])) {
            stage.say(format!("+ {} {}", kind.name, next[index]));
            next[index] += 1;
        }
        match draw.below(64) {
            0..6 => timed(stage, "taking from the stream", || objects.consume()),
            6 => timed(stage, "growing", || objects.grow(draw.below(1 << 20))),
            7 if draw.below(4) == 0 => within(LONG, stage, "shrinking", || objects.shrink()),
            8 => timed(stage, "making and removing", || objects.come_and_go()),
            _ => true,
        };
    }
}

/// What is known of one worker's operations of one kind.
#[derive(Clone, Copy, Default)]
struct Known {
    /// How many have returned.
    said: u64,
    /// Lives that have ended since it said so: each may have done one more, of which it could not tell.
    silent: u64,
}

impl Known {
    fn is_possible(&self, count: u64) -> bool {
        (self.said..=self.said + self.silent).contains(&count)
    }
}

/// What all workers have said.
#[derive(Default)]
struct Report {
    known: Vec<[Known; KINDS.len()]>,
    operations: u64,
    longest: (u64, u64),
}

impl Report {
    fn listen(&mut self, worker: usize, player: &mut Player) {
        while let Some(line) = player.heard() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["+", kind, number] => {
                    let kind = KINDS.iter().position(|known| known.name == kind).expect("a kind");
                    let known = &mut self.known[worker][kind];
                    let number = number.parse().expect("a number");
                    assert!(known.is_possible(number), "{line}, after {} and {} lives", known.said, known.silent);
                    *known = Known { said: number + 1, silent: 0 };
                    self.operations += 1;
                }
                ["waited", time, late] => {
                    let waited = (time.parse().expect("a time"), late.parse().expect("a time"));
                    self.longest = self.longest.max(waited);
                }
                _ => panic!("worker {worker} {line}"),
            }
        }
    }

    fn has_died(&mut self, worker: usize) {
        self.known[worker].iter_mut().for_each(|known| known.silent += 1);
    }
}

/// How long the file is, as its header says: on Windows a file that is open has its greatest length.
fn size(path: &std::path::Path) -> u64 {
    let mut head = [0; 72];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut head));
    read.map_or(0, |()| u64::from_ne_bytes(head[64..].try_into().expect("eight bytes")))
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
    let mut report = Report { known: vec![Default::default(); WORKERS as usize], ..Report::default() };
    // How long the file was last, how often it was longer then, and shorter.
    let (mut length, mut grown, mut shrunk) = (0, 0, 0);
    // Under Wine a process takes so much longer to begin its work.
    let unit = if cfg!(windows) { 40 } else { 1 };
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis((2 + draw.below(12)) * unit));
        let victim = draw.below(WORKERS) as usize;
        players[victim].kill();
        for (worker, player) in players.iter_mut().enumerate() {
            player.settle_if_dead();
            report.listen(worker, player);
        }
        report.has_died(victim);
        players[victim] = start(victim as u64, &mut draw);
        let now = size(&path);
        grown += u64::from(now > length);
        shrunk += u64::from(now < length);
        length = now;
    }
    for (worker, player) in players.iter_mut().enumerate() {
        player.kill();
        player.settle_if_dead();
        report.listen(worker, player);
        report.has_died(worker);
    }
    let objects = Objects::open(&path, 0).expect("open");
    objects.segment.recover().expect("recover");
    assert_eq!(objects.money().expect("money"), ALL_MONEY, "money was lost or made");
    for (worker, known) in report.known.iter().enumerate() {
        let objects = Objects::open(&path, worker as u64).expect("open");
        for (kind, known) in KINDS.iter().zip(known) {
            let count = (kind.count)(&objects).unwrap_or_else(|error| panic!("{} of {worker}: {error}", kind.name));
            let Known { said, silent } = *known;
            assert!(
                known.is_possible(count),
                "worker {worker} said {said} of {}, {count} are there, {silent}",
                kind.name
            );
        }
    }
    assert_eq!(objects.segment.check().expect("check"), []);
    let stats = objects.segment.stats().expect("stats");
    let operations = report.operations;
    println!("{kills} kills, {operations} operations, longest wait and lateness in ms {:?}, {stats:?}", report.longest);
    println!("the file was seen to have grown {grown} times and shrunk {shrunk} times");
    assert!(operations > kills, "hardly anything was done");
    assert!(grown > kills / 100 && shrunk > kills / 100, "the file grew {grown} times and shrank {shrunk} times");
}

//! A file of zeros becomes a segment once, whoever races or dies while doing it.

mod common;

use common::{Draw, Player, Stage, place, play, text};
use commy::{Error, Segment, Shared};
use std::path::Path;

const ROUNDS: u64 = 1000;
const RACERS: usize = 8;
/// What a file begins with while it is being formatted.
const FORMATTING: &[u8; 8] = b"COMMY<\r\n";

#[test]
fn role() {
    play(&[("racer", racer), ("formatter", formatter)]);
}

/// When told so, opens a file, and counts in it.
fn racer(stage: &Stage) {
    stage.say("ready");
    assert_eq!(stage.hear(), "go");
    let segment =
        if stage.number(1) == 0 { Segment::open(stage.path(0)) } else { Segment::open_or_create(stage.path(0)) };
    let segment = segment.expect("open");
    let identity = identity(stage.path(0));
    let count: Shared<u64> = segment.open_or_create("count").expect("the count");
    for _ in 0..ROUNDS {
        *count.write().expect("lock").view_mut() += 1;
    }
    stage.say(identity);
}

/// When told so, formats a file.
fn formatter(stage: &Stage) {
    stage.say("ready");
    assert_eq!(stage.hear(), "go");
    drop(Segment::open_or_create(stage.path(0)).expect("format"));
    stage.say("done");
}

/// The segment's id, as it stands in the header.
fn identity(path: &Path) -> String {
    use std::io::Read;
    let mut head = [0; 40];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).expect("read");
    head[24..].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets many processes open one file at the same moment and count in it.
fn race(path: &Path, create: bool) {
    let mut players: Vec<Player> =
        (0..RACERS).map(|_| Player::start("racer", &[text(path), if create { "1" } else { "0" }])).collect();
    players.iter_mut().for_each(|player| player.expect("ready"));
    players.iter_mut().for_each(|player| player.say("go"));
    let identities: Vec<String> = players.iter_mut().map(Player::hear).collect();
    players.into_iter().for_each(Player::end_well);
    assert!(identities.iter().all(|other| *other == identities[0]), "more than one formatted: {identities:?}");
    let segment = Segment::open(path).expect("open");
    let count: Shared<u64> = segment.open("count").expect("the count");
    assert_eq!(count.load().expect("load"), RACERS as u64 * ROUNDS);
    assert_eq!(segment.objects().expect("names"), ["count"]);
    assert_eq!(segment.stats().expect("stats").recovered, 0);
}

#[test]
fn of_many_that_race_for_a_file_of_zeros_exactly_one_formats_it() {
    let (_folder, path) = place();
    std::fs::write(&path, vec![0; 10 << 20]).expect("write");
    race(&path, false);
    assert!(Segment::open(&path).expect("open").size() >= 10 << 20, "the room of the file was not kept");
}

#[test]
fn of_many_that_race_to_create_a_file_exactly_one_formats_it() {
    let (_folder, path) = place();
    race(&path, true);
}

#[test]
fn a_sparse_file_of_zeros_is_made_a_segment() {
    let (_folder, path) = place();
    std::fs::File::create(&path).and_then(|file| file.set_len(3 << 20)).expect("a sparse file");
    let segment = Segment::open(&path).expect("open");
    assert_eq!(segment.size(), 3 << 20);
    segment.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
}

#[test]
fn a_file_of_zeros_of_any_length_is_made_a_segment() {
    for length in [1, 7, 8, 127, 128, 4095, 4096, 5000, 65_535, 65_537, 300_000] {
        let (_folder, path) = place();
        std::fs::write(&path, vec![0; length]).expect("write");
        let segment = Segment::open(&path).unwrap_or_else(|error| panic!("{length} zeros: {error}"));
        assert!(segment.size() >= length as u64);
        segment.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
        drop(segment);
        let segment = Segment::open(&path).expect("open again");
        assert_eq!(segment.open::<u64>("number").expect("the object").load().expect("load"), 7);
    }
}

#[test]
fn an_empty_file_is_refused_by_open_and_made_a_segment_by_open_or_create() {
    let (_folder, path) = place();
    std::fs::write(&path, b"").expect("write");
    let error = Segment::open(&path).expect_err("it is empty");
    assert!(matches!(&error, Error::NotASegment { path: named, .. } if *named == path), "{error}");
    assert!(error.to_string().contains("empty"), "{error}");
    assert_eq!(std::fs::metadata(&path).expect("facts").len(), 0);
    assert!(matches!(Segment::create(&path), Err(Error::Exists { .. })));
    assert_eq!(std::fs::metadata(&path).expect("facts").len(), 0);
    let segment = Segment::open_or_create(&path).expect("open_or_create");
    segment.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
}

/// The file is made a segment, empty and whole.
#[track_caller]
fn formats_anew(path: &Path, what: &str) {
    let segment = Segment::open(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(segment.objects().expect("names").is_empty(), "{what}: it has objects");
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("an object");
    let mut guard = list.write().expect("lock");
    for number in 0..10_000 {
        guard.push(number).expect("push");
    }
    drop(guard);
    drop(segment);
    let again = Segment::open(path).unwrap_or_else(|error| panic!("{what}, again: {error}"));
    let list: Shared<Vec<u64>> = again.open("list").expect("the object");
    assert!(list.load().expect("load").into_iter().eq(0..10_000), "{what}");
}

#[test]
fn a_file_whose_formatting_was_interrupted_is_formatted_by_the_next() {
    let (_folder, path) = place();
    let begun = |rest: Vec<u8>| [FORMATTING.to_vec(), rest].concat();
    let mut draw = Draw::new(2);
    std::fs::write(&path, begun(vec![0; 262_136])).expect("write");
    formats_anew(&path, "only the magic of the beginning");
    std::fs::write(&path, begun(vec![])).expect("write");
    formats_anew(&path, "nothing but the magic of the beginning");
    let noise = (0..262_136).map(|_| draw.number() as u8).collect();
    std::fs::write(&path, begun(noise)).expect("write");
    formats_anew(&path, "the magic of the beginning, then noise");
    // All but the last step.
    drop(Segment::options().create(path.with_extension("other")).expect("create"));
    let mut whole = std::fs::read(path.with_extension("other")).expect("read");
    whole[..8].copy_from_slice(FORMATTING);
    std::fs::write(&path, whole).expect("write");
    formats_anew(&path, "all but the last step");
}

#[test]
fn a_file_whose_formatter_is_killed_at_a_random_instant_is_formatted_by_the_next() {
    let mut draw = Draw::new(3);
    for round in 0..24 {
        let (_folder, path) = place();
        if round % 3 > 0 {
            std::fs::write(&path, vec![0; if round % 3 == 1 { 262_144 } else { 4 << 20 }]).expect("write");
        }
        let mut player = Player::start("formatter", &[text(&path)]);
        player.expect("ready");
        player.say("go");
        // The instant is what is drawn here.
        let until = std::time::Instant::now() + std::time::Duration::from_micros(draw.below(1500));
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        player.kill();
        if path.exists() && std::fs::metadata(&path).expect("facts").len() > 0 {
            formats_anew(&path, &format!("round {round}"));
        } else {
            drop(Segment::open_or_create(&path).expect("open_or_create"));
            formats_anew(&path, &format!("round {round}, from nothing"));
        }
    }
}

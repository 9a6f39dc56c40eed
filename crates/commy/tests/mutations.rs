//! Whatever the bytes of a file are, nothing crashes, hangs, or panics: checking, opening, reading, changing, removing.
//!
//! Each mutated file is worked on in another process, which says its number before it begins. So a signal or a hang is
//! known by that number. What is damaged follows from it, but no two originals are the same to the last bit (they hold
//! drawn identities and process ids): a file that shows a violation is kept, and the message tells how to try it again,
//! by `COMMY_MUTATION=NUMBER COMMY_MUTATED=FILE`.
//! `COMMY_MUTATIONS` says how many there are, 2000 unless said; the full run has 20000.

mod common;

use common::content::{fill, try_all};
use common::{Draw, Player, Stage, folder, patch, play, text};
use commy::{Error, Segment};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Of the processor's time, for all that is done with one file.
const LIMIT: Duration = Duration::from_secs(1);
const PAGE: usize = 4096;
/// Before the number in the name of a file that shows a violation.
const KEPT: &str = "commy-mutated-";

#[test]
fn role() {
    play(&[("victim", victim)]);
}

fn options() -> commy::Options {
    Segment::options().max_size(8 << 20).lock_timeout(Duration::from_millis(20))
}

/// Files that are whole, in several states: closed, killed within transactions, with holes, from before a restart.
fn originals(folder: &Path) -> Vec<PathBuf> {
    let path = |name: &str| folder.join(name);
    let make = |name: &str, scale| {
        let segment = options().create(path(name)).expect("create");
        fill(&segment, scale).expect("fill");
        segment
    };
    drop(make("small", 5));
    drop(make("closed", 40));
    {
        let segment = make("killed", 30);
        let list = segment.open::<Vec<String>>("all/list").expect("list");
        let tree = segment.open::<std::collections::BTreeMap<String, Vec<u8>>>("all/tree").expect("tree");
        let mut list = list.write().expect("lock");
        let mut tree = tree.write().expect("lock");
        (0..200).try_for_each(|n| list.push("y".repeat(n)).map(drop)).expect("push");
        tree.clear().expect("clear");
        list.swap(0, 5).expect("swap");
        std::fs::copy(path("killed"), path("open")).expect("copy");
    }
    {
        let segment = make("holes", 20);
        let lists = (0..4).map(|n| segment.open_or_create_with(&format!("l{n}"), || vec![n; 60_000]));
        let lists: Vec<_> = lists.map(|list| list.expect("list")).collect();
        lists[0].store(vec![]).expect("store");
        lists[2].store(vec![]).expect("store");
        segment.shrink_to_usage().expect("shrink");
    }
    {
        let bytes = std::fs::read(path("open")).expect("read");
        std::fs::write(path("restarted"), bytes).expect("write");
        patch(&path("restarted"), 80, 12345);
    }
    ["small", "closed", "open", "holes", "restarted"].map(path).to_vec()
}

/// Damages a file in one of several ways.
fn mutate(bytes: &mut Vec<u8>, draw: &mut Draw) {
    let words = bytes.len() / 8;
    let used: Vec<usize> = (0..bytes.len() / PAGE)
        .filter(|page| bytes[page * PAGE..(page + 1) * PAGE].iter().any(|byte| *byte != 0))
        .collect();
    let word = |bytes: &[u8], index: usize| u64::from_ne_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap());
    // Mostly where there is something: a word that is not zero.
    let place = |bytes: &[u8], draw: &mut Draw| loop {
        let page = match draw.below(8) {
            0 => 0,
            1 => 2,
            _ => used[draw.below(used.len() as u64) as usize],
        };
        let index = page * PAGE / 8 + draw.below(PAGE as u64 / 8) as usize;
        // Before that are the facts which the checksum covers.
        if index > 7 && (word(bytes, index) != 0 || draw.below(8) == 0) {
            return index;
        }
    };
    for _ in 0..1 + draw.below(4) * draw.below(3) {
        let at = place(bytes, draw);
        let old = word(bytes, at);
        let value = match draw.below(13) {
            0 => 0,
            1 => u64::MAX,
            2 => old ^ 1 << draw.below(64),
            3 => old.wrapping_add(draw.below(64)),
            4 => old.wrapping_sub(draw.below(64)),
            5 => 1 << draw.below(64),
            6 => draw.number(),
            7 => word(bytes, place(bytes, draw)),
            8 => draw.below(words as u64) * 8,
            9 => used[draw.below(used.len() as u64) as usize] as u64 * PAGE as u64,
            10 => bytes.len() as u64 - draw.below(3) * 8,
            // In the segment's own pages.
            11 => draw.below(5 * PAGE as u64 / 8) * 8,
            _ => old ^ draw.below(256) << (8 * draw.below(8)),
        };
        bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_ne_bytes());
    }
    match draw.below(24) {
        0 => {
            let (from, to) = (used[draw.below(used.len() as u64) as usize], draw.below(used.len() as u64) as usize);
            let to = used[to].max(1);
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
        }
        1 => {
            let page = used[draw.below(used.len() as u64) as usize].max(1);
            bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        2 => bytes.truncate(draw.below(bytes.len() as u64) as usize),
        _ => {}
    }
}

/// The processor's time that this process has used.
#[cfg(windows)]
fn used() -> Duration {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: four live structures; the handle of the own process is always open.
    assert_ne!(unsafe { GetProcessTimes(GetCurrentProcess(), created, exited, kernel, user) }, 0);
    // In tenths of a microsecond.
    let ticks = |time: &FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos((ticks(kernel) + ticks(user)) * 100)
}

/// The same.
#[cfg(unix)]
fn used() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills in the time.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Works on files from a number on, until it has come to another.
fn victim(stage: &Stage) {
    let (folder, first, end) = (stage.path(0), stage.number(1), stage.number(2));
    let originals: Vec<Vec<u8>> = stage.arguments[3..].iter().map(|path| std::fs::read(path).expect("read")).collect();
    let path = folder.join("mutated");
    for number in first..end {
        stage.say(number);
        let mut bytes = originals[(number % originals.len() as u64) as usize].clone();
        if std::env::var_os("COMMY_MUTATED").is_none() {
            mutate(&mut bytes, &mut Draw::new(number));
        }
        let kept = folder.join(format!("{KEPT}{number}"));
        [&path, &kept].iter().for_each(|path| std::fs::write(path, &bytes).expect("write"));
        let (begin, clock) = (used(), Instant::now());
        let met = std::panic::catch_unwind(|| work(&path, number));
        let is_late = used() - begin > LIMIT || clock.elapsed() > LIMIT * 20;
        match met {
            Ok(_) if is_late => stage.say(format!("{number} took {:?}, {:?} of work", clock.elapsed(), used() - begin)),
            Ok(met) => {
                std::fs::remove_file(&kept).expect("remove");
                stage.say(format!("{met:?}"));
            }
            Err(_) => stage.say(format!("{number} panicked")),
        }
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(folder.join("copy"));
    }
    stage.say("done");
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Refused,
    Damaged,
    Whole,
}

/// All that can be done with a file.
fn work(path: &Path, number: u64) -> Met {
    if let Ok(segment) = options().read_only(true).open(path) {
        let _ = segment.check();
        let _ = (segment.objects(), segment.participants(), segment.check_objects());
        let _ = try_all(&segment, number, false);
    }
    let Ok(segment) = options().open(path) else { return Met::Refused };
    let found = segment.check();
    let _ = segment.check_objects();
    let _ = (segment.stats(), segment.participants());
    let errors = try_all(&segment, number, true);
    let is_whole = matches!(&found, Ok(findings) if findings.is_empty());
    if is_whole {
        let whole = |error: &Error| !matches!(error, Error::Corrupt { .. });
        assert!(errors.iter().all(whole), "found whole, but {errors:?}");
    }
    for (index, name) in segment.objects().unwrap_or_default().iter().enumerate() {
        let _ = segment.object_size(name);
        let _ = if index % 5 == 0 { segment.rename(name, "all/renamed") } else { segment.remove(name) };
    }
    let _ = segment.open_or_create_with("all/new", || vec![vec![1u64; 100]; 10]).map(drop);
    let _ = segment.recover();
    let _ = (number % 4 == 0).then(|| segment.shrink_to_usage());
    let _ = (number % 8 == 1).then(|| segment.resize(2 << 20));
    let _ = (number % 8 == 3).then(|| segment.snapshot(path.with_file_name("copy")));
    let _ = segment.check();
    if is_whole { Met::Whole } else { Met::Damaged }
}

/// Moves the files of violations to where they outlive the test.
fn keep(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("list").map(|entry| entry.expect("entry").path());
    let name = |path: &Path| path.file_name().expect("name").to_string_lossy().into_owned();
    let shows = |path: &PathBuf| name(path).starts_with(KEPT);
    let save = |path: PathBuf| {
        let kept = std::env::temp_dir().join(name(&path));
        std::fs::copy(&path, &kept).map(|_| kept).expect("copy")
    };
    files.filter(shows).map(save).collect()
}

/// Has another process work on these files; gives how many were met as what, and the violations.
fn try_files(folder: &Path, originals: &[PathBuf], numbers: Range<u64>) -> ([usize; 3], Vec<String>) {
    let (mut next, end) = (numbers.start, numbers.end);
    let (mut met, all) = ([0; 3], [Met::Refused, Met::Damaged, Met::Whole].map(|met| format!("{met:?}")));
    let mut violations = Vec::new();
    while next < end && violations.len() < 20 {
        let (first, last) = (next.to_string(), end.to_string());
        let mut arguments = vec![text(folder), &first, &last];
        arguments.extend(originals.iter().map(|path| text(path)));
        let mut player = Player::start("victim", &arguments);
        let mut current = next;
        next = loop {
            match player.hear_or_end() {
                Some(line) if line == "done" => break end,
                Some(line) => match (line.parse(), all.iter().position(|met| *met == line)) {
                    (Ok(number), _) => current = number,
                    (_, Some(one)) => met[one] += 1,
                    _ => violations.push(line),
                },
                None => {
                    player.kill_only();
                    violations.push(format!("{current} ended with {}", player.end()));
                    break current + 1;
                }
            }
        };
    }
    (met, violations)
}

#[test]
fn a_damaged_file_crashes_hangs_or_confuses_nobody() {
    let folder = folder();
    let originals = match std::env::var_os("COMMY_MUTATED") {
        Some(path) => vec![PathBuf::from(path)],
        None => originals(folder.path()),
    };
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let numbers = match number("COMMY_MUTATION") {
        Some(number) => number..number + 1,
        None => 0..number("COMMY_MUTATIONS").unwrap_or(2000),
    };
    // Most of the time locks are waited for that damage shows as taken: eight processes wait at once.
    let many = numbers.end - numbers.start;
    let parts: Vec<PathBuf> = (0..8).map(|part| folder.path().join(format!("part{part}"))).collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers = (0u64..).zip(&parts).map(|(part, folder)| {
            std::fs::create_dir(folder).expect("a folder");
            let share = numbers.start + many * part / 8..numbers.start + many * (part + 1) / 8;
            let originals = &originals;
            scope.spawn(move || try_files(folder, originals, share))
        });
        workers.collect::<Vec<_>>().into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    let met = [0, 1, 2].map(|one| results.iter().map(|(met, _)| met[one]).sum::<usize>());
    let violations: Vec<_> = results.iter().flat_map(|(_, violations)| violations).collect();
    let kept: Vec<_> = parts.iter().flat_map(|folder| keep(folder)).collect();
    assert!(violations.is_empty(), "{violations:#?}; to try again: COMMY_MUTATION=NUMBER COMMY_MUTATED=FILE, {kept:?}");
    println!("{many} files: {met:?} were refused, found damaged, found whole");
    // Else nothing has been put to the test.
    assert!(many < 100 || met.iter().all(|met| *met as u64 > many / 20), "{met:?}");
}

/// What no page of the segment's own may hold.
const MARK: u64 = 0x5e5e_5e5e_5e5e_5e5e;

/// Changes all objects of a segment, so that what they write is full of [`MARK`].
fn scrawl(path: &Path) -> commy::Result<()> {
    let segment = options().open(path)?;
    let text = String::from_utf8(MARK.to_ne_bytes().to_vec()).expect("letters").repeat(40);
    let many = || (0..300).map(|n| (MARK ^ n, MARK));
    let _ = segment.open_or_create::<Vec<u64>>("vec").and_then(|vec| {
        let (mut vec, len) = (vec.write()?, 0..200);
        len.map(|n| vec.set(n, MARK).map(drop)).find(Result::is_err).unwrap_or(Ok(()))?;
        vec.extend(many().map(|(_, value)| value)).map(drop)
    });
    let _ = segment.open_or_create::<std::collections::VecDeque<u64>>("deque").and_then(|deque| {
        let mut deque = deque.write()?;
        many().map(|(_, value)| deque.push_front(value).map(drop)).find(Result::is_err).unwrap_or(Ok(()))
    });
    let _ = segment.open_or_create::<std::collections::HashMap<u64, u64>>("hash").and_then(|map| {
        many().map(|(key, value)| map.insert(key, value).map(drop)).find(Result::is_err).unwrap_or(Ok(()))
    });
    let _ = segment.open_or_create::<std::collections::BTreeMap<u64, u64>>("tree").and_then(|map| {
        many().map(|(key, value)| map.insert(key, value).map(drop)).find(Result::is_err).unwrap_or(Ok(()))
    });
    let _ = segment.open_or_create::<String>("text").and_then(|string| string.write()?.push_str(&text).map(drop));
    let _ = segment.open_or_create::<Vec<String>>("texts").and_then(|texts| texts.push(text.clone()).map(drop));
    Ok(())
}

/// The pages of the segment's own at the beginning of a file that hold [`MARK`], or nearly.
fn marked(path: &Path) -> Vec<usize> {
    let bytes = std::fs::read(path).expect("read");
    let is_marked = |word: &[u8]| word[2..] == MARK.to_ne_bytes()[2..];
    (1..5).filter(|page| bytes[page * PAGE..(page + 1) * PAGE].chunks_exact(8).any(is_marked)).collect()
}

#[test]
fn the_segments_own_pages_are_given_to_nobody_though_the_bitmap_says_they_are_free() {
    let folder = folder();
    let path = folder.path().join("own");
    drop(options().create(&path).expect("create"));
    scrawl(&path).expect("scrawl");
    // Of pages 0 to 63.
    patch(&path, 4 * PAGE as u64 + 64, 0);
    scrawl(&path).expect("scrawl");
    assert_eq!(marked(&path), [0; 0]);
}

#[test]
fn a_block_said_to_lie_in_the_segments_own_pages_is_not_written_to() {
    let folder = folder();
    let (path, damaged) = (folder.path().join("own"), folder.path().join("damaged"));
    drop(options().create(&path).expect("create"));
    scrawl(&path).expect("scrawl");
    let bytes = std::fs::read(&path).expect("read");
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("a word"));
    // Whatever may be the offset of a block.
    let blocks = 5 * PAGE as u64..bytes.len() as u64;
    let names_one = |at: &usize| word(*at).is_multiple_of(8) && blocks.contains(&word(*at));
    let names: Vec<usize> = (5 * PAGE..bytes.len()).step_by(8).filter(names_one).collect();
    assert!(names.len() > 20, "{}", names.len());
    for at in names {
        std::fs::write(&damaged, &bytes).expect("write");
        patch(&damaged, at as u64, 2 * PAGE as u64 + word(at) % (PAGE as u64 / 2));
        let _ = scrawl(&damaged);
        assert_eq!(marked(&damaged), [0; 0], "after the change of the word at {at:#x}");
    }
}

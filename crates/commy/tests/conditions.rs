//! Hostile conditions: what a process is not given - disk, address space, descriptors, the right to write - is an error that
//! changes nothing, and what strangers do to the file harms nobody but who touches what they took away.
//!
//! Each condition is made in a process of its own, as it lasts until that ends.
#![cfg(target_os = "linux")]

mod common;

use common::{Player, SOON, Stage, folder, is_root, mount_disk, place, play, segment, text};
use commy::{Error, Segment, Shared};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

#[test]
fn role() {
    play(&[
        ("on small disks", on_small_disks),
        ("on a full disk", on_a_full_disk),
        ("on a disk that lets nobody write", on_a_disk_that_lets_nobody_write),
        ("of a sparse copy", of_a_sparse_copy),
        ("below a limit of the file", below_a_limit_of_the_file),
        ("below a limit of addresses", below_a_limit_of_addresses),
        ("below a limit of descriptors", below_a_limit_of_descriptors),
        ("holder", holder),
        ("user of what is cut", user_of_what_is_cut),
    ]);
}

/// Plays a role that ends well or cannot be played here.
fn alone(role: &str, arguments: &[&str]) {
    let mut player = Player::start(role, arguments);
    loop {
        match player.hear().as_str() {
            "more to do" => {}
            "done" => return player.end_well(),
            "not here" => return,
            other => panic!("{role}: {other}"),
        }
    }
}

/// Plays a role for which a disk has to be mounted.
fn on_a_disk(role: &str) {
    if !is_root() {
        return eprintln!("only root can mount a small disk");
    }
    let folder = folder();
    alone(role, &[text(folder.path())]);
}

/// Sets a limit of this process, which was started for that.
fn limit(what: libc::__rlimit_resource_t, to: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: live structures.
    unsafe {
        assert_eq!(libc::getrlimit(what, &raw mut limit), 0);
        limit.rlim_cur = to;
        assert_eq!(libc::setrlimit(what, &raw const limit), 0);
    }
}

/// Objects of several kinds, and what must be in them.
#[derive(Default)]
struct Model {
    list: Vec<u64>,
    map: HashMap<u64, Vec<u8>>,
    tree: BTreeMap<String, String>,
    queue: VecDeque<String>,
}

/// Does the same to the objects and to the model; what fails for want of room must have changed nothing. Gives how often
/// that was.
fn work(segment: &Segment, model: &mut Model, steps: u64) -> Result<u64, Error> {
    let list: Shared<Vec<u64>> = segment.open_or_create("list")?;
    let map: Shared<HashMap<u64, Vec<u8>>> = segment.open_or_create("map")?;
    let tree: Shared<BTreeMap<String, String>> = segment.open_or_create("tree")?;
    let queue: Shared<VecDeque<String>> = segment.open_or_create("queue")?;
    let mut failed = 0;
    let mut done = |result: Result<(), Error>| match result {
        Ok(()) => true,
        Err(Error::OutOfSpace { .. }) => {
            failed += 1;
            false
        }
        Err(error) => panic!("{error}"),
    };
    for step in 0..steps {
        let word = format!("{step} ").repeat(1 + step as usize % 30);
        if done(list.extend(vec![step; 100])) {
            model.list.extend(vec![step; 100]);
        }
        if done(map.insert(step, vec![step as u8; step as usize * 37 % 900]).map(drop)) {
            model.map.insert(step, vec![step as u8; step as usize * 37 % 900]);
        }
        let both = segment.transaction(|tx| {
            tx.write(&tree)?.insert(word.clone(), word.clone())?;
            tx.write(&queue)?.push_back(word.clone())
        });
        if done(both) {
            model.tree.insert(word.clone(), word.clone());
            model.queue.push_back(word);
        }
        if step % 5 == 0 && done(segment.open_or_create_with(&format!("own/{step}"), || vec![step; 50]).map(drop)) {
            done(segment.remove(&format!("own/{step}")));
        }
    }
    assert_eq!((list.load()?, map.load()?), (model.list.clone(), model.map.clone()));
    assert_eq!((tree.load()?, queue.load()?), (model.tree.clone(), model.queue.clone()));
    assert_eq!(segment.check()?, []);
    Ok(failed)
}

#[test]
fn wherever_growing_meets_the_end_of_the_disk_nothing_is_lost() {
    on_a_disk("on small disks");
}

/// Of disks of all sizes each ends in the middle of another step.
fn on_small_disks(stage: &Stage) {
    if !mount_disk(stage.path(0), "size=64m", false) {
        return stage.say("not here");
    }
    let (mut none, mut some, mut all) = (0, 0, 0);
    for pages in (10..130).step_by(2) {
        assert!(mount_disk(stage.path(0), &format!("size={}k", pages * 4), true));
        let path = stage.path(0).join("small.commy");
        let options = || Segment::options().initial_size(64 << 10).max_size(64 << 20);
        let mut model = Model::default();
        match options().create(&path).and_then(|segment| work(&segment, &mut model, 100)) {
            Ok(0) => all += 1,
            Ok(_) => some += 1,
            Err(Error::OutOfSpace { .. }) => none += 1,
            Err(error) => panic!("a disk of {pages} pages: {error}"),
        }
        // With more room it goes on where it was, through an attachment of its own.
        assert!(mount_disk(stage.path(0), "size=64m", true));
        let segment = options().open_or_create(&path).unwrap_or_else(|error| panic!("{pages} pages: {error}"));
        assert_eq!(work(&segment, &mut model, 10).expect("there is room"), 0);
        drop(segment);
        std::fs::remove_file(&path).expect("remove");
    }
    assert!(none >= 3 && some > 20 && all > 3, "{none} disks too small for all, {some} for some, {all} for nothing");
    stage.say("done");
}

#[test]
fn on_a_file_system_that_is_full_no_store_meets_the_end_of_the_disk() {
    on_a_disk("on a full disk");
}

/// A file system as disks have them: it allocates late, and needs room for its own. However little is left, what was had
/// is there when the disk is mounted again.
fn on_a_full_disk(stage: &Stage) {
    if !mount_disk(stage.path(0), "size=64m", false) {
        return stage.say("not here");
    }
    let (image, disk) = (stage.path(0).join("image"), stage.path(0).join("disk"));
    File::create(&image).and_then(|image| image.set_len(24 << 20)).expect("an image");
    std::fs::create_dir(&disk).expect("a place for the disk");
    let (image, place) = (text(&image), text(&disk));
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let mount = || run("mount", &["-o", "loop", image, place]);
    if !run("mkfs.ext4", &["-q", image]) || !mount() {
        return stage.say("not here");
    }
    let (path, rest) = (disk.join("small.commy"), disk.join("rest"));
    let (mut some, mut all) = (0, 0);
    for left in (0..100u64).step_by(5) {
        let mut filler = File::create(&rest).expect("create");
        while filler.write_all(&[1; 4096]).is_ok() {}
        let full = filler.metadata().expect("metadata").len();
        filler.set_len(full.saturating_sub(left * 4096)).expect("leave some room");
        let mut model = Model::default();
        let options = || Segment::options().initial_size(64 << 10).max_size(16 << 20);
        match options().create(&path).and_then(|segment| work(&segment, &mut model, 100)) {
            Ok(0) => all += 1,
            Ok(_) => some += 1,
            Err(Error::OutOfSpace { .. }) => {}
            Err(error) => panic!("{left} pages left: {error}"),
        }
        // What is not on the disk is gone then.
        drop(filler);
        assert!(run("umount", &[place]) && mount(), "the disk cannot be mounted again");
        std::fs::remove_file(&rest).expect("remove");
        let segment = options().open_or_create(&path).unwrap_or_else(|error| panic!("{left} pages left: {error}"));
        assert_eq!(work(&segment, &mut model, 10).expect("there is room"), 0);
        drop(segment);
        std::fs::remove_file(&path).expect("remove");
        // On a busy machine all of them take longer than anybody waits for one word.
        stage.say("more to do");
    }
    assert!(some > 3 && all > 1, "{some} disks had room for some, {all} for all");
    stage.say("done");
}

#[test]
fn on_a_disk_that_cannot_be_written_to_one_can_look_and_is_told_so() {
    on_a_disk("on a disk that lets nobody write");
}

fn on_a_disk_that_lets_nobody_write(stage: &Stage) {
    if !mount_disk(stage.path(0), "size=8m", false) {
        return stage.say("not here");
    }
    let path = stage.path(0).join("there.commy");
    let mut model = Model::default();
    assert_eq!(work(&Segment::create(&path).expect("create"), &mut model, 20).expect("work"), 0);
    let bytes = std::fs::read(&path).expect("read");
    assert!(mount_disk(stage.path(0), "ro,size=8m", true));
    for error in
        [Segment::open(&path), Segment::create(stage.path(0).join("new.commy"))].map(|it| it.expect_err("open"))
    {
        assert!(error.to_string().contains(text(stage.path(0))), "{error}");
        assert!(error.to_string().contains("ead-only") || error.to_string().contains("read_only"), "{error}");
    }
    let looking = Segment::options().read_only(true).open(&path).expect("open read-only");
    let list: Shared<Vec<u64>> = looking.open("list").expect("the list");
    assert_eq!(list.load().expect("load"), model.list);
    assert!(matches!(list.push(1), Err(Error::ReadOnly)));
    drop((list, looking));
    assert_eq!(std::fs::read(&path).expect("read"), bytes, "the file was changed");
    stage.say("done");
}

#[test]
fn a_sparse_copy_is_backed_or_refused_and_no_store_meets_a_hole() {
    on_a_disk("of a sparse copy");
}

/// Copies only the pages that are not zero.
fn copy_sparse(from: &Path, to: &Path) {
    let (mut from, to) = (File::open(from).expect("open"), File::create(to).expect("create"));
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("read");
    to.set_len(bytes.len() as u64).expect("set the length");
    for (page, content) in bytes.chunks(4096).enumerate().filter(|(_, content)| content.iter().any(|byte| *byte != 0)) {
        to.write_all_at(content, page as u64 * 4096).expect("write");
    }
}

fn of_a_sparse_copy(stage: &Stage) {
    if !mount_disk(stage.path(0), "size=8m", false) {
        return stage.say("not here");
    }
    let (path, copy) = (stage.path(0).join("whole.commy"), stage.path(0).join("copy.commy"));
    let segment = Segment::options().initial_size(2 << 20).max_size(4 << 20).create(&path).expect("create");
    let mut model = Model::default();
    work(&segment, &mut model, 20).expect("work");
    drop(segment);
    copy_sparse(&path, &copy);
    let backed = |path: &Path| std::fs::metadata(path).expect("metadata").blocks() * 512;
    assert!(backed(&copy) < 1 << 20, "{} bytes are backed", backed(&copy));
    // A disk on which the holes have no room.
    assert!(mount_disk(stage.path(0), "size=3m", true));
    let error = Segment::open(&copy).expect_err("the holes cannot be filled");
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(mount_disk(stage.path(0), "size=8m", true));
    let segment = Segment::open(&copy).expect("open");
    assert!(backed(&copy) >= 2 << 20, "{} bytes are backed", backed(&copy));
    // Somebody else takes all that is left: what is in the file is there for stores.
    let mut rest = File::create(stage.path(0).join("rest")).expect("create");
    while rest.write_all(&[1; 4096]).is_ok() {}
    let list: Shared<Vec<u64>> = segment.open("list").expect("the list");
    list.extend(vec![7; 100_000]).expect("room in the file");
    model.list.extend(vec![7; 100_000]);
    drop(rest);
    std::fs::remove_file(stage.path(0).join("rest")).expect("remove");
    work(&segment, &mut model, 20).expect("work");
    stage.say("done");
}

#[test]
fn above_the_limit_of_file_sizes_is_an_error_and_no_signal() {
    let (_folder, path) = place();
    alone("below a limit of the file", &[text(&path)]);
}

/// With the signal as it is: it would end the process.
fn below_a_limit_of_the_file(stage: &Stage) {
    limit(libc::RLIMIT_FSIZE, 300 << 10);
    let path = stage.path(0);
    let error = Segment::options().initial_size(1 << 20).create(path.with_extension("large")).expect_err("too large");
    assert!(matches!(error, Error::OutOfSpace { .. }), "{error}");
    assert!(!path.with_extension("large").exists(), "a file was left behind");
    let segment = Segment::options().max_size(1 << 30).create(path).expect("create");
    let mut model = Model::default();
    assert!(work(&segment, &mut model, 300).expect("work") > 0, "there was no limit");
    assert!(matches!(segment.resize(1 << 20), Err(Error::OutOfSpace { .. })));
    segment.shrink_to_usage().expect("shrink");
    // A copy of what is there already has room.
    segment.snapshot(path.with_extension("copy")).expect("snapshot");
    limit(libc::RLIMIT_FSIZE, 100 << 10);
    let error = segment.snapshot(path.with_extension("copy too large")).expect_err("too large");
    assert!(matches!(error, Error::OutOfSpace { .. } | Error::Io { .. }), "{error}");
    work(&segment, &mut model, 5).expect("work");
    stage.say("done");
}

#[test]
fn without_addresses_for_the_largest_size_a_smaller_one_will_do() {
    let (_folder, path) = place();
    alone("below a limit of addresses", &[text(&path)]);
}

fn below_a_limit_of_addresses(stage: &Stage) {
    let path = stage.path(0);
    limit(libc::RLIMIT_AS, 4 << 30);
    let error = Segment::options().max_size(64 << 30).create(path).expect_err("no addresses");
    assert!(error.to_string().contains(text(path)), "{error} does not name the file");
    assert!(!path.exists(), "a file was left behind");
    let segment = Segment::options().max_size(64 << 20).create(path).expect("create");
    let mut model = Model::default();
    assert_eq!(work(&segment, &mut model, 100).expect("work"), 0);
    // As many attachments as there are addresses for; the one too many is an error, and harms the others not.
    let mut others = Vec::new();
    let error = loop {
        match Segment::open(path) {
            Ok(other) => others.push(other),
            Err(error) => break error,
        }
        assert!(others.len() < 100, "there is no limit");
    };
    assert!(error.to_string().contains(text(path)), "{error} does not name the file");
    assert_eq!(work(others.last().expect("one"), &mut model, 10).expect("work"), 0);
    drop(others);
    Segment::open(path).expect("open");
    stage.say("done");
}

/// Has a lock until it is killed.
fn holder(stage: &Stage) {
    let segment = Segment::open(stage.path(0)).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    let mut guard = list.write().expect("lock");
    guard.push(1).expect("push");
    stage.say("inside");
    stage.stay();
}

#[test]
fn without_descriptors_opening_is_an_error_and_the_dead_are_rescued_all_the_same() {
    let (_folder, path, segment) = segment(1 << 30);
    let list: Shared<Vec<u64>> = segment.open_or_create("list").expect("list");
    list.store(vec![7]).expect("store");
    let mut holder = Player::start("holder", &[text(&path)]);
    holder.expect("inside");
    let mut player = Player::start("below a limit of descriptors", &[text(&path)]);
    player.expect("attached");
    holder.kill();
    player.say("go");
    player.expect("done");
    player.end_well();
    assert_eq!(list.load().expect("load"), [7, 8]);
}

fn below_a_limit_of_descriptors(stage: &Stage) {
    let path = stage.path(0);
    let segment = Segment::open(path).expect("open");
    let list: Shared<Vec<u64>> = segment.open("list").expect("list");
    stage.say("attached");
    assert_eq!(stage.hear(), "go");
    let before = std::fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    limit(libc::RLIMIT_NOFILE, 0);
    let begin = Instant::now();
    list.push(8).expect("the lock of the dead");
    assert!(begin.elapsed() < SOON * 10, "took {:?}", begin.elapsed());
    assert_eq!(list.load().expect("load"), [7, 8]);
    // However many there are: it opens, or says why not, and leaves none open.
    let mut opened = false;
    for more in 0..12 {
        limit(libc::RLIMIT_NOFILE, before + more);
        match Segment::open(path) {
            Ok(other) => {
                other.open::<Vec<u64>>("list").expect("list").load().expect("load");
                opened = true;
            }
            Err(error) => {
                assert!(!opened, "with {more} more it can no longer be opened: {error}");
                assert!(error.to_string().contains(text(path)), "{error} does not name the file");
            }
        }
    }
    assert!(opened);
    limit(libc::RLIMIT_NOFILE, 256);
    let after = std::fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    assert_eq!(after, before, "descriptors were left open");
    stage.say("done");
}

#[test]
fn a_deleted_file_serves_those_who_have_it_and_nobody_else() {
    let (_folder, path, segment) = segment(1 << 30);
    let mut model = Model::default();
    work(&segment, &mut model, 10).expect("work");
    std::fs::remove_file(&path).expect("remove");
    assert!(matches!(Segment::open(&path), Err(Error::NotFound { .. } | Error::Io { .. })));
    work(&segment, &mut model, 30).expect("work in a file without a name");
    // What comes to be under the name is another segment.
    let other = Segment::create(&path).expect("create");
    assert_eq!(other.objects().expect("objects"), Vec::<String>::new());
    other.open_or_create_with("list", || vec![1u64]).expect("list");
    work(&segment, &mut model, 10).expect("work");
    segment.snapshot(path.with_extension("saved")).expect("the way to save it");
    let saved = Segment::open(path.with_extension("saved")).expect("open");
    work(&saved, &mut model, 5).expect("work");
}

#[test]
fn a_file_that_a_stranger_replaces_is_another_one_for_who_comes_later() {
    let (_folder, path, segment) = segment(1 << 30);
    let mut model = Model::default();
    work(&segment, &mut model, 10).expect("work");
    let stranger = path.with_extension("stranger");
    std::fs::write(&stranger, b"not a segment at all, but of somebody else".repeat(2000)).expect("write");
    std::fs::rename(&stranger, &path).expect("rename");
    let error = Segment::open(&path).expect_err("a stranger's file");
    assert!(error.to_string().contains(text(&path)), "{error}");
    work(&segment, &mut model, 10).expect("work in the file that was there");
    assert!(std::fs::read(&path).expect("read").starts_with(b"not a segment"), "the stranger's file was changed");
}

#[test]
fn who_touches_what_a_stranger_cut_off_ends_and_the_rest_is_refused_by_name() {
    let (_folder, path) = place();
    let mut player = Player::start("user of what is cut", &[text(&path)]);
    player.expect("filled");
    let whole = std::fs::read(&path).expect("read");
    File::options().write(true).open(&path).expect("open").set_len(64 << 10).expect("truncate");
    player.say("look");
    let status = player.end();
    assert!(status.code() == Some(0) || status.signal() == Some(libc::SIGBUS), "{status}");
    let error = Segment::open(&path).expect_err("half of it is missing");
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
    // Nothing else was done to it: with its other half it is whole.
    let mut file = File::options().write(true).open(&path).expect("open");
    file.seek(SeekFrom::End(0)).and_then(|at| file.write_all(&whole[at as usize..])).expect("write");
    let segment = Segment::open(&path).expect("open");
    assert_eq!(segment.check().expect("check"), []);
    assert_eq!(segment.open::<Vec<u64>>("list").expect("list").load().expect("load"), vec![5; 1 << 20]);
}

fn user_of_what_is_cut(stage: &Stage) {
    let segment = Segment::create(stage.path(0)).expect("create");
    let list = segment.open_or_create_with("list", || vec![5u64; 1 << 20]).expect("list");
    stage.say("filled");
    assert_eq!(stage.hear(), "look");
    match list.load() {
        Ok(values) => panic!("{} values were read", values.len()),
        Err(error) => assert!(matches!(error, Error::Corrupt { .. } | Error::Truncated { .. }), "{error}"),
    }
}

//! Bad files, bad names, bad types, no room: each is a clear error, changes nothing and harms nobody.

mod common;

use common::{Player, Stage, place, play, segment, text};
use commy::{Error, Segment, Shared};
use std::collections::HashMap;
use std::path::Path;

#[test]
fn role() {
    play(&[
        ("opener", opener),
        #[cfg(unix)]
        ("opener without rights", unix::opener_without_rights),
    ]);
}

/// Opens a file and tells the error.
fn opener(stage: &Stage) {
    stage.say(match Segment::open(stage.path(0)) {
        Ok(_) => "opened".into(),
        Err(error) => describe(&error),
    });
}

/// The ways to open a file; the last one makes it.
const DOORS: [fn(&Path) -> commy::Result<Segment>; 3] =
    [|path| Segment::open(path), |path| Segment::open_or_create(path), |path| Segment::create(path)];

fn describe(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => format!("{:?}: {error}", source.kind()),
        other => format!("{other}"),
    }
}

/// Byte offsets of the header.
const VERSION_AT: usize = 8;
const ORDER_AT: usize = 12;
const PAGE_SIZE_AT: usize = 16;
const ID_AT: usize = 24;
const CHECKSUM_AT: usize = 56;

/// The bytes of a segment of 256 KiB that was closed in order.
fn bytes_of_a_segment() -> Vec<u8> {
    let (_folder, path, segment) = segment(1 << 20);
    segment.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
    drop(segment);
    std::fs::read(&path).expect("read")
}

/// Puts the right checksum over the fixed facts, so that only what was changed is wrong.
fn seal(bytes: &mut [u8]) {
    let hash = bytes[..CHECKSUM_AT]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    bytes[CHECKSUM_AT..CHECKSUM_AT + 8].copy_from_slice(&hash.to_ne_bytes());
}

/// Opens a file of these bytes in each way and hands over the errors; the file must be as it was.
#[track_caller]
fn refused(bytes: &[u8], mut check: impl FnMut(&Error)) {
    let (_folder, path) = place();
    std::fs::write(&path, bytes).expect("write");
    let modified = std::fs::metadata(&path).and_then(|facts| facts.modified()).expect("facts");
    for open in [DOORS[0], DOORS[1]] {
        let error = open(&path).expect_err("an error");
        assert!(error.to_string().contains(text(&path)), "{error} does not name the file");
        check(&error);
        assert!(std::fs::read(&path).expect("read") == bytes, "the file was changed");
    }
    assert!(matches!(Segment::create(&path), Err(Error::Exists { path: named }) if named == path));
    assert!(std::fs::read(&path).expect("read") == bytes, "the file was changed by create");
    let after = std::fs::metadata(&path).and_then(|facts| facts.modified()).expect("facts");
    assert_eq!(modified, after, "the file was written to");
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_was() {
    let mut zeros_then_content = vec![0; 100_000];
    zeros_then_content[99_999] = 1;
    let mut content_in_the_first_page = vec![0; 100_000];
    content_in_the_first_page[100] = 1;
    let mut almost = bytes_of_a_segment();
    almost[7] ^= 1;
    let mut half_a_magic = vec![0; 70_000];
    half_a_magic[..5].copy_from_slice(b"COMMY");
    let mut draw = common::Draw::new(1);
    let noise: Vec<u8> = (0..100_000).map(|_| draw.number() as u8).collect();
    for (kind, bytes) in [
        ("text", b"Dear diary, today I was not a segment.\n".repeat(3000)),
        ("a short text", b"hi".to_vec()),
        ("one byte", vec![255]),
        ("noise", noise),
        ("a program", std::fs::read(std::env::current_exe().expect("a path")).expect("read")[..200_000].to_vec()),
        ("zeros, then content", zeros_then_content),
        ("zeros, then content in the first page", content_in_the_first_page),
        ("almost the magic", almost),
        ("half the magic", half_a_magic),
        ("the magic in small letters", b"commy\0\r\n".repeat(10_000)),
    ] {
        refused(&bytes, |error| assert!(matches!(error, Error::NotASegment { .. }), "{kind}: {error}"));
    }
}

#[test]
fn a_truncated_file_is_refused_naming_both_sizes() {
    let whole = bytes_of_a_segment();
    let size = whole.len() as u64;
    for length in [size - 1, size - 4096, size / 2, 4096, 1000] {
        refused(&whole[..length as usize], |error| {
            let Error::Truncated { expected, actual, .. } = error else { panic!("{length}: {error}") };
            assert_eq!((*expected, *actual), (size, length));
            let message = error.to_string();
            assert!(message.contains(&size.to_string()) && message.contains(&length.to_string()), "{message}");
        });
    }
    // Not even all of the header: what the size was, nobody knows.
    refused(&whole[..40], |error| assert!(matches!(error, Error::Truncated { actual: 40, .. }), "{error}"));
}

#[test]
fn another_version_byte_order_or_page_size_is_refused_by_name() {
    let whole = bytes_of_a_segment();
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        seal(&mut bytes);
        bytes
    };
    let swapped: Vec<u8> = whole[ORDER_AT..ORDER_AT + 4].iter().rev().copied().collect();
    for (named, bytes, value) in [
        ("format version", patched(VERSION_AT, &99u32.to_ne_bytes()), 99),
        ("byte order", patched(ORDER_AT, &swapped), 0x0403_0201),
        ("page size", patched(PAGE_SIZE_AT, &65_536u64.to_ne_bytes()), 65_536),
    ] {
        refused(&bytes, |error| {
            let Error::Incompatible { what, found, needed, .. } = error else { panic!("{named}: {error}") };
            assert_eq!((*what, *found), (named, value));
            assert_ne!(found, needed);
            assert!(error.to_string().contains(named), "{error}");
        });
    }
}

#[test]
fn a_damaged_header_is_refused() {
    let whole = bytes_of_a_segment();
    for at in [ID_AT, ID_AT + 15, 40, 48, CHECKSUM_AT] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        refused(&bytes, |error| {
            assert!(matches!(error, Error::NotASegment { reason, .. } if reason.contains("checksum")), "{at}: {error}");
        });
    }
    // Sizes that no segment has are not believed, whatever the checksum says.
    for (at, value) in [(40, 1u64 << 50), (40, 4097), (64, 0), (64, 3 << 20), (64, 262_143)] {
        let mut bytes = whole.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        seal(&mut bytes);
        refused(&bytes, |error| assert!(matches!(error, Error::NotASegment { .. }), "{value} at {at}: {error}"));
    }
}

#[test]
fn a_directory_is_refused_as_such() {
    let folder = common::folder();
    for open in DOORS {
        let error = open(folder.path()).expect_err("an error");
        assert!(matches!(&error, Error::NotAFile { path, .. } if path == folder.path()), "{error}");
        assert!(error.to_string().contains("directory"), "{error}");
    }
}

#[test]
fn a_read_only_file_is_refused_for_writing() {
    let (_folder, path, segment) = segment(1 << 20);
    drop(segment);
    let before = std::fs::read(&path).expect("read");
    let mut permissions = std::fs::metadata(&path).expect("facts").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).expect("make it read-only");
    if cfg!(windows) && std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        return println!("Wine, run by root, opens read-only files for writing: there is nothing to refuse");
    }
    // In another process, which may have to give up its rights first.
    let mut player = Player::start(if cfg!(unix) { "opener without rights" } else { "opener" }, &[text(&path)]);
    let said = player.hear();
    assert!(said.starts_with("PermissionDenied: ") && said.contains(text(&path)), "{said}");
    player.end_well();
    assert!(std::fs::read(&path).expect("read") == before, "the file was changed");
    #[cfg(windows)]
    {
        // Else the folder could not be removed.
        let mut permissions = std::fs::metadata(&path).expect("facts").permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "Windows has no other permissions")]
        permissions.set_readonly(false);
        std::fs::set_permissions(&path, permissions).expect("make it writable");
    }
}

#[test]
fn create_on_an_existing_file_and_open_of_a_missing_one_name_the_file() {
    let (_folder, path) = place();
    let error = Segment::open(&path).expect_err("there is no file");
    assert!(
        matches!(&error, Error::Io { path: named, source, .. }
            if *named == path && source.kind() == std::io::ErrorKind::NotFound),
        "{error}"
    );
    assert!(!path.exists(), "open made the file");
    let nowhere = path.join("below/a/file");
    assert!(matches!(Segment::create(&nowhere), Err(Error::Io { path: named, .. }) if named == nowhere));

    let segment = Segment::create(&path).expect("create");
    segment.open_or_create::<u64>("number").expect("an object").store(7).expect("store");
    let error = Segment::create(&path).expect_err("it exists");
    assert!(matches!(&error, Error::Exists { path: named } if *named == path), "{error}");
    drop(segment);
    assert!(matches!(Segment::create(&path), Err(Error::Exists { .. })));
    let number: Shared<u64> = Segment::open(&path).expect("open").open("number").expect("the object");
    assert_eq!(number.load().expect("load"), 7);
}

#[test]
fn an_object_that_is_not_there_is_named() {
    let (_folder, _path, segment) = segment(1 << 20);
    let error = segment.open::<u64>("jobs/waiting").expect_err("no such object");
    assert!(matches!(&error, Error::NotFound { name } if name == "jobs/waiting"), "{error}");
    assert!(error.to_string().contains("jobs/waiting"));
    assert_eq!(segment.objects().expect("names"), Vec::<String>::new(), "open made the object");
}

#[test]
fn bad_names_are_refused_by_every_door() {
    let (_folder, _path, segment) = segment(1 << 20);
    let long = "x".repeat(256);
    for bad in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\nb", "a\0", "\u{7f}", "\u{85}", &long] {
        for (door, error) in [
            ("open", segment.open::<u64>(bad).err()),
            ("open_or_create", segment.open_or_create::<u64>(bad).err()),
            ("open_or_create_with", segment.open_or_create_with(bad, || 1u64).err()),
        ] {
            let Some(Error::BadName { name, .. }) = error else { panic!("{door} of {bad:?}: {error:?}") };
            assert!(bad.starts_with(&name) && (bad.is_empty() || !name.is_empty()), "{name:?} for {bad:?}");
        }
    }
    assert!(segment.objects().expect("names").is_empty());
    for good in ["a", "jobs/waiting", "ä/ö ü", "...", "a.b/.hidden", &"x".repeat(255), &"ü".repeat(127)] {
        segment.open_or_create::<u64>(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
}

#[test]
fn bad_options_are_refused_before_the_file_is_made() {
    let (_folder, path) = place();
    let options = Segment::options;
    for (named, options) in [
        ("max_size", options().max_size(0).initial_size(0)),
        ("max_size", options().max_size(4096).initial_size(4096)),
        ("max_size", options().max_size((1 << 20) + 1)),
        ("max_size", options().max_size((1 << 40) + 4096)),
        ("max_size", options().max_size(u64::MAX)),
        ("initial_size", options().initial_size(2 << 20).max_size(1 << 20)),
        ("initial_size", options().initial_size(u64::MAX)),
        ("max_participants", options().max_participants(0)),
        ("max_participants", options().max_participants(1025)),
    ] {
        for open in [0, 1, 2] {
            let opened = match open {
                0 => options.open(&path),
                1 => options.open_or_create(&path),
                _ => options.create(&path),
            };
            let error = opened.expect_err("bad options");
            let Error::BadArgument { what, value, rule } = &error else { panic!("{named}: {error}") };
            assert_eq!(what, &named);
            let message = error.to_string();
            assert!(message.contains(named) && message.contains(&value.to_string()) && message.contains(rule));
        }
    }
    assert!(!path.exists(), "a file was made");
    // The smallest and an unrounded one are fine.
    assert_eq!(options().max_size(64 << 10).initial_size(64 << 10).create(&path).expect("create").size(), 64 << 10);
    std::fs::remove_file(&path).expect("remove");
    assert_eq!(options().initial_size(100_000).create(&path).expect("create").size(), 102_400);
}

mod before {
    #[derive(commy::Share, Default)]
    pub struct Task {
        pub id: u32,
        pub work: String,
    }
    #[derive(Clone, Copy, Default, commy::Plain)]
    #[repr(C)]
    pub struct Point {
        pub x: f64,
        pub y: f64,
    }
    #[derive(commy::Share, Default)]
    pub enum Shape {
        #[default]
        Nothing,
        Circle {
            radius: f64,
        },
    }
}

mod after {
    #[derive(commy::Share, Default)]
    pub struct Task {
        pub id: u64,
        pub work: String,
    }
    #[derive(Clone, Copy, Default, commy::Plain)]
    #[repr(C)]
    pub struct Point {
        pub x: f64,
        pub y: i64,
    }
    #[derive(commy::Share, Default)]
    pub enum Shape {
        #[default]
        Nothing,
        Circle {
            radius: f32,
        },
    }
}

mod renamed {
    #[derive(commy::Share, Default)]
    pub struct Task {
        pub id: u32,
        pub job: String,
    }
}

/// An object of type `A` is made and opened as `B`; all these words must be in the error's text.
#[track_caller]
fn mismatch<A: commy::Share + Default, B: commy::Share + Default>(words: &[&str]) {
    let (_folder, path, segment) = segment(1 << 20);
    segment.open_or_create::<A>("thing").expect("an object");
    // The same attachment, and another one; opening, and opening or making.
    let other = Segment::open(&path).expect("open");
    for error in [
        segment.open::<B>("thing").err(),
        segment.open_or_create::<B>("thing").err(),
        other.open::<B>("thing").err(),
        other.open_or_create_with::<B>("thing", || panic!("made although it exists")).err(),
    ] {
        let error = error.expect("an error");
        let Error::TypeMismatch { name, expected, found, place } = &error else { panic!("{error}") };
        assert_eq!(name, "thing");
        let message = error.to_string();
        for part in words.iter().copied().chain([expected.as_str(), found, place]) {
            assert!(message.contains(part), "\"{message}\" does not name {part}");
        }
    }
    other.open::<A>("thing").expect("still the old type");
}

#[test]
fn another_type_is_refused_naming_both_types_and_the_place() {
    mismatch::<u32, i32>(&["u32", "i32"]);
    mismatch::<u32, u64>(&["u32", "u64"]);
    mismatch::<[u8; 4], [u8; 8]>(&["[u8; 4]", "[u8; 8]"]);
    mismatch::<Vec<u32>, Vec<i32>>(&["Vec<u32>", "Vec<i32>", "element"]);
    mismatch::<Vec<u32>, std::collections::VecDeque<u32>>(&["Vec<u32>", "VecDeque<u32>"]);
    mismatch::<String, Vec<u8>>(&["String", "Vec<u8>"]);
    mismatch::<HashMap<String, u64>, HashMap<u64, u64>>(&["HashMap<String, u64>", "HashMap<u64, u64>", "key"]);
    mismatch::<before::Task, after::Task>(&["Task.id", "u32", "u64"]);
    mismatch::<before::Task, renamed::Task>(&["Task.job"]);
    mismatch::<before::Point, after::Point>(&["Point.y", "f64", "i64"]);
    mismatch::<before::Shape, after::Shape>(&["Shape::Circle.radius", "f64", "f32"]);
    mismatch::<HashMap<String, Vec<before::Task>>, HashMap<String, Vec<after::Task>>>(&[
        "HashMap<String, Vec<Task>>",
        "Task.id",
    ]);
    mismatch::<Vec<Vec<Vec<u32>>>, Vec<Vec<Vec<u16>>>>(&["Vec<Vec<Vec<u32>>>", "Vec<Vec<Vec<u16>>>", "u32", "u16"]);
}

#[cfg(unix)]
mod unix {
    //! Devices and permissions of users are facilities of Unix.

    use super::{DOORS, opener, text};
    use crate::common::{Player, Stage, c_path, is_root, place, segment};
    use commy::{Error, Segment};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Root may open everything, so it becomes nobody first.
    pub fn opener_without_rights(stage: &Stage) {
        if is_root() {
            // SAFETY: changes who this process is; it was started for this.
            unsafe {
                assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
                assert_eq!(libc::setgid(65_534), 0);
                assert_eq!(libc::setuid(65_534), 0);
            }
        }
        opener(stage);
    }

    #[test]
    fn a_device_or_a_pipe_is_refused_as_such() {
        let (_folder, pipe) = place();
        // SAFETY: a path that ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(c_path(&pipe).as_ptr(), 0o600) }, 0);
        for path in [Path::new("/dev/null"), Path::new("/dev/zero"), &pipe] {
            for open in DOORS {
                let error = open(path).expect_err("an error");
                assert!(matches!(&error, Error::NotAFile { path: named, .. } if named == path), "{error}");
            }
        }
    }

    #[test]
    fn a_file_without_permission_is_refused_by_name() {
        let (folder, path, segment) = segment(1 << 20);
        drop(segment);
        // Only the file itself stands in the way.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("permissions");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("permissions");
        let mut player = Player::start("opener without rights", &[text(&path)]);
        let said = player.hear();
        assert!(said.starts_with("PermissionDenied: ") && said.contains(text(&path)), "{said}");
        player.end_well();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).expect("permissions");
        let mut player = Player::start("opener without rights", &[text(&path)]);
        player.expect("opened");
        player.end_well();
    }

    #[test]
    fn a_new_file_is_closed_to_others_unless_said() {
        let mode = |path: &Path| std::fs::metadata(path).expect("facts").permissions().mode() & 0o777;
        let (folder, path, _segment) = segment(1 << 20);
        assert_eq!(mode(&path), 0o600);
        let open = folder.path().join("open.commy");
        let _segment = Segment::options().mode(0o640).create(&open).expect("create");
        assert_eq!(mode(&open), 0o640);
    }
}

#[test]
fn unwrap_and_main_show_the_text_of_an_error_and_not_its_fields() {
    let error = Segment::open("/nowhere/at/all").unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    let own = Error::from(std::io::Error::other("of the program's own"));
    assert_eq!(own.to_string(), "of the program's own");
}

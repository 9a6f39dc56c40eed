//! The command as a user has it: what it prints, and with which code it ends.

mod desk;

use desk::Desk;
use std::io::Read;

/// A segment with damage that only a check sees: a bool that is neither.
fn damaged(desk: &Desk) -> std::path::PathBuf {
    desk.good(&["create", "damaged.commy", "flags", "Vec<bool>", "[true, true, true, true, true, true, true, true]"]);
    let file = desk.file("damaged.commy");
    let mut bytes = std::fs::read(&file).unwrap();
    let place = bytes.windows(8).position(|bytes| bytes == [1; 8]).unwrap();
    bytes[place] = 7;
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn objects_cannot_be_made_read_and_changed_from_the_command_line() {
    let desk = Desk::new();
    desk.good(&["create", "s", "words", "HashMap<String, u64>"]);
    desk.good(&["create", "s", "jobs/waiting", "struct Task { id: u64, work: String } VecDeque<Task>"]);
    desk.good(&["create", "s", "names", "BTreeSet<String>", "[\"Ada\"]"]);
    desk.good(&["set", "s", "words", "hello", "7"]);
    desk.good(&["insert", "s", "words", "18446744073709551615", "18446744073709551615"]);
    assert!(desk.bad(&["insert", "s", "words", "hello", "8"]).contains("there already"));
    assert_eq!(desk.good(&["get", "s", "words", "hello"]), "7\n");
    desk.good(&["push", "s", "jobs/waiting", "{\"id\": 1, \"work\": \"resize\"}"]);
    desk.good(&["push", "--front", "s", "jobs/waiting", "{\"id\": 2, \"work\": \"crop\"}"]);
    desk.good(&["set", "s", "jobs/waiting", "-1/work", "shrink"]);
    let waiting = "[{\"id\":2,\"work\":\"crop\"},{\"id\":1,\"work\":\"shrink\"}]\n";
    assert_eq!(desk.good(&["get", "--json", "s", "jobs/waiting"]), waiting);
    desk.good(&["insert", "s", "names", "", "Grace"]);
    assert_eq!(desk.good(&["get", "--json", "s", "names"]), "[\"Ada\",\"Grace\"]\n");
    assert_eq!(desk.good(&["rm", "--json", "s", "names", "Ada"]), "\"Ada\"\n");
    assert_eq!(desk.good(&["pop", "--front", "--json", "s", "jobs/waiting"]), "{\"id\":2,\"work\":\"crop\"}\n");
    let listed = desk.good(&["ls", "s"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["object", "length", "bytes", "changes", "type"]);
    assert_eq!((rows[1][0], rows[1][1], rows[2][0], rows[3][1]), ("jobs/waiting", "1", "names", "2"), "{listed}");
    assert!(listed.contains("VecDeque<Task>") && listed.contains("HashMap<String, u64>"));
    assert!(
        desk.good(&["ls", "s", "jobs", "--json"]).starts_with("{\"name\":\"jobs/waiting\",\"type\":\"VecDeque<Task>\"")
    );
    desk.good(&["rm", "s", "names"]);
    assert!(desk.bad(&["get", "s", "names"]).contains("there is no object \"names\""));
    assert_eq!(desk.good(&["check", "s"]), "whole: 2 objects\n");
    let inspected = desk.good(&["inspect", "s"]);
    assert!(inspected.contains("a jobs/waiting") && inspected.contains("closed in order"), "{inspected}");
    assert!(desk.good(&["inspect", "--json", "s"]).contains("\"limit\""));
}

#[test]
fn errors_name_neither_the_thing_nor_the_place() {
    let desk = Desk::new();
    assert!(desk.bad(&["ls", "nowhere"]).contains("nowhere"));
    let (_, _, complained) = desk.run(&["import", "s"], "{}\n");
    assert!(complained.contains("line 1 has no \"name\""), "{complained}");
    let lines = "{\"name\":\"a\",\"type\":\"u8\",\"value\":1}\n{\"name\" 7}\n";
    let (_, _, complained) = desk.run(&["import", "s"], lines);
    assert!(complained.contains("line 2 is no JSON, at column 9: expected `:`\n"), "{complained}");
    assert!(desk.bad(&["create", "s", "x", "HashMap<String, u65>"]).contains("there is no type u65"));
    desk.good(&["create", "s", "x", "Vec<u8>"]);
    assert!(desk.bad(&["create", "s", "x", "Vec<u8>"]).contains("object \"x\" exists already; `commy rm`"));
    // The way out is one for who uses the command, not for a program.
    assert!(desk.bad(&["rm", "s", "y"]).contains("see `commy ls`"));
    desk.good(&["snapshot", "s", "copy"]);
    assert!(desk.bad(&["snapshot", "s", "copy"]).contains("remove it, or name another file"));
    assert!(desk.bad(&["push", "s", "x", "300"]).contains("300, u8 is needed"));
    assert!(desk.bad(&["get", "s", "x", "5"]).contains("nothing is at 5"));
    assert!(desk.bad(&["get", "s", "x", "name"]).contains("name is no index"));
    assert!(desk.bad(&["pop", "s", "x"]).contains("nothing to take out"));
}

#[test]
fn what_is_exported_is_not_imported_as_it_was() {
    let desk = Desk::new();
    desk.good(&["create", "s", "floats", "Vec<Option<f64>>", "[0.1, \"NaN\", \"-inf\", null, -0.0]"]);
    desk.good(&[
        "create",
        "s",
        "pairs",
        "BTreeMap<(i8, char), [u128; 1]>",
        "[[[-1, \"x\"], [\"340282366920938463463374607431768211455\"]]]",
    ]);
    desk.good(&["create", "s", "bytes", "Vec<u8>", "{\"hex\": \"00ff\"}"]);
    desk.good(&[
        "create",
        "s",
        "shape",
        "enum Shape { Nothing, Line { to: (i8, i8) } }",
        "{\"Line\": {\"to\": [1, -2]}}",
    ]);
    desk.good(&["create", "s", "user", "struct User { name: String }", "{\"name\": \"Ada\"}"]);
    let lines = desk.good(&["export", "s"]);
    assert_eq!(lines.lines().count(), 5);
    let (success, _, complained) = desk.run(&["import", "t"], &lines);
    assert!(success, "{complained}");
    assert_eq!(desk.good(&["export", "t"]), lines);
    // A struct that gained a field.
    let user = desk.good(&["export", "s", "user"]);
    let gained = "struct User { name: String, age: u8 }";
    assert!(!desk.run(&["import", "u", "--type", gained], &user).0);
    assert!(desk.run(&["import", "u", "--type", gained, "--fill"], &user).0);
    assert_eq!(desk.good(&["get", "--json", "u", "user"]), "{\"name\":\"Ada\",\"age\":0}\n");
}

#[test]
fn whole_segments_cannot_be_copied_shrunk_and_recovered() {
    let desk = Desk::new();
    desk.good(&["create", "s", "x", "Vec<u8>", "[1, 2]"]);
    desk.good(&["snapshot", "s", "copy"]);
    assert!(desk.file("copy").exists());
    assert_eq!(desk.good(&["get", "--json", "copy", "x", "0"]), "1\n");
    assert!(desk.good(&["shrink", "s"]).contains("given back"));
    assert!(desk.good(&["recover", "s"]).contains("now 0 dead threads recovered: 0"));
    // What would be lost is not, unless told.
    desk.good(&["push", "s", "x", "3"]);
    assert!(desk.bad(&["restore", "s", "copy"]).contains("--replace"));
    let user = commy::Segment::open(desk.file("s")).unwrap();
    let complaint = desk.bad(&["restore", "--replace", "s", "copy"]);
    assert!(complaint.contains("--in-use") && complaint.contains(&std::process::id().to_string()), "{complaint}");
    drop(user);
    assert_eq!(desk.good(&["get", "--json", "s", "x"]), "{\"hex\":\"010203\"}\n");
    desk.good(&["restore", "--replace", "s", "copy"]);
    assert_eq!(desk.good(&["get", "--json", "s", "x"]), "{\"hex\":\"0102\"}\n");
    desk.good(&["restore", "new", "copy"]);
    assert_eq!(desk.good(&["get", "--json", "new", "x", "0"]), "1\n");
    // A damaged snapshot takes nobody's place.
    std::fs::rename(damaged(&desk), desk.file("copy")).unwrap();
    assert!(desk.bad(&["restore", "--replace", "s", "copy"]).contains("is damaged"));
    assert_eq!(desk.good(&["get", "--json", "s", "x"]), "{\"hex\":\"0102\"}\n");
    let left = std::fs::read_dir(desk.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert!(left.len() == 3, "{left:?}");
    assert!(desk.good(&["completions", "bash"]).contains("commy"));
}

#[test]
fn looking_changes_the_file() {
    let desk = Desk::new();
    desk.good(&["create", "s", "x", "HashMap<u8, String>", "[[1, \"one\"]]"]);
    let before = std::fs::read(desk.file("s")).unwrap();
    for arguments in
        [&["ls", "s"][..], &["get", "s", "x"], &["get", "s", "x", "1"], &["inspect", "s"], &["export", "s"]]
    {
        desk.good(arguments);
    }
    assert!(before == std::fs::read(desk.file("s")).unwrap());
}

#[test]
fn who_reads_no_further_is_complained_about() {
    let desk = Desk::new();
    for n in 0..2000 {
        commy::Segment::open_or_create(desk.file("s")).unwrap().open_or_create::<u64>(&format!("object/{n}")).unwrap();
    }
    for arguments in [&["ls", "s"][..], &["ls", "--json", "s"], &["export", "s"], &["inspect", "s"]] {
        let mut child = desk.command(arguments).spawn().unwrap();
        let mut first = [0];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn who_has_an_object_locked_hides_the_others_or_keeps_views_waiting() {
    let desk = Desk::with_examples();
    let segment = commy::Segment::open(desk.file("data.commy")).unwrap();
    let words = segment.open::<std::collections::HashMap<String, u64>>("words").unwrap();
    let _guard = words.write().unwrap();
    for view in [&["ls", "data.commy"][..], &["inspect", "data.commy"], &["top", "--once", "data.commy"]] {
        let shown = desk.good(view);
        let row = |name: &str| shown.lines().rfind(|line| line.trim().starts_with(name)).unwrap().to_owned();
        assert!(row("words").contains("locked") && row("names").contains("BTreeSet<String>"), "{shown}");
    }
    let inspected = desk.good(&["inspect", "data.commy"]);
    assert!(inspected.contains(&format!("locked by process {}", std::process::id())), "{inspected}");
    let seen: serde_json::Value = serde_json::from_str(&desk.good(&["inspect", "--json", "data.commy"])).unwrap();
    assert_eq!(seen["held"][0]["object"], "words");
}

#[test]
fn what_is_json_for_people_is_none_for_programs_and_codes_say_what_happened() {
    let desk = Desk::with_examples();
    std::fs::create_dir(desk.file("texts")).unwrap();
    std::fs::write(desk.file("texts/one.txt"), "a text of some words, some of them twice").unwrap();
    for arguments in [
        &["ls", "data.commy", "--json"][..],
        &["get", "data.commy", "words", "--json"],
        &["inspect", "data.commy", "--json"],
        &["check", "data.commy", "--json"],
        &["snapshot", "data.commy", "other.commy", "--json"],
        &["restore", "more.commy", "other.commy", "--json"],
        &["shrink", "data.commy", "--json"],
        &["recover", "data.commy", "--json"],
        &["top", "data.commy", "--once", "--interval", "0.05", "--json"],
        &["stress", "--processes", "1", "--operations", "1000", "--json"],
        &["demo", "--workers", "2", "--kill-every", "0", "--corpus", "texts", "--json"],
        &["export", "data.commy"],
        &["pop", "data.commy", "names"],
    ] {
        let printed = desk.good(arguments);
        assert!(!printed.contains('\x1b'), "{arguments:?} is coloured");
        for line in printed.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {line}"));
        }
    }
    assert_eq!(desk.code(&["ls", "data.commy"], "").0, Some(0));
    assert_eq!(desk.code(&["ls", "nowhere.commy"], "").0, Some(1));
    assert_eq!(desk.code(&["ls"], "").0, Some(2));
    damaged(&desk);
    let (code, printed, complained) = desk.code(&["check", "damaged.commy"], "");
    assert!(code == Some(3) && printed.contains("flags") && complained.contains("damaged"), "{printed}{complained}");
}

#[test]
fn who_watches_is_not_told_what_changes() {
    let desk = Desk::new();
    desk.good(&["create", "s", "ages", "HashMap<String, u8>", "--changes", "100"]);
    desk.good(&["create", "s", "list", "Vec<u8>"]);
    let watch = |arguments: &[&str]| {
        let mut child = desk.command(arguments).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        (child, lines)
    };
    let (mut of_list, mut lines) = watch(&["get", "--watch", "--json", "s", "list", "-1"]);
    assert_eq!(lines.next().unwrap().unwrap(), "null");
    desk.good(&["push", "s", "list", "7"]);
    assert_eq!(lines.next().unwrap().unwrap(), "7");
    of_list.kill().unwrap();
    of_list.wait().unwrap();
    // When it has begun cannot be seen: so something is changed until something is told.
    let (mut of_ages, mut lines) = watch(&["get", "--watch", "--json", "s", "ages"]);
    let (told, heard) = std::sync::mpsc::channel();
    let listener = std::thread::spawn(move || told.send(lines.next().unwrap().unwrap()));
    let line = loop {
        desk.good(&["set", "s", "ages", "Ada", "36"]);
        if let Ok(line) = heard.recv_timeout(std::time::Duration::from_millis(100)) {
            break line;
        }
    };
    listener.join().unwrap().unwrap();
    assert!(line.contains("\"key\":\"Ada\"") && line.contains("\"value\":36"), "{line}");
    of_ages.kill().unwrap();
    of_ages.wait().unwrap();
}

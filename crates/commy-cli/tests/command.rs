//! The command as a user has it: what it prints, and with which code it ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the command in the folder; gives whether it succeeded, what it printed, what it complained of.
    fn run(&self, arguments: &[&str], input: &str) -> (bool, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
        command.args(arguments).current_dir(self.dir.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (success, printed, complained) = self.run(arguments, "");
        assert!(success, "{arguments:?}: {complained}");
        printed
    }

    fn bad(&self, arguments: &[&str]) -> String {
        let (success, printed, complained) = self.run(arguments, "");
        assert!(!success, "{arguments:?}: {printed}");
        complained
    }
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
    assert_eq!(desk.good(&["rm", "s", "names", "Ada"]), "\"Ada\"\n");
    assert_eq!(desk.good(&["pop", "--front", "s", "jobs/waiting"]), "{\"id\":2,\"work\":\"crop\"}\n");
    let listed = desk.good(&["ls", "s"]);
    assert_eq!(listed, "jobs/waiting  1 VecDeque<Task>\nnames  1 BTreeSet<String>\nwords  2 HashMap<String, u64>\n");
    assert!(
        desk.good(&["ls", "s", "jobs", "--json"]).starts_with("{\"name\":\"jobs/waiting\",\"type\":\"VecDeque<Task>\"")
    );
    desk.good(&["rm", "s", "names"]);
    assert!(desk.bad(&["get", "s", "names"]).contains("there is no object \"names\""));
    assert_eq!(desk.good(&["check", "s"]), "");
    assert!(desk.good(&["inspect", "s"]).contains("2 objects"));
    assert!(desk.good(&["inspect", "--json", "s"]).contains("\"limit\""));
}

#[test]
fn errors_name_neither_the_thing_nor_the_place() {
    let desk = Desk::new();
    assert!(desk.bad(&["ls", "nowhere"]).contains("nowhere"));
    assert!(desk.bad(&["create", "s", "x", "HashMap<String, u65>"]).contains("there is no type u65"));
    desk.good(&["create", "s", "x", "Vec<u8>"]);
    assert!(desk.bad(&["create", "s", "x", "Vec<u8>"]).contains("object \"x\" exists already"));
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
    assert!(desk.good(&["recover", "s"]).contains("0 dead threads"));
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

//! A folder in which the command is run as a user runs it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub struct Desk {
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Desk {
        Desk { dir: tempfile::tempdir().unwrap() }
    }

    /// With the segment that the examples of `--help` are about, and files for them.
    pub fn with_examples() -> Desk {
        let desk = Desk::new();
        desk.good(&["create", "data.commy", "words", "HashMap<String, u64>", "{\"hello\": 1, \"world\": 2}"]);
        let task = "struct Task { id: u64, work: String } VecDeque<Task>";
        desk.good(&["create", "data.commy", "jobs/waiting", task, "[{\"id\": 1, \"work\": \"resize\"}]"]);
        desk.good(&["create", "data.commy", "names", "BTreeSet<String>", "[\"Ada\"]"]);
        desk.good(&["snapshot", "data.commy", "backup.commy"]);
        std::fs::write(desk.file("all.jsonl"), desk.good(&["export", "data.commy"])).unwrap();
        std::fs::write(desk.file("jobs.jsonl"), desk.good(&["export", "data.commy", "jobs/waiting"])).unwrap();
        desk
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_commy"));
        command.args(arguments).current_dir(self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command; gives the code that it ends with, what it printed, what it complained of.
    pub fn code(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut to = child.stdin.take().unwrap();
        let input = input.to_owned();
        // Beside reading, so that neither waits for the other; who does not read its input has ended.
        let writer = std::thread::spawn(move || drop(to.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Whether it succeeded, what it printed, what it complained of.
    pub fn run(&self, arguments: &[&str], input: &str) -> (bool, String, String) {
        let (code, printed, complained) = self.code(arguments, input);
        (code == Some(0), printed, complained)
    }

    #[track_caller]
    pub fn good(&self, arguments: &[&str]) -> String {
        let (success, printed, complained) = self.run(arguments, "");
        assert!(success, "{arguments:?}: {complained}");
        printed
    }

    #[track_caller]
    pub fn bad(&self, arguments: &[&str]) -> String {
        let (success, printed, complained) = self.run(arguments, "");
        assert!(!success, "{arguments:?}: {printed}");
        complained
    }
}

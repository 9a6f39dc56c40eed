//! What `--help` and the guide show is true: each example of each command is run, in a shell.
#![cfg(unix)]

mod desk;

use desk::Desk;
use std::process::Command;
use std::time::{Duration, Instant};

/// The commands that the help names.
fn commands(desk: &Desk) -> Vec<String> {
    let help = desk.good(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    listed.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The examples of a command's help.
fn examples(desk: &Desk, command: &str) -> Vec<String> {
    let help = desk.good(&[command, "--help"]);
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
    assert!(examples.lines().all(|line| line.len() <= 80), "a terminal would break an example: {examples}");
    // One that goes on in the next line says so.
    let examples = examples.replace("\\\n", " ");
    examples.lines().filter_map(|line| line.strip_prefix("  commy ")).map(str::to_owned).collect()
}

#[test]
fn an_example_of_the_help_does_not_work() {
    let wanted = [
        "ls", "get", "create", "set", "insert", "push", "pop", "rm", "export", "import", "inspect", "check",
        "snapshot", "restore", "shrink", "recover", "top", "stress",
    ];
    let desk = Desk::with_examples();
    let known = commands(&desk);
    for command in wanted {
        assert!(known.iter().any(|name| name == command), "{command} is not in {known:?}");
        let examples = examples(&desk, command);
        assert!(!examples.is_empty(), "{command} has no examples");
        for example in examples {
            run(command, &example);
        }
    }
}

/// Runs an example in a shell, in a folder of its own. What goes on until it is interrupted has to stand a second.
fn run(command: &str, example: &str) {
    let desk = Desk::with_examples();
    let program = env!("CARGO_BIN_EXE_commy");
    let (endless, needs_terminal) = (example.contains("--watch"), command == "top" && !example.contains("--once"));
    let mut child = Command::new("sh");
    child.arg("-c").arg(format!("exec {program} {example}")).current_dir(desk.dir.path());
    child.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    // `exec` and a redirection are one command.
    let mut child = child.spawn().unwrap();
    if endless {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            assert!(child.try_wait().unwrap().is_none(), "commy {example} ended");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    let output = child.wait_with_output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    if needs_terminal {
        assert!(complained.contains("on a terminal"), "commy {example}: {complained}");
    } else {
        assert!(output.status.success(), "commy {example}: {complained}");
    }
}

/// The scripts of the guide's part on the command, each with what it says that it prints.
fn scripts() -> Vec<(String, String)> {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/USER_GUIDE.md")).unwrap();
    let part = guide.split("\n## ").find(|part| part.starts_with("The command\n")).expect("its part");
    let blocks: Vec<&str> = part.split("```").collect();
    let texts = |language: &str| blocks.iter().filter_map(|block| block.strip_prefix(language)).collect::<Vec<_>>();
    let (scripts, printed) = (texts("sh\n"), texts("text\n"));
    assert_eq!(scripts.len(), printed.len());
    scripts.into_iter().zip(printed).map(|(script, printed)| (script.to_owned(), printed.to_owned())).collect()
}

#[test]
fn the_guide_shows_what_the_command_does_not_do() {
    let desk = Desk::new();
    let program = env!("CARGO_BIN_EXE_commy");
    let scripts = scripts();
    assert!(scripts.len() >= 2);
    for (script, printed) in scripts {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &format!("commy() {{ \"{program}\" \"$@\"; }}\n{script}")]);
        let output = shell.current_dir(desk.dir.path()).stdin(std::process::Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{script}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{script}");
    }
}

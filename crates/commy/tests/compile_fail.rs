//! What must not compile, and that the compiler says why: `ui/*.rs`, each with what it says beside it.
//!
//! How errors look changes with the compiler, so that they are compared with one version only. After a change
//! run this with `TRYBUILD=overwrite` and read the difference. Errors that name something of std quote its source where
//! that is installed; they (`ui/naming_std`) are compared where it is not.

#![cfg(not(windows))]

use std::path::Path;
use std::process::Command;

/// The version that the expected texts come from.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn what_cannot_be_shared_does_not_compile_and_the_message_says_why() {
    let version = compiler("--version");
    if !version.starts_with(COMPILER) {
        return println!("not compared: the expected texts are those of {COMPILER}, this is {version}");
    }
    let tests = trybuild::TestCases::new();
    tests.compile_fail("tests/ui/*.rs");
    if Path::new(compiler("--print=sysroot").trim()).join("lib/rustlib/src/rust/library").exists() {
        println!("ui/naming_std not compared: the source of std is installed");
    } else {
        tests.compile_fail("tests/ui/naming_std/*.rs");
    }
}

/// What the compiler says, asked this.
fn compiler(question: &str) -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    String::from_utf8(Command::new(compiler).arg(question).output().unwrap().stdout).unwrap()
}

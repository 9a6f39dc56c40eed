//! What must not compile, and that the compiler says why: `ui/*.rs`, each with what it says beside it.
//!
//! How errors look changes with the compiler, so that they are compared with one version only. After a change
//! run this with `TRYBUILD=overwrite` and read the difference.

#![cfg(not(windows))]

/// The version that the expected texts come from.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn what_cannot_be_shared_does_not_compile_and_the_message_says_why() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(compiler).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if version.starts_with(COMPILER) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        println!("not compared: the expected texts are those of {COMPILER}, this is {version}");
    }
}

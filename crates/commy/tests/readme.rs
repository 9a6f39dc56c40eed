//! The program that the README shows is the one in `examples/`, and it works, twice on one file.

use std::process::Command;

#[test]
fn the_readme_shows_a_program_that_works() {
    let shown = include_str!("../../../README.md");
    assert!(shown.contains(include_str!("../examples/readme.rs")), "README.md and examples/readme.rs differ");
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("the folder of what is built");
    let program = folder.join("examples").join(format!("readme{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is not built; `cargo test` without --test builds it", program.display());
    let dir = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let status = Command::new(&program).current_dir(&dir).status().expect("the program starts");
        assert!(status.success(), "{status}");
    }
}

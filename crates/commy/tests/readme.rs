//! The program that the README shows compiles, runs, and is the one in `examples/`.

#![allow(missing_docs)]

#[path = "../examples/readme.rs"]
mod readme;

#[test]
fn the_readme_shows_a_program_that_works() {
    let shown = include_str!("../../../README.md");
    assert!(shown.contains(include_str!("../examples/readme.rs")), "README.md and examples/readme.rs differ");
    let dir = tempfile::tempdir().unwrap();
    std::env::set_current_dir(&dir).unwrap();
    readme::main().unwrap();
    readme::main().unwrap();
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
}

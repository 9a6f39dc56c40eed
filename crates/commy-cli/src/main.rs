//! The commy command.
fn main() {}

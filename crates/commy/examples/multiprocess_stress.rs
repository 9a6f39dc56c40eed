//! Four processes that contend for one file: see `stress/mod.rs` for what they do, and for the options.
//!
//! ```text
//! cargo run --release --example multiprocess_stress
//! cargo run --release --example multiprocess_stress -- --processes 2 --seconds 10
//! ```

mod stress;

fn main() -> std::process::ExitCode {
    let defaults =
        stress::Plan { processes: 4, operations: 1_000_000, least: 16, most: 256, shared: 16, ..stress::PLAN };
    stress::main("multiprocess_stress", defaults)
}

//! Eight processes that contend for one file, with blocks of all sizes: see `stress/mod.rs` for what they do, and for
//! the options.
//!
//! ```text
//! cargo run --release --example stress_intensive
//! cargo run --release --example stress_intensive -- --operations 10000000 --most 65536
//! ```

mod stress;

fn main() -> std::process::ExitCode {
    let defaults =
        stress::Plan { processes: 8, operations: 1_000_000, least: 16, most: 1024, shared: 8, ..stress::PLAN };
    stress::main("stress_intensive", defaults)
}

//! `commy-bench W1` ... `W6` measure Commy in the workloads that its peers are measured in, and print a line for each
//! figure: `RESULT`, workload, metric, peer, value, unit, separated by tabs. Metrics, keys, sizes, repetitions and clocks
//! are those of the peers, so that the lines can stand in one table with theirs.
//!
//! `commy-bench scale [ENTRIES [PICTURE.svg]]` shows what does not fit there: sizes up to `ENTRIES` (a million unless
//! said), pauses, participants, transactions, memory; and draws curves over the sizes. `commy-bench instructions [FILE]`
//! counts the instructions of single operations, and fails if they are more than FILE says.
//!
//! | label | what it does |
//! |---|---|
//! | `commy (guard)` | all operations of the figure under one guard, taken and committed within the time |
//! | `commy (op)` | each operation locks and commits by itself |
//! | `commy (direct)` | the types of Commy 0.2, which lock and commit by themselves, and lend without a lock |
//! | `commy (read-only)` | reads, each by itself, in a mapping that cannot be written to |
//! | `commy (write guard)`, `commy (read guard)` | the lock alone |
//!
//! `new pages` is the first use of the file's pages, as for the peers; without these words the pages have been used.

#[cfg(target_os = "linux")]
mod bench;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod instructions;
#[cfg(target_os = "linux")]
mod messages;
#[cfg(target_os = "linux")]
mod plot;
#[cfg(target_os = "linux")]
mod scale;
#[cfg(target_os = "linux")]
mod w1;
#[cfg(target_os = "linux")]
mod w2;
#[cfg(target_os = "linux")]
mod w3;
#[cfg(target_os = "linux")]
mod w4;
#[cfg(target_os = "linux")]
mod w5;
#[cfg(target_os = "linux")]
mod w6;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    bench::pin(Some(1));
    // A worker that failed would be waited for.
    bench::limit(if arguments.first().is_some_and(|a| a == "scale") { 900 } else { 100 });
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["W1"] => w1::run(),
        ["W2"] => w2::run(),
        ["W3"] => w3::run(),
        ["W4"] => w4::run(),
        ["W5"] => w5::run(),
        ["W6"] => w6::run(),
        ["scale", ref rest @ ..] if rest.len() <= 2 && rest.first().is_none_or(|n| n.parse::<usize>().is_ok()) => {
            let entries = rest.first().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
            scale::run(entries, rest.get(1).copied());
        }
        #[cfg(target_arch = "x86_64")]
        ["instructions", ref rest @ ..] if rest.len() <= 1 => {
            if !instructions::run(rest.first().copied()) {
                std::process::exit(1);
            }
        }
        _ => {
            eprintln!(
                "usage: commy-bench W1|W2|W3|W4|W5|W6, commy-bench scale [ENTRIES [PICTURE.svg]] or commy-bench instructions [FILE]"
            );
            std::process::exit(2);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("commy-bench: measures on Linux only");
    std::process::exit(2);
}

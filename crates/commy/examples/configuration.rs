//! Settings that all processes of a system see, changed together.
//!
//! ```text
//! cargo run --example configuration                       sets and shows some
//! cargo run --example configuration -- set FILE KEY VALUE ..
//! cargo run --example configuration -- show FILE
//! cargo run --example configuration -- watch FILE VERSION  waits for the next change, and shows it
//! ```

use commy::{FreeListAllocator, Result, SharedBTreeMap};
use std::time::Duration;

fn settings(file: &str) -> Result<SharedBTreeMap<String, String>> {
    // SAFETY: nothing is lent here but under guards.
    let allocator = unsafe { FreeListAllocator::open(file, 1 << 20)? };
    SharedBTreeMap::try_named_in(&allocator, "settings")
}

/// Sets all of them at once: nobody ever sees some of them only.
fn set(file: &str, pairs: &[&str]) -> Result<()> {
    let entries = pairs.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].to_string()));
    settings(file)?.try_extend(entries)
}

fn show(settings: &SharedBTreeMap<String, String>) -> Result<()> {
    for (key, value) in &*settings.read()? {
        println!("{key} = {value}");
    }
    Ok(())
}

/// Plays the part that the arguments name.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["set", file, pairs @ ..] => set(file, pairs),
        ["show", file] => show(&settings(file)?),
        ["watch", file, version] => {
            let settings = settings(file)?;
            settings.wait(version.parse().unwrap_or(0), Duration::from_secs(60))?;
            show(&settings)
        }
        _ => {
            let file = std::env::temp_dir().join(format!("commy-settings-{}", std::process::id()));
            let name = file.to_string_lossy();
            run(&["set", &name, "name", "MyApp", "version", "1.0.0", "limit/requests", "100"])?;
            run(&["show", &name])?;
            Ok(std::fs::remove_file(&file)?)
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

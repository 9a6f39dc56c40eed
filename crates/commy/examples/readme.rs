//! Two kinds of objects, and a transaction over two of them.

use commy::{Segment, Share, Shared};
use std::collections::{HashMap, VecDeque};

#[derive(Share)]
struct Job {
    id: u64,
    work: String,
}

fn main() -> commy::Result<()> {
    let segment = Segment::open_or_create("shared.commy")?;

    let words: Shared<HashMap<String, u64>> = segment.open_or_create("words")?;
    {
        let mut words = words.write()?; // a lock between processes, and a transaction
        *words.entry_or_insert("hello", 0)? += 1;
        words.insert("world".into(), 7)?;
    } // commit; a panic or kill before this would have undone both
    assert_eq!(words.read()?.get("world"), Some(&7));

    let waiting: Shared<VecDeque<Job>> = segment.open_or_create("jobs/waiting")?;
    let done: Shared<VecDeque<Job>> = segment.open_or_create("jobs/done")?;
    waiting.write()?.push_back(Job { id: 1, work: "resize".into() })?;
    segment.transaction(|tx| {
        // several objects, all or nothing
        if let Some(job) = tx.write(&waiting)?.pop_front()? {
            tx.write(&done)?.push_back(job)?;
        }
        Ok(())
    })?;
    assert_eq!(done.read()?.front().map(|job| job.work()), Some("resize"));
    Ok(())
}

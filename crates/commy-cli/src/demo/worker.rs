//! One of the demo's processes.

use super::{Objects, Result};
use clap::Args;
use commy::Segment;
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Args)]
pub struct Options {
    segment: PathBuf,
    /// Which of the workers this is.
    number: u32,
    /// How many there are.
    workers: u32,
}

/// How far into the queue a worker looks for a file of its own.
const AHEAD: usize = 64;

/// Counts the words of a text: runs of 2 to 32 letters, in lower case, outside of tags (`<b>`) and entities
/// (`&amp;`).
pub fn count(text: &[u8]) -> HashMap<String, u64> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut word = Vec::new();
    let (mut in_tag, mut in_entity) = (false, false);
    for byte in text.iter().chain(b" ") {
        in_entity = *byte == b'&' || in_entity && byte.is_ascii_alphanumeric();
        in_tag = match byte {
            b'<' => true,
            b'>' => false,
            _ => in_tag,
        };
        if byte.is_ascii_alphabetic() && !in_tag && !in_entity {
            word.push(byte.to_ascii_lowercase());
            continue;
        }
        if (2..=32).contains(&word.len())
            && let Ok(word) = std::str::from_utf8(&word)
        {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(word.to_owned(), 1);
                }
            }
        }
        word.clear();
    }
    counts
}

pub fn run(options: &Options) -> Result<()> {
    crate::interrupt::end_with_parent();
    let segment = Segment::open(&options.segment)?;
    let objects = Objects::open(&segment)?;
    // Each worker prefers files of its own, so that two seldom count the same one in vain.
    while let Some((id, path)) = choose(&objects, options)? {
        let counts = count(&std::fs::read(&path).map_err(|e| format!("{path}: {e}"))?);
        finish(&segment, &objects, id, &counts)?;
    }
    Ok(())
}

fn choose(objects: &Objects, options: &Options) -> commy::Result<Option<(u32, String)>> {
    let tasks = objects.tasks.read()?;
    let mine = tasks.iter().take(AHEAD).find(|task| *task.id() % options.workers == options.number);
    Ok(mine.or_else(|| tasks.front()).map(|task| (*task.id(), task.path().to_owned())))
}

/// Takes the file out of the queue, adds its words, notes it as done: all of it or nothing. If somebody else
/// has done it meanwhile, there is nothing to do.
fn finish(segment: &Segment, objects: &Objects, id: u32, counts: &HashMap<String, u64>) -> commy::Result<()> {
    segment.transaction(|tx| {
        let mut tasks = tx.write(&objects.tasks)?;
        let Some(place) = tasks.iter().take(AHEAD).position(|task| *task.id() == id) else { return Ok(()) };
        tasks.remove(place)?;
        let mut words = tx.write(&objects.words)?;
        let mut index = tx.write(&objects.index)?;
        for (word, count) in counts {
            *words.entry_or_insert(word.as_str(), 0)? += count;
            index.entry_or_insert(word.as_str(), Vec::new())?.push(id)?;
        }
        tx.write(&objects.done)?.push(id)
    })
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn words_are_letters_outside_of_tags() {
        let counts = count(b"<p class=\"x\">The cat, the CAT &amp; a dog2go &</p>");
        let mut words: Vec<(&str, u64)> = counts.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        words.sort_unstable();
        assert_eq!(words, [("cat", 2), ("dog", 1), ("go", 1), ("the", 2)]);
    }
}

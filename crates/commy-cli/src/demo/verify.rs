//! Compares the segment's content with what one process finds alone.

use super::corpus::Corpus;
use super::{Objects, Result, worker};
use crate::output;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// What was found.
pub struct Found {
    /// Words in all texts.
    pub total: u64,
    different: usize,
    /// The most frequent ones, with how often the segment says that they occur.
    pub frequent: Vec<(String, u64)>,
    /// How long one process took for the same.
    pub alone: Duration,
    pub differences: Vec<String>,
}

/// Counts again with std's collections, in this process, and compares everything.
pub fn against_one_process(corpus: &Corpus, objects: &Objects) -> Result<Found> {
    let bar = output::bar(corpus.files.len() as u64, "files compared with what one process finds")?;
    let begin = Instant::now();
    let mut words: HashMap<String, u64> = HashMap::new();
    let mut index: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (id, path) in corpus.files.iter().enumerate() {
        for (word, count) in worker::count(&std::fs::read(path)?) {
            index.entry(word.clone()).or_default().push(id as u32);
            *words.entry(word).or_default() += count;
        }
        bar.inc(1);
    }
    let alone = begin.elapsed();

    let mut differences = Vec::new();
    let mut done = objects.done.load()?;
    done.sort_unstable();
    if !done.iter().copied().eq(0..corpus.files.len() as u32) {
        differences.push(format!("{} files were noted as done, {} there are", done.len(), corpus.files.len()));
    }
    if !objects.tasks.read()?.is_empty() {
        differences.push("the queue is not empty".into());
    }
    compare_counts(&words, objects, &mut differences)?;
    compare_index(&index, objects, &mut differences)?;

    let mut by_count: Vec<(&String, &u64)> = words.iter().collect();
    by_count.sort_unstable_by_key(|(word, count)| (std::cmp::Reverse(**count), *word));
    let shared = objects.words.read()?;
    let of = |word: &String| (word.clone(), shared.get(word.as_str()).copied().unwrap_or(0));
    let frequent = by_count.into_iter().take(10).map(|(word, _)| of(word)).collect();
    Ok(Found { total: words.values().sum(), different: words.len(), frequent, alone, differences })
}

impl Found {
    /// Says what was found, and how fast both were.
    pub fn show(&self, time: Duration, workers: usize) {
        println!("The ten most frequent of {} words, {} in all:", self.different, self.total);
        self.frequent.iter().for_each(|(word, count)| println!("{count:>10}  {word}"));
        let rate = |time: Duration| self.total as f64 / time.as_secs_f64() / 1e6;
        println!("{workers} processes, crash-safe: {:.2} million words/s ({time:.1?})", rate(time));
        println!("1 process, std collections: {:.2} million words/s ({:.1?})", rate(self.alone), self.alone);
        if self.differences.is_empty() {
            println!("Every count and every posting is as one process finds it.");
        }
        self.differences.iter().take(20).for_each(|difference| println!("DIFFERENCE: {difference}"));
    }

    pub fn verdict(&self) -> Result<()> {
        match self.differences.len() {
            0 => Ok(()),
            count => Err(format!("{count} differences").into()),
        }
    }
}

fn compare_counts(words: &HashMap<String, u64>, objects: &Objects, differences: &mut Vec<String>) -> Result<()> {
    let shared = objects.words.read()?;
    if shared.len() != words.len() {
        differences.push(format!("{} different words are shared, {} there are", shared.len(), words.len()));
    }
    for (word, count) in words {
        if shared.get(word.as_str()) != Some(count) {
            differences.push(format!("\"{word}\" occurs {count} times, shared is {:?}", shared.get(word.as_str())));
        }
    }
    Ok(())
}

fn compare_index(index: &BTreeMap<String, Vec<u32>>, objects: &Objects, differences: &mut Vec<String>) -> Result<()> {
    let shared = objects.index.read()?;
    if !shared.keys().eq(index.keys().map(String::as_str)) {
        differences.push("the index has other words, or in another order".into());
    }
    for (word, files) in index {
        let mut found = shared.get(word.as_str()).map(|list| list.as_slice().to_vec()).unwrap_or_default();
        found.sort_unstable();
        if found != *files {
            differences.push(format!("\"{word}\" is in {} files, shared are {}", files.len(), found.len()));
        }
    }
    Ok(())
}

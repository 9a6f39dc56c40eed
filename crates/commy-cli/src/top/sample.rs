//! What is so in a segment at a moment, and what has been done since the one before.

use crate::demo::Result;
use commy::{Error, Held, Segment, Stats};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// The size of an object that is changed all the time is looked at only so often: that takes as long as it is large.
const SIZE_AGE: Duration = Duration::from_secs(5);

/// A process.
pub struct Process {
    pub pid: u32,
    pub alive: bool,
    pub heartbeat: Duration,
    pub threads: usize,
    /// Per second, since the sample before.
    pub transactions: f64,
    pub reads: f64,
    /// The objects whose locks its threads wait for.
    pub waits_for: Vec<String>,
}

/// An object.
pub struct Object {
    pub name: String,
    pub described: String,
    pub len: Option<u64>,
    /// `None` if somebody has had it locked ever since this view began.
    pub bytes: Option<u64>,
    /// Per second, since the sample before.
    pub changes: f64,
    version: u64,
    sized: (u64, Instant),
}

pub struct Sample {
    pub stats: Stats,
    pub processes: Vec<Process>,
    pub held: Vec<Held>,
    pub objects: Vec<Object>,
    when: Instant,
    /// Transactions and reads so far, by process and place.
    counts: HashMap<(u32, usize), (u64, u64)>,
}

pub struct Sampler {
    segment: Segment,
}

impl Sampler {
    pub fn new(segment: Segment) -> Sampler {
        Sampler { segment }
    }

    pub fn sample(&mut self, before: Option<&Sample>) -> Result<Sample> {
        let (segment, when) = (&self.segment, Instant::now());
        let seconds = before.map_or(f64::INFINITY, |before| (when - before.when).as_secs_f64());
        let mut processes: BTreeMap<u32, Process> = BTreeMap::new();
        for one in segment.participants() {
            let (pid, alive, heartbeat) = (one.pid, one.alive, one.heartbeat_age);
            let (threads, transactions, reads, waits_for) = (0, 0.0, 0.0, Vec::new());
            // One that has the segment open twice is shown once.
            processes.insert(pid, Process { pid, alive, heartbeat, threads, transactions, reads, waits_for });
        }
        let mut counts = HashMap::new();
        for thread in segment.threads()? {
            let now = (thread.transactions, thread.reads);
            let since =
                before.and_then(|before| before.counts.get(&(thread.pid, thread.place))).copied().unwrap_or(now);
            counts.insert((thread.pid, thread.place), now);
            if let Some(process) = processes.get_mut(&thread.pid) {
                process.threads += 1;
                process.transactions += now.0.saturating_sub(since.0) as f64 / seconds;
                process.reads += now.1.saturating_sub(since.1) as f64 / seconds;
                process.waits_for.extend(thread.waits_for);
            }
        }
        let mut objects = Vec::new();
        let names = match (segment.objects(), before) {
            // Somebody is busy with the list of objects: those of before are shown.
            (Err(Error::LockTimeout { .. }), Some(before)) => {
                before.objects.iter().map(|one| one.name.clone()).collect()
            }
            (names, _) => names?,
        };
        for name in names {
            let known = before.and_then(|before| before.objects.iter().find(|object| object.name == name));
            match object(segment, &name, known, seconds) {
                Err(Error::NotFound { .. } | Error::Removed { .. } | Error::LockTimeout { .. }) => {}
                object => objects.push(object?),
            }
        }
        objects.sort_by(|a, b| b.changes.total_cmp(&a.changes).then_with(|| a.name.cmp(&b.name)));
        let (stats, held) = (segment.stats()?, segment.held()?);
        Ok(Sample { stats, processes: processes.into_values().collect(), held, objects, when, counts })
    }
}

fn object(segment: &Segment, name: &str, known: Option<&Object>, seconds: f64) -> commy::Result<Object> {
    let when = Instant::now();
    let dynamic = segment.dynamic(name)?;
    let version = dynamic.version();
    let described = dynamic.type_of().name();
    let is_fresh = |known: &&Object| known.sized.0 == version || known.sized.1.elapsed() < SIZE_AGE;
    let fresh = known.filter(|known| known.bytes.is_some()).filter(is_fresh);
    let content = || {
        let len = dynamic.len("")?;
        Ok(match fresh {
            Some(known) => (len, known.bytes, known.sized),
            None => (len, Some(segment.object_size(name)?), (version, Instant::now())),
        })
    };
    let (len, bytes, sized) = match (content(), known) {
        // Somebody has it locked for longer: it is shown as it was.
        (Err(Error::LockTimeout { .. }), Some(known)) => (known.len, known.bytes, known.sized),
        (Err(Error::LockTimeout { .. }), None) => (None, None, (version, when)),
        (content, _) => content?,
    };
    let changes = known.map_or(0, |known| version.saturating_sub(known.version)) as f64 / seconds;
    Ok(Object { name: name.into(), described, len, bytes, changes, version, sized })
}

impl Sample {
    /// The waits of all processes: which waits for what.
    pub fn waits(&self) -> impl Iterator<Item = (u32, &str)> {
        self.processes.iter().flat_map(|one| one.waits_for.iter().map(|object| (one.pid, object.as_str())))
    }

    /// Who holds an object's lock.
    pub fn holders(&self, object: &str) -> Vec<u32> {
        let mut holders: Vec<u32> =
            self.held.iter().filter(|held| held.object == object).map(|held| held.pid).collect();
        holders.dedup();
        holders
    }

    pub fn json(&self) -> Json {
        let process = |one: &Process| {
            json!({ "pid": one.pid, "alive": one.alive, "heartbeat_age_ms": one.heartbeat.as_millis() as u64,
                "threads": one.threads, "transactions_per_second": one.transactions,
                "reads_per_second": one.reads, "waits_for": one.waits_for })
        };
        let object = |one: &Object| {
            json!({ "name": one.name, "type": one.described, "length": one.len, "bytes": one.bytes,
                "changes_per_second": one.changes })
        };
        json!({
            "size": self.stats.size, "limit": self.stats.limit, "allocated": self.stats.allocated,
            "processes": self.processes.iter().map(process).collect::<Vec<_>>(),
            "waits": self.waits()
                .map(|(pid, object)| json!({ "pid": pid, "object": object, "held_by": self.holders(object) }))
                .collect::<Vec<_>>(),
            "objects": self.objects.iter().map(object).collect::<Vec<_>>(),
        })
    }
}

//! Many at once: connections, and watchers of one object of which one does not read.
//!
//! `COMMY_CONNECTIONS=2000 COMMY_WATCHERS=1000` are the sizes that the server is meant for; without, it is less. `COMMY_WRITES`
//! and `COMMY_RING` are how many changes there are, and how many of them the object keeps.
// Counts descriptors and memory as Linux tells of them.
#![cfg(unix)]

mod common;

use common::{LONG, Place, Raw, size};
use commy_server::Limits;
use commy_wire::*;
use serde_json::json;
use std::collections::HashMap;

/// Lets this process have as many files open as it may at all.
fn many_files() {
    // SAFETY: both calls are given a place for limits, which is valid when zeroed.
    unsafe {
        let mut limits: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limits);
        limits.rlim_cur = limits.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limits);
    }
}

/// KiB of memory that this process has.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_served_at_once_and_told_when_the_server_stops() {
    many_files();
    let count = size("COMMY_CONNECTIONS", 200);
    let mut place = Place::with(Limits { connections: count + 10, ..Limits::default() }).await;
    let service = place.service("acme", "orders").await;
    let counter = service.create_object("stock", "HashMap<u32, u32>").await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(Raw::with_key(&place, &place.key).await);
    }
    assert!(place.server.as_ref().unwrap().connections() >= count as u64);
    // All ask before any is answered.
    for (number, raw) in all.iter_mut().enumerate() {
        let set = Set { object: "stock".into(), path: number.to_string(), value: json!(number), if_version: None };
        let request = Request { id: 2, service: Some("acme/orders".into()), call: Call::Set(set) };
        assert!(raw.send(encode(Encoding::Cbor, &request), true).await);
    }
    for raw in &mut all {
        assert!(matches!(raw.next().await, Some(Message::Reply { id: 2, .. })));
    }
    assert_eq!(counter.len("").await.unwrap(), Some(count as u64));
    drop(counter);
    let stopping = tokio::spawn(place.server.take().unwrap().stop(LONG));
    for raw in &mut all {
        use futures_util::StreamExt;
        use tokio_tungstenite::tungstenite::Message as Frame;
        match tokio::time::timeout(LONG, raw.0.next()).await.unwrap() {
            Some(Ok(Frame::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1001),
            other => panic!("{other:?}"),
        }
        // The answer to it goes out.
        let _ = tokio::time::timeout(LONG, raw.0.next()).await;
    }
    stopping.await.unwrap();
}

/// Watches of the connection that stalls: so many times as much would be sent to it, more than the buffers of the system hold,
/// and than what is allowed here to the server.
const OF_ONE: u64 = 256;

fn watch(id: u64) -> Request {
    let watch = Watch { object: "ring".into(), path: String::new(), since: None };
    Request { id, service: Some("acme/orders".into()), call: Call::Watch(watch) }
}

/// What a watcher has been told.
#[derive(Default)]
struct Told {
    version: u64,
    lagged: bool,
    /// It has seen the last change.
    over: bool,
}

impl Told {
    /// Takes an event, which must go on where the one before ended.
    fn hear(&mut self, event: Event) {
        self.lagged |= matches!(event, Event::Lagged { .. });
        match event {
            Event::Changes { changes, .. } => {
                for change in changes {
                    assert_eq!(change.version, self.version + 1, "a change is missing, and it was not told");
                    self.version = change.version;
                    self.over |= change.key == Some(json!("last"));
                }
            }
            Event::Value { version, value, .. } | Event::Lagged { version, value, .. } => {
                assert!(version >= self.version);
                self.version = version;
                self.over |= value.get("last").is_some();
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_does_not_read_holds_up_nobody_takes_no_memory_and_is_told_what_it_missed() {
    many_files();
    let count = size("COMMY_WATCHERS", 100);
    let writes = size("COMMY_WRITES", 600) as u64;
    // Fewer than are made, so that whoever stalls lags; and more than those have to catch up with who only have to wait for a
    // processor.
    let kept = size("COMMY_RING", 200) as u64;
    // Nobody is given up for not reading.
    let limits = Limits { connections: count + 10, idle: 3600, ..Limits::default() };
    let place = Place::with(limits).await;
    let service = place.service("acme", "orders").await;
    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "BTreeMap<String, u64>".into(),
        changes: Some(kept),
        ..ObjectCreate::default()
    };
    let ring = service.create_object_as(create).await.unwrap();
    let mut all = Vec::new();
    for _ in 1..count {
        let mut raw = Raw::with_key(&place, &place.key).await;
        assert!(matches!(raw.ask(&watch(5)).await, Some(Message::Reply { id: 5, .. })));
        all.push(raw);
    }
    let mut stalled = Raw::with_key(&place, &place.key).await;
    let mut told: HashMap<u64, Told> = HashMap::new();
    for id in 1..=OF_ONE {
        assert!(stalled.send(encode(Encoding::Json, &watch(id)), false).await);
    }
    while told.len() < OF_ONE as usize {
        match stalled.next().await.unwrap() {
            Message::Reply { id, result: Reply::Watching { .. } } => drop(told.insert(id, Told::default())),
            Message::Event { watch, event } => told.get_mut(&watch).unwrap().hear(event),
            other => panic!("{other:?}"),
        }
    }
    let begin = memory();
    let writer = tokio::spawn({
        let ring = ring.clone();
        async move {
            // Long keys, so that the stalled one's socket fills up.
            let key = "k".repeat(900);
            for number in 0..writes {
                ring.set(&format!("{key}{}", number % 7), &number).await.unwrap();
            }
            ring.set("last", &writes).await.unwrap()
        }
    });
    // Each sees the last change, having been told of every one or that it lagged.
    let readers: Vec<_> = all
        .into_iter()
        .map(|mut raw| {
            tokio::spawn(async move {
                let mut told = Told::default();
                while !told.over {
                    match raw.next().await.unwrap() {
                        Message::Event { event, .. } => told.hear(event),
                        other => panic!("{other:?}"),
                    }
                }
                told
            })
        })
        .collect();
    let start = std::time::Instant::now();
    let version = writer.await.unwrap();
    let written = start.elapsed();
    let mut others = 0usize;
    for reader in readers {
        let told = reader.await.unwrap();
        assert_eq!(told.version, version);
        others += usize::from(told.lagged);
    }
    let all_told = start.elapsed();
    // Server and clients are in this process: what each watcher takes is small, whatever was written.
    let grown = memory().saturating_sub(begin);
    assert!(grown < 64 * 1024 + count * 64, "{grown} KiB more than before");
    // The one that stalled reads on: it is told that it lagged, and has the last value in the end.
    while told.values().any(|told| !told.over) {
        let Some(Message::Event { watch, event }) = stalled.next().await else { panic!("it was given up") };
        told.get_mut(&watch).unwrap().hear(event);
    }
    let lagged = told.values().filter(|told| told.lagged).count();
    assert!(told.values().all(|told| told.version == version));
    assert!(lagged > 0, "the one that stalled was sent {writes} changes, and has missed none");
    println!(
        "{writes} writes took {written:.1?}, until all had been told {all_told:.1?}; {lagged} of the {OF_ONE} watches of the one \
         that stalled lagged, and {others} of the {} others; {grown} KiB more memory",
        count - 1
    );
}

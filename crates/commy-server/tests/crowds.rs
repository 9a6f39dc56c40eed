//! Many at once: connections, and watchers of one object of which one does not read.
//!
//! `COMMY_CONNECTIONS=2000 COMMY_WATCHERS=1000` are the sizes that the server is meant for; without, it is less.
// Counts descriptors and memory as Linux tells of them.
#![cfg(unix)]

mod common;

use common::{LONG, Place, Raw, size};
use commy_server::Limits;
use commy_wire::*;
use serde_json::json;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_does_not_read_holds_up_nobody_and_takes_no_memory() {
    many_files();
    let count = size("COMMY_WATCHERS", 100);
    let writes = size("COMMY_WRITES", 600) as u64;
    let place = Place::with(Limits { connections: count + 10, ..Limits::default() }).await;
    let service = place.service("acme", "orders").await;
    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "BTreeMap<String, u64>".into(),
        // It holds fewer than are made: whoever stalls lags.
        changes: Some(50),
        ..ObjectCreate::default()
    };
    let ring = service.create_object_as(create).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..count {
        let mut raw = Raw::with_key(&place, &place.key).await;
        let watch = Watch { object: "ring".into(), path: String::new(), since: None };
        let request = Request { id: 5, service: Some("acme/orders".into()), call: Call::Watch(watch) };
        assert!(matches!(raw.ask(&request).await, Some(Message::Reply { id: 5, .. })));
        all.push(raw);
    }
    let mut stalled = all.pop().unwrap();
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
                let mut last = 0;
                loop {
                    match raw.next().await.unwrap() {
                        Message::Event { event: Event::Changes { changes, .. }, .. } => {
                            for change in changes {
                                assert_eq!(change.version, last + 1, "a change is missing, and it was not told");
                                last = change.version;
                                if change.key == Some(json!("last")) {
                                    return last;
                                }
                            }
                        }
                        Message::Event { event: Event::Value { version, value, .. }, .. }
                        | Message::Event { event: Event::Lagged { version, value, .. }, .. } => {
                            assert!(version >= last);
                            last = version;
                            if value.get("last").is_some() {
                                return last;
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    let version = tokio::time::timeout(LONG * 5, writer).await.unwrap().unwrap();
    for reader in readers {
        assert_eq!(tokio::time::timeout(LONG, reader).await.unwrap().unwrap(), version);
    }
    // Server and clients are in this process: what each watcher takes is small, whatever was written.
    let grown = memory().saturating_sub(begin);
    assert!(grown < 64 * 1024 + count * 64, "{grown} KiB more than before");
    // The one that stalled reads on: it is told that it lagged, and has the last value in the end.
    let mut lagged = 0;
    loop {
        match stalled.next().await.unwrap() {
            Message::Event { event: Event::Lagged { value, .. }, .. } => {
                lagged += 1;
                if value.get("last").is_some() {
                    break;
                }
            }
            Message::Event { event: Event::Changes { changes, .. }, .. }
                if changes.iter().any(|change| change.key == Some(json!("last"))) =>
            {
                break;
            }
            _ => {}
        }
    }
    println!("the one that stalled lagged {lagged} times; {grown} KiB more memory");
}

//! What the server has done, for Prometheus.

use commy_wire::{Call, Code};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Counters since the start.
#[derive(Debug)]
pub struct Metrics {
    requests: Vec<AtomicU64>,
    failures: Mutex<BTreeMap<String, u64>>,
    pub connections: AtomicU64,
    pub accepted: AtomicU64,
    pub watches: AtomicU64,
    pub events: AtomicU64,
    pub lagged: AtomicU64,
    pub looks: AtomicU64,
    pub handed_over: AtomicU64,
}

impl Metrics {
    pub fn new() -> Metrics {
        Metrics {
            requests: Call::KINDS.iter().map(|_| AtomicU64::new(0)).collect(),
            failures: Mutex::default(),
            connections: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            watches: AtomicU64::new(0),
            events: AtomicU64::new(0),
            lagged: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            handed_over: AtomicU64::new(0),
        }
    }

    /// One more request, of the kind at this place in [`Call::KINDS`].
    pub fn request(&self, kind: usize) {
        self.requests[kind].fetch_add(1, Relaxed);
    }

    /// One more request that failed.
    pub fn failure(&self, code: Code) {
        let name =
            serde_json::to_value(code).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default();
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    /// In Prometheus' text format.
    pub fn text(&self, services: usize) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
            let _ = writeln!(text, "# HELP commy_{name} {help}\n# TYPE commy_{name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "commy_{name}{labels} {value}");
            }
        };
        let plain = |value: &AtomicU64| vec![(String::new(), value.load(Relaxed))];
        let requests = Call::KINDS.iter().zip(&self.requests);
        let requests: Vec<_> =
            requests.map(|(kind, count)| (format!("{{kind=\"{kind}\"}}"), count.load(Relaxed))).collect();
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures: Vec<_> = failures.iter().map(|(code, count)| (format!("{{code=\"{code}\"}}"), *count)).collect();
        one("requests_total", "counter", "Requests by kind.", &requests);
        one("failures_total", "counter", "Requests that failed, by code.", &failures);
        one("connections", "gauge", "Connections that are open.", &plain(&self.connections));
        one("connections_total", "counter", "Connections that were accepted.", &plain(&self.accepted));
        one("watches", "gauge", "Watches that are open.", &plain(&self.watches));
        one("events_total", "counter", "Events sent to watchers.", &plain(&self.events));
        one("lagged_total", "counter", "Watchers that were too slow and got the value anew.", &plain(&self.lagged));
        one("looks_total", "counter", "Looks for changes by programs that have mapped segments.", &plain(&self.looks));
        one("handed_over_total", "counter", "Segments handed over.", &plain(&self.handed_over));
        one("services_open", "gauge", "Services whose segment is open.", &[(String::new(), services as u64)]);
        text
    }
}

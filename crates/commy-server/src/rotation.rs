//! Who may not have a segment any more that it has mapped: the service moves to another.
//!
//! Who was given a segment is in the catalog, so that a server that starts knows what one before has handed over. With each
//! change of what is granted all of them are looked at.

use crate::catalog::{Audited, By, Holder};
use crate::server::Shared;
use commy_wire::Code;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Processes that are remembered before those that have ended are forgotten.
const MANY: usize = 1024;
/// How long until a move that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The processes that segments were handed to, as far as this server did it.
#[derive(Default)]
pub struct Processes(Mutex<HashMap<(u64, u64), Holder>>);

impl Processes {
    /// Notes one.
    pub fn add(&self, pid: u64, holder: Holder) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.retain(|(_, pid), _| Path::new("/proc").join(pid.to_string()).exists());
        }
        all.insert((holder.service, pid), holder);
    }

    /// Forgets, and gives, those of a service that have what these were given.
    fn take(&self, service: u64, revoked: &[(Holder, i64)]) -> HashSet<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_revoked = |holder: &Holder| revoked.iter().any(|(one, _)| one == holder);
        let is_one = |at: &(u64, u64), holder: &Holder| at.0 == service && is_revoked(holder);
        all.extract_if(|at, holder| is_one(at, holder)).map(|((_, pid), _)| pid).collect()
    }
}

/// Moves services away from who may not have them any more, until the server ends.
pub async fn serve(shared: Arc<Shared>) {
    let mut news = shared.catalog.news();
    loop {
        let all_moved = look(&shared).await;
        let next = async { if all_moved { std::future::pending().await } else { tokio::time::sleep(AGAIN).await } };
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = next => {}
        }
    }
}

/// Looks at all who were given a segment. Tells whether all who may not have it have been left behind.
async fn look(shared: &Arc<Shared>) -> bool {
    // What could not be read is read again.
    let Ok(holders) = shared.catalog.holders().await else { return false };
    // After that, so that nobody is judged by what was granted before it was given the segment.
    let policy = shared.catalog.policy();
    let mut revoked: HashMap<u64, Vec<(Holder, i64)>> = HashMap::new();
    for (holder, given) in holders.into_iter().filter(|(holder, _)| !holder.may_have_it(&policy)) {
        revoked.entry(holder.service).or_default().push((holder, given));
    }
    let mut all_moved = true;
    for (service, holders) in revoked {
        // A catalog that cannot be read after a change allows nothing; that is no reason to move.
        let Some(row) = policy.service_by_id(service).cloned() else { continue };
        let processes = shared.processes.take(service, &holders);
        let (moving, tenant, name) = (shared.clone(), row.tenant, row.name.clone());
        let moved = tokio::task::spawn_blocking(move || moving.services.rotate(&row, |pid| !processes.contains(&pid)));
        match moved.await {
            Ok(Ok(())) => {
                for holder in &holders {
                    let by = By { principal: Some(holder.0.principal), action: "rotate" };
                    let detail = format!("number {service}, away from what the principal has mapped");
                    let audited = Audited { tenant: Some(tenant), subject: name.clone(), detail };
                    all_moved &= shared.catalog.remove_holder(&by, &audited, holder).await.is_ok();
                }
                tracing::info!(service, "moved to another segment, away from who may not have it any more");
            }
            // It is closed, and nobody has it any more.
            Ok(Err(failure)) if failure.code == Code::Corrupt => {}
            failed => {
                all_moved = false;
                tracing::error!(?failed, service, "could not be moved away from who may not have it any more");
            }
        }
    }
    all_moved
}

//! The audit: what was changed and handed out, and what was denied.
//!
//! Changes write their row in their own transaction. Denials change nothing, and whoever provokes them must neither slow
//! the server down nor fill its disk: they go through a queue that is written in batches; what it has no room for is
//! counted, and the count is a row.

use super::{By, Catalog, unavailable};
use crate::clock::Clock;
use crate::failure::Result;
use commy_wire::{AuditEntry, AuditList};
use sqlx::{Row, SqliteExecutor};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Denials that may wait to be written.
const WAITING: usize = 1024;
/// Rows of denials that are written a second, at most.
const A_SECOND: usize = 100;
/// Rows that are told at once, at most.
const MOST_ROWS: u32 = 1000;

/// What a row of the audit tells besides who did what.
#[derive(Clone, Debug, Default)]
pub struct Audited {
    /// The tenant that it is about.
    pub tenant: Option<u64>,
    /// What it is about.
    pub subject: String,
    /// More about it.
    pub detail: String,
}

pub(super) async fn write(
    to: impl SqliteExecutor<'_>,
    clock: &Clock,
    by: &By,
    audited: &Audited,
    allowed: bool,
) -> std::result::Result<(), sqlx::Error> {
    let at = clock.since_epoch().as_millis() as i64;
    let row = sqlx::query(
        "INSERT INTO audit (id, at, principal, tenant, action, subject, allowed, detail) \
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM audit",
    );
    let row = row.bind(at).bind(by.principal.map(|id| id as i64)).bind(audited.tenant.map(|id| id as i64));
    row.bind(by.action).bind(&audited.subject).bind(i64::from(allowed)).bind(&audited.detail).execute(to).await?;
    Ok(())
}

impl Catalog {
    /// What was done and denied, the newest first.
    pub async fn audit(&self, tenant: Option<u64>, asked: &AuditList) -> Result<Vec<AuditEntry>> {
        let before = asked.before.map_or(i64::MAX, |id| i64::try_from(id).unwrap_or(i64::MAX));
        let limit = asked.limit.unwrap_or(100).min(MOST_ROWS);
        let rows = sqlx::query(
            "SELECT id, at, principal, action, subject, allowed, detail FROM audit \
             WHERE id < $1 AND (tenant = $2 OR $2 IS NULL) ORDER BY id DESC LIMIT $3",
        );
        let rows = rows.bind(before).bind(tenant.map(|id| id as i64)).bind(i64::from(limit));
        let rows = rows.fetch_all(&self.pool).await.map_err(unavailable)?;
        let entry = |row: &sqlx::sqlite::SqliteRow| {
            Ok::<_, sqlx::Error>(AuditEntry {
                id: row.try_get::<i64, _>(0)? as u64,
                at: row.try_get::<i64, _>(1)? as u64,
                principal: row.try_get::<Option<i64>, _>(2)?.map(|id| id as u64),
                action: row.try_get(3)?,
                subject: row.try_get(4)?,
                allowed: row.try_get::<i64, _>(5)? != 0,
                detail: row.try_get(6)?,
            })
        };
        rows.iter().map(entry).collect::<std::result::Result<_, _>>().map_err(unavailable)
    }
}

/// Where denials go.
#[derive(Clone)]
pub struct Denials {
    queue: mpsc::Sender<(By, Audited)>,
    lost: Arc<AtomicU64>,
}

impl Denials {
    /// Begins to write denials into the catalog, until all clones of this are gone.
    pub fn to(catalog: Arc<Catalog>) -> (Denials, tokio::task::JoinHandle<()>) {
        let (queue, mut waiting) = mpsc::channel::<(By, Audited)>(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let denials = Denials { queue, lost: lost.clone() };
        let writer = tokio::spawn(async move {
            let mut batch = Vec::new();
            while waiting.recv_many(&mut batch, A_SECOND).await > 0 {
                for (by, audited) in batch.drain(..) {
                    if let Err(error) = write(&catalog.pool, &catalog.clock, &by, &audited, false).await {
                        tracing::error!(%error, ?by, ?audited, "a denial could not be written");
                    }
                }
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let by = By { principal: None, action: "denials" };
                    let audited =
                        Audited { subject: lost.to_string(), detail: "more than were written".into(), tenant: None };
                    let _ = write(&catalog.pool, &catalog.clock, &by, &audited, false).await;
                }
                if !waiting.is_empty() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
        (denials, writer)
    }

    /// Notes a denial.
    pub fn note(&self, principal: Option<u64>, action: &'static str, audited: Audited) {
        if self.queue.try_send((By { principal, action }, audited)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

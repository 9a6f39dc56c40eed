//! The catalog: what there is, who there is, and what was granted, in SQLite.
//!
//! ```text
//! mutation --transaction: the change and its audit row--> SQLite, WAL, synchronous FULL
//!          --then-----------------------------------------> all of it is read into a new Policy, the epoch moves on
//! decision --epoch unchanged: what the connection knows; changed: the new Policy
//! ```
//!
//! What is asked all the time is answered from the [`Policy`]; SQLite sees changes and the audit only. A second server on
//! the same catalog is refused by a lock, since it would not learn of our changes.

mod audit;
mod grants;
mod keys;
#[cfg(unix)]
mod mappings;
mod objects;
mod people;
mod tenants;

pub use audit::{Audited, Denials};
#[cfg(unix)]
pub(crate) use keys::random_hex;
pub use keys::{hash_of, split_key};
#[cfg(unix)]
pub use mappings::Holder;
pub(crate) use tenants::mode_of;

use crate::clock::Clock;
use crate::failure::{Result, fail};
use crate::policy::Policy;
use commy_wire::Code;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, MutexGuard, watch};

/// The changes of the schema, in order; the number of a version is its place, from 1 on.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1.sql"),
    include_str!("../../migrations/2.sql"),
    include_str!("../../migrations/3.sql"),
    include_str!("../../migrations/4.sql"),
];

/// The catalog, opened.
pub struct Catalog {
    pool: SqlitePool,
    /// What times are told by.
    pub clock: Clock,
    policy: RwLock<Arc<Policy>>,
    epoch: AtomicU64,
    news: watch::Sender<u64>,
    /// One change at a time, so that policies follow each other as the changes did.
    changing: Mutex<()>,
}

/// Who asks for a change, and for what, as the audit has it.
#[derive(Clone, Debug)]
pub struct By {
    /// The principal; none: the server itself.
    pub principal: Option<u64>,
    /// The kind of request.
    pub action: &'static str,
}

type Tx = Transaction<'static, Sqlite>;

/// What SQLite says, for clients nothing but that it does not work.
pub(crate) fn unavailable(error: sqlx::Error) -> commy_wire::Failure {
    tracing::error!(%error, "the catalog");
    fail(Code::Unavailable, "the catalog cannot be reached")
}

/// A number that nothing has, below 2^53, so that every reader of JSON can have it.
pub(crate) fn new_id() -> Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| fail(Code::Internal, format!("no random numbers: {error}")))?;
    Ok((u64::from_le_bytes(bytes) >> 11).max(1))
}

impl Catalog {
    /// Opens the catalog, or makes it, and brings its schema to this version's.
    ///
    /// # Errors
    /// What SQLite says; that another server has it; that a later version has made it.
    pub async fn open(path: &Path, clock: Clock) -> std::result::Result<Catalog, String> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(std::time::Duration::from_secs(5));
        let said = |error: sqlx::Error| format!("the catalog {} cannot be opened: {error}", path.display());
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(said)?;
        migrate(&pool).await.map_err(|error| format!("the catalog {}: {error}", path.display()))?;
        let policy = Policy::load(&pool, 1).await.map_err(said)?;
        Ok(Catalog {
            pool,
            clock,
            policy: RwLock::new(Arc::new(policy)),
            epoch: AtomicU64::new(1),
            news: watch::Sender::new(1),
            changing: Mutex::new(()),
        })
    }

    /// What is granted now.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves on with every change of the policy.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Tells when the epoch moves on.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Whether the catalog can be read at this moment.
    pub async fn is_well(&self) -> bool {
        sqlx::query("SELECT COUNT(*) FROM tenant").execute(&self.pool).await.is_ok()
    }

    /// Closes it; what was changed is on the disk in any case.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a change; dropped without a commit, it changes nothing.
    async fn begin(&self) -> Result<Change<'_>> {
        let alone = self.changing.lock().await;
        Ok(Change { catalog: self, tx: self.pool.begin().await.map_err(unavailable)?, _alone: alone })
    }
}

/// A change in the making.
struct Change<'c> {
    catalog: &'c Catalog,
    tx: Tx,
    _alone: MutexGuard<'c, ()>,
}

impl Change<'_> {
    /// Writes the audit row and commits, both or none; then everybody goes by the new policy.
    async fn commit(mut self, by: &By, audited: Audited) -> Result<()> {
        audit::write(&mut *self.tx, &self.catalog.clock, by, &audited, true).await.map_err(unavailable)?;
        self.tx.commit().await.map_err(unavailable)?;
        let catalog = self.catalog;
        let epoch = catalog.epoch.load(Ordering::Relaxed) + 1;
        let policy = Policy::load(&catalog.pool, epoch).await.unwrap_or_else(|error| {
            // It is not known what is granted now: so nothing is.
            tracing::error!(%error, "the catalog cannot be read after a change; nothing is allowed any more");
            Policy::nothing(epoch)
        });
        *catalog.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        catalog.epoch.store(epoch, Ordering::Release);
        catalog.news.send_replace(epoch);
        Ok(())
    }
}

async fn migrate(pool: &SqlitePool) -> std::result::Result<(), String> {
    let said = |error: sqlx::Error| error.to_string();
    let mut tx = pool.begin().await.map_err(said)?;
    let made = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";
    sqlx::query(made).execute(&mut *tx).await.map_err(said)?;
    let found: Option<i64> =
        sqlx::query_scalar("SELECT MAX(version) FROM schema_version").fetch_one(&mut *tx).await.map_err(said)?;
    let found = found.unwrap_or(0);
    if found > MIGRATIONS.len() as i64 {
        return Err(format!("it has version {found}, made by a later commy; this one knows {}", MIGRATIONS.len()));
    }
    for (version, text) in (1..).zip(MIGRATIONS).skip(found as usize) {
        sqlx::raw_sql(text).execute(&mut *tx).await.map_err(said)?;
        let note = sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version as i64);
        note.execute(&mut *tx).await.map_err(said)?;
    }
    tx.commit().await.map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_nothing_that_only_sqlite_understands() {
        // What there is besides is what was tried with PostgreSQL.
        let own =
            ["AUTOINCREMENT", "INTEGER", "BLOB", "PRAGMA", "WITHOUT ROWID", "STRICT", "OR REPLACE", "DATETIME", "`"];
        for (migration, text) in (1..).zip(MIGRATIONS) {
            let said: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
            let said = said.join("\n").to_uppercase();
            for word in own {
                assert!(!said.contains(word), "migration {migration}: {word}");
            }
        }
    }

    #[tokio::test]
    async fn a_catalog_of_the_first_version_is_brought_to_this_one_with_all_that_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let old = "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (1);";
        let rows = "INSERT INTO tenant VALUES (1, 'acme'); INSERT INTO service VALUES (2, 1, 'orders', 'served', 65536); \
                    INSERT INTO principal VALUES (3, 1, 'ada', 'key', NULL); \
                    INSERT INTO permission_grant VALUES (4, 3, NULL, 1, 2, 2);";
        for text in [MIGRATIONS[0], old, rows] {
            sqlx::raw_sql(text).execute(&pool).await.unwrap();
        }
        pool.close().await;
        let catalog = Catalog::open(&path, Clock::default()).await.unwrap();
        let policy = catalog.policy();
        let row = policy.service(1, "orders").unwrap();
        assert!(policy.permissions(3, row.node()).has(commy_wire::Permission::ServiceRead));
        assert!(!policy.has_objects(row));
    }
}

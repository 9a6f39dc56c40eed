//! Who was given a segment. It is noted before it is given, and forgotten when the service has moved to another.

use super::{Audited, By, Catalog, audit, unavailable};
use crate::failure::Result;
use crate::policy::Policy;
use commy_wire::{Permission, Permissions};
use sqlx::Row;

/// Somebody who was given a segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The service.
    pub service: u64,
    /// The principal.
    pub principal: u64,
    /// The key by which it asked, if it was one.
    pub key: Option<String>,
    /// Whether it can write.
    pub writes: bool,
}

impl Holder {
    /// Whether it may still have it. A key that has expired was good when it asked, and is not revoked.
    pub fn may_have_it(&self, policy: &Policy) -> bool {
        let Some(row) = policy.service_by_id(self.service) else { return false };
        let known = |key: &String| policy.keys.get(key).is_some_and(|known| known.principal == self.principal);
        let mut needed: Permissions = [Permission::ServiceRead].into_iter().collect();
        if self.writes {
            needed |= [Permission::ServiceWrite].into_iter().collect();
        }
        let found = policy.permissions(self.principal, row.node());
        policy.principals.contains_key(&self.principal)
            && self.key.as_ref().is_none_or(known)
            && found.bits() & needed.bits() == needed.bits()
    }
}

impl Catalog {
    /// Notes that somebody is given a segment, with the audit's row.
    pub async fn add_holder(&self, by: &By, audited: &Audited, holder: &Holder) -> Result<()> {
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        let note =
            "INSERT INTO mapping (service, principal, api_key, writes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let note = sqlx::query(note).bind(holder.service as i64).bind(holder.principal as i64);
        let note = note.bind(holder.key.as_deref().unwrap_or_default()).bind(i64::from(holder.writes));
        note.execute(&mut *tx).await.map_err(unavailable)?;
        audit::write(&mut *tx, &self.clock, by, audited, true).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)
    }

    /// All who were given a segment that is in use still.
    pub async fn holders(&self) -> Result<Vec<Holder>> {
        let rows = sqlx::query("SELECT service, principal, api_key, writes FROM mapping");
        let rows = rows.fetch_all(&self.pool).await.map_err(unavailable)?;
        let holder = |row: &sqlx::sqlite::SqliteRow| {
            let key: String = row.try_get(2)?;
            Ok::<_, sqlx::Error>(Holder {
                service: row.try_get::<i64, _>(0)? as u64,
                principal: row.try_get::<i64, _>(1)? as u64,
                key: (!key.is_empty()).then_some(key),
                writes: row.try_get::<i64, _>(3)? != 0,
            })
        };
        rows.iter().map(holder).collect::<std::result::Result<_, _>>().map_err(unavailable)
    }

    /// Forgets somebody, since the service has moved away from the segment that it has; the audit tells.
    pub async fn remove_holder(&self, by: &By, audited: &Audited, holder: &Holder) -> Result<()> {
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        let away = "DELETE FROM mapping WHERE service = $1 AND principal = $2 AND api_key = $3 AND writes = $4";
        let away = sqlx::query(away).bind(holder.service as i64).bind(holder.principal as i64);
        let away = away.bind(holder.key.as_deref().unwrap_or_default()).bind(i64::from(holder.writes));
        away.execute(&mut *tx).await.map_err(unavailable)?;
        audit::write(&mut *tx, &self.clock, by, audited, true).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)
    }
}

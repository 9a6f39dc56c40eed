//! Who was given a segment. It is noted before it is given, and forgotten when the service has moved to another.

use super::{Audited, By, Catalog, audit, new_id, unavailable};
use crate::failure::Result;
use crate::policy::Policy;
use commy_wire::{Permission, Permissions};
use sqlx::{Row, SqliteConnection};

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

/// Notes that somebody is given a segment, under a number that tells this time from all others.
async fn note(connection: &mut SqliteConnection, holder: &Holder) -> Result<()> {
    let text = "INSERT INTO mapping (service, principal, api_key, writes, given) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (service, principal, api_key, writes) DO UPDATE SET given = excluded.given";
    let query = sqlx::query(text).bind(holder.service as i64).bind(holder.principal as i64);
    let query = query.bind(holder.key.as_deref().unwrap_or_default()).bind(i64::from(holder.writes));
    query.bind(new_id()? as i64).execute(connection).await.map_err(unavailable)?;
    Ok(())
}

impl Catalog {
    /// Notes that somebody will be given a segment, with the audit's row.
    pub async fn add_holder(&self, by: &By, audited: &Audited, holder: &Holder) -> Result<()> {
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        note(&mut tx, holder).await?;
        audit::write(&mut *tx, &self.clock, by, audited, true).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)
    }

    /// Notes that somebody of whom that was noted is given it now: the service may have moved away from that one since.
    pub async fn note_holder(&self, holder: &Holder) -> Result<()> {
        let mut connection = self.pool.acquire().await.map_err(unavailable)?;
        note(&mut connection, holder).await
    }

    /// All who were given a segment that is in use still, each with the number of the last time.
    pub async fn holders(&self) -> Result<Vec<(Holder, i64)>> {
        let rows = sqlx::query("SELECT service, principal, api_key, writes, given FROM mapping");
        let rows = rows.fetch_all(&self.pool).await.map_err(unavailable)?;
        let holder = |row: &sqlx::sqlite::SqliteRow| {
            let key: String = row.try_get(2)?;
            let holder = Holder {
                service: row.try_get::<i64, _>(0)? as u64,
                principal: row.try_get::<i64, _>(1)? as u64,
                key: (!key.is_empty()).then_some(key),
                writes: row.try_get::<i64, _>(3)? != 0,
            };
            Ok::<_, sqlx::Error>((holder, row.try_get(4)?))
        };
        rows.iter().map(holder).collect::<std::result::Result<_, _>>().map_err(unavailable)
    }

    /// Forgets somebody, since the service has moved away from the segment that it was given that time; the audit tells.
    /// Who was given one again meanwhile stays.
    pub async fn remove_holder(&self, by: &By, audited: &Audited, (holder, given): &(Holder, i64)) -> Result<()> {
        let mut tx = self.pool.begin().await.map_err(unavailable)?;
        let away = "DELETE FROM mapping WHERE service = $1 AND principal = $2 AND api_key = $3 AND writes = $4 \
                    AND given = $5";
        let away = sqlx::query(away).bind(holder.service as i64).bind(holder.principal as i64);
        let away = away.bind(holder.key.as_deref().unwrap_or_default()).bind(i64::from(holder.writes)).bind(*given);
        away.execute(&mut *tx).await.map_err(unavailable)?;
        audit::write(&mut *tx, &self.clock, by, audited, true).await.map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use commy_wire::{Mode, PrincipalKind};

    #[tokio::test]
    async fn who_is_given_a_segment_while_the_service_moves_away_from_the_one_before_is_not_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&dir.path().join("catalog.db"), Clock::default()).await.unwrap();
        let by = By { principal: None, action: "test" };
        let tenant = catalog.create_tenant(&by, "acme").await.unwrap();
        let service = catalog.create_service(&by, tenant, "near", Mode::Shared, 1 << 20).await.unwrap();
        let principal = catalog.create_principal(&by, None, "ada", &PrincipalKind::Key).await.unwrap();
        let holder = Holder { service, principal, key: None, writes: true };
        let audited = || Audited { tenant: Some(tenant), subject: "near".into(), detail: String::new() };
        catalog.add_holder(&by, &audited(), &holder).await.unwrap();
        let before = catalog.holders().await.unwrap();
        assert_eq!(before.len(), 1);
        catalog.note_holder(&holder).await.unwrap();
        catalog.remove_holder(&by, &audited(), &before[0]).await.unwrap();
        let now = catalog.holders().await.unwrap();
        assert_eq!(now.iter().map(|(holder, _)| holder).collect::<Vec<_>>(), [&holder]);
        catalog.remove_holder(&by, &audited(), &now[0]).await.unwrap();
        assert!(catalog.holders().await.unwrap().is_empty());
    }
}

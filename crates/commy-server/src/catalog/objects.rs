//! Objects at which something was granted.
//!
//! An object is in its segment, and the catalog knows it only while there are grants for it: then it has a number. No grant
//! stays for an object that is gone, to be had by another of its name:
//!
//! ```text
//! grant    begin, is the object there?, rows, commit      nobody else changes the catalog meanwhile
//! remove   begin, rows away, the object away, commit      if the object stays, so do its rows
//! create   rows of that name away, if there is no object  a server was killed before the commit of a removal
//! ```

use super::{Audited, By, Catalog, Tx, new_id, unavailable};
use crate::failure::Result;
use crate::policy::{Node, ServiceRow};
use commy_wire::{Permissions, Subject};

impl Catalog {
    /// As [`change_grant`](Catalog::change_grant) at an object of a service, if it `is_there`.
    pub async fn change_grant_at_object(
        &self,
        by: &By,
        subject: Subject,
        (row, name): (&ServiceRow, &str),
        is_there: impl FnOnce() -> Result<()>,
        next: impl FnOnce(Permissions) -> Permissions,
    ) -> Result<Permissions> {
        let mut change = self.begin().await?;
        is_there()?;
        let known = sqlx::query_scalar::<_, i64>("SELECT id FROM object WHERE service = $1 AND name = $2");
        let known = known.bind(row.id as i64).bind(name).fetch_optional(&mut *change.tx).await.map_err(unavailable)?;
        let id = match known {
            Some(id) => id as u64,
            None => {
                let id = new_id()?;
                let made = "INSERT INTO object (id, service, name) VALUES ($1, $2, $3)";
                let made = sqlx::query(made).bind(id as i64).bind(row.id as i64).bind(name);
                made.execute(&mut *change.tx).await.map_err(unavailable)?;
                id
            }
        };
        change.grant(by, subject, Node::Object(row.tenant, row.id, id), next).await
    }

    /// Has an object removed, with what was granted at it: both, or neither.
    pub async fn remove_object(
        &self,
        by: &By,
        (row, name): (&ServiceRow, &str),
        remove: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let mut change = self.begin().await?;
        let known = forget(&mut change.tx, row, name).await?;
        remove.await?;
        if known { change.commit(by, forgotten(row, name)).await } else { Ok(()) }
    }

    /// Takes away what was granted at an object, unless it `is_there`.
    pub async fn forget_object(
        &self,
        by: &By,
        (row, name): (&ServiceRow, &str),
        is_there: impl FnOnce() -> bool,
    ) -> Result<()> {
        let mut change = self.begin().await?;
        if !is_there() && forget(&mut change.tx, row, name).await? {
            change.commit(by, forgotten(row, name)).await?;
        }
        Ok(())
    }
}

async fn forget(tx: &mut Tx, row: &ServiceRow, name: &str) -> Result<bool> {
    let gone = sqlx::query("DELETE FROM object WHERE service = $1 AND name = $2").bind(row.id as i64).bind(name);
    let gone = gone.execute(&mut **tx).await.map_err(unavailable)?;
    Ok(gone.rows_affected() > 0)
}

fn forgotten(row: &ServiceRow, name: &str) -> Audited {
    let detail = format!("object {name}, and what was granted at it");
    Audited { tenant: Some(row.tenant), subject: row.name.clone(), detail }
}

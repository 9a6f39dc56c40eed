//! Grants: what a subject may do at a node of the tree, and below it.

use super::{Audited, By, Catalog, Change, new_id, unavailable};
use crate::failure::Result;
use crate::policy::Node;
use commy_wire::{Permissions, Subject};

fn parts(subject: Subject) -> (Option<i64>, Option<i64>) {
    match subject {
        Subject::Principal(id) => (Some(id as i64), None),
        Subject::Group(id) => (None, Some(id as i64)),
    }
}

const SAME: &str = "COALESCE(principal, 0) = COALESCE($1, 0) AND COALESCE(principal_group, 0) = COALESCE($2, 0) \
                    AND COALESCE(tenant, 0) = COALESCE($3, 0) AND COALESCE(service, 0) = COALESCE($4, 0) \
                    AND COALESCE(object, 0) = COALESCE($5, 0)";

impl Catalog {
    /// Makes what a subject is granted at a node what `next` makes of it; gives that.
    pub async fn change_grant(
        &self,
        by: &By,
        subject: Subject,
        node: Node,
        next: impl FnOnce(Permissions) -> Permissions,
    ) -> Result<Permissions> {
        self.begin().await?.grant(by, subject, node, next).await
    }
}

impl Change<'_> {
    /// Makes what a subject is granted at a node what `next` makes of it, and commits; gives that.
    pub(super) async fn grant(
        mut self,
        by: &By,
        subject: Subject,
        node: Node,
        next: impl FnOnce(Permissions) -> Permissions,
    ) -> Result<Permissions> {
        let (principal, group) = parts(subject);
        let number = |id: Option<u64>| id.map(|id| id as i64);
        let (tenant, service, object) = (number(node.tenant()), number(node.service()), number(node.object()));
        let found = format!("SELECT permissions FROM permission_grant WHERE {SAME}");
        let found = sqlx::query_scalar::<_, i64>(&found).bind(principal).bind(group).bind(tenant).bind(service);
        let found = found.bind(object).fetch_all(&mut *self.tx).await.map_err(unavailable)?;
        let before = found.into_iter().fold(0, |all, bits| all | bits as u32);
        let now = next(Permissions::from_bits(before));
        let gone = format!("DELETE FROM permission_grant WHERE {SAME}");
        let gone = sqlx::query(&gone).bind(principal).bind(group).bind(tenant).bind(service).bind(object);
        gone.execute(&mut *self.tx).await.map_err(unavailable)?;
        if !now.is_empty() {
            let row = "INSERT INTO permission_grant \
                       (id, principal, principal_group, tenant, service, object, permissions) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let row = sqlx::query(row).bind(new_id()? as i64).bind(principal).bind(group).bind(tenant);
            let row = row.bind(service).bind(object).bind(i64::from(now.bits()));
            row.execute(&mut *self.tx).await.map_err(unavailable)?;
        }
        let (subject, detail) = (format!("{subject:?} at {node}"), format!("now: {now}"));
        self.commit(by, Audited { tenant: node.tenant(), subject, detail }).await?;
        Ok(now)
    }
}

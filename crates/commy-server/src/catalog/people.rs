//! Principals, and groups of them.

use super::tenants::{check_name, delete, exists};
use super::{Audited, By, Catalog, new_id, unavailable};
use crate::failure::{Result, fail};
use commy_wire::{Code, PrincipalKind};

impl Catalog {
    /// Makes a principal; gives its number.
    pub async fn create_principal(
        &self,
        by: &By,
        tenant: Option<u64>,
        name: &str,
        kind: &PrincipalKind,
    ) -> Result<u64> {
        if name.is_empty() || name.len() > 200 {
            return Err(fail(Code::BadRequest, "a principal's name has from 1 to 200 bytes"));
        }
        let (kind, outside) = match kind {
            PrincipalKind::Key => ("key", None),
            PrincipalKind::Jwt(subject) => ("jwt", Some(subject.clone())),
            PrincipalKind::User(user) => ("user", Some(user.to_string())),
            _ => return Err(fail(Code::Unsupported, "this kind of principal is not known here")),
        };
        let mut change = self.begin().await?;
        let id = new_id()?;
        let made = "INSERT INTO principal (id, tenant, name, kind, outside) VALUES ($1, $2, $3, $4, $5)";
        let made = sqlx::query(made).bind(id as i64).bind(tenant.map(|id| id as i64)).bind(name).bind(kind);
        let made = made.bind(&outside).execute(&mut *change.tx).await;
        made.map_err(|e| exists(e, || "there is a principal who shows who it is in that way".into()))?;
        change.commit(by, Audited { tenant, subject: format!("principal {id}"), detail: name.into() }).await?;
        Ok(id)
    }

    /// Deletes a principal, with its keys and grants.
    pub async fn delete_principal(&self, by: &By, tenant: Option<u64>, id: u64) -> Result<()> {
        let mut change = self.begin().await?;
        delete(&mut change.tx, "DELETE FROM principal WHERE id = $1", id, "principal").await?;
        change.commit(by, Audited { tenant, subject: format!("principal {id}"), detail: String::new() }).await
    }

    /// Makes a group; gives its number.
    pub async fn create_group(&self, by: &By, tenant: Option<u64>, name: &str) -> Result<u64> {
        check_name(name)?;
        let mut change = self.begin().await?;
        // Two groups of the server have the tenant NULL, which is unequal to itself: so no constraint can see them.
        let same = "SELECT COUNT(*) FROM principal_group WHERE name = $1 AND COALESCE(tenant, 0) = COALESCE($2, 0)";
        let same = sqlx::query_scalar::<_, i64>(same).bind(name).bind(tenant.map(|id| id as i64));
        if same.fetch_one(&mut *change.tx).await.map_err(unavailable)? > 0 {
            return Err(fail(Code::Exists, format!("there is a group {name} already")));
        }
        let id = new_id()?;
        let made = "INSERT INTO principal_group (id, tenant, name) VALUES ($1, $2, $3)";
        let made = sqlx::query(made).bind(id as i64).bind(tenant.map(|id| id as i64)).bind(name);
        made.execute(&mut *change.tx).await.map_err(unavailable)?;
        change.commit(by, Audited { tenant, subject: format!("group {id}"), detail: name.into() }).await?;
        Ok(id)
    }

    /// Deletes a group, with its grants.
    pub async fn delete_group(&self, by: &By, tenant: Option<u64>, id: u64, name: &str) -> Result<()> {
        let mut change = self.begin().await?;
        delete(&mut change.tx, "DELETE FROM principal_group WHERE id = $1", id, "group").await?;
        change.commit(by, Audited { tenant, subject: format!("group {id}"), detail: name.into() }).await
    }

    /// Puts a principal into a group, or takes it out. Gives whether that was needed.
    pub async fn set_member(
        &self,
        by: &By,
        tenant: Option<u64>,
        group: u64,
        principal: u64,
        member: bool,
    ) -> Result<bool> {
        let mut change = self.begin().await?;
        let statement = if member {
            "INSERT INTO member (principal_group, principal) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM member WHERE principal_group = $1 AND principal = $2"
        };
        let done = sqlx::query(statement).bind(group as i64).bind(principal as i64).execute(&mut *change.tx).await;
        let new = done.map_err(unavailable)?.rows_affected() > 0;
        let detail = format!("principal {principal}");
        change.commit(by, Audited { tenant, subject: format!("group {group}"), detail }).await?;
        Ok(new)
    }
}

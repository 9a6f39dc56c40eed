//! Tenants and their services.

use super::{Audited, By, Catalog, Tx, new_id, unavailable};
use crate::failure::{Result, fail};
use commy_wire::{Code, Mode};

/// How a mode is written.
pub(crate) fn text_of(mode: Mode) -> &'static str {
    match mode {
        Mode::Shared => "shared",
        Mode::Isolated => "isolated",
        _ => "served",
    }
}

/// The mode that is written so.
pub(crate) fn mode_of(text: &str) -> Mode {
    match text {
        "shared" => Mode::Shared,
        "isolated" => Mode::Isolated,
        _ => Mode::Served,
    }
}

/// Whether a tenant, service or group can have this name.
///
/// # Errors
/// [`Code::BadRequest`] says what is allowed.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(fail(Code::BadRequest, format!("{name:?} is no name: up to 64 letters a-z, digits, '-', '_' and '.'")))
}

/// The failure of an insertion: of what is there already, or of the catalog.
pub(super) fn exists(error: sqlx::Error, what: impl FnOnce() -> String) -> commy_wire::Failure {
    match error.as_database_error() {
        Some(said) if said.is_unique_violation() => fail(Code::Exists, what()),
        _ => unavailable(error),
    }
}

impl Catalog {
    /// Makes a tenant; gives its number.
    pub async fn create_tenant(&self, by: &By, name: &str) -> Result<u64> {
        check_name(name)?;
        let mut change = self.begin().await?;
        let id = new_id()?;
        let made = sqlx::query("INSERT INTO tenant (id, name) VALUES ($1, $2)").bind(id as i64).bind(name);
        made.execute(&mut *change.tx).await.map_err(|e| exists(e, || format!("there is a tenant {name} already")))?;
        change.commit(by, Audited { tenant: Some(id), subject: name.into(), detail: String::new() }).await?;
        Ok(id)
    }

    /// Deletes a tenant that has nothing any more.
    pub async fn delete_tenant(&self, by: &By, id: u64, name: &str) -> Result<()> {
        let mut change = self.begin().await?;
        let in_use: i64 = sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM service WHERE tenant = $1) + \
             (SELECT COUNT(*) FROM principal WHERE tenant = $1) + \
             (SELECT COUNT(*) FROM principal_group WHERE tenant = $1)",
        )
        .bind(id as i64)
        .fetch_one(&mut *change.tx)
        .await
        .map_err(unavailable)?;
        if in_use > 0 {
            return Err(fail(Code::InUse, format!("tenant {name} has {in_use} services, principals or groups")));
        }
        delete(&mut change.tx, "DELETE FROM tenant WHERE id = $1", id, "tenant").await?;
        change.commit(by, Audited { tenant: Some(id), subject: name.into(), detail: String::new() }).await
    }

    /// Makes a service; gives its number.
    pub async fn create_service(&self, by: &By, tenant: u64, name: &str, mode: Mode, quota: u64) -> Result<u64> {
        check_name(name)?;
        let (mode, id) = (text_of(mode), new_id()?);
        let mut change = self.begin().await?;
        let made = "INSERT INTO service (id, tenant, name, mode, quota) VALUES ($1, $2, $3, $4, $5)";
        let made = sqlx::query(made).bind(id as i64).bind(tenant as i64).bind(name).bind(mode).bind(quota as i64);
        let made = made.execute(&mut *change.tx).await;
        made.map_err(|error| exists(error, || format!("there is a service {name} already")))?;
        let detail = format!("number {id}, {mode}, {quota} bytes");
        change.commit(by, Audited { tenant: Some(tenant), subject: name.into(), detail }).await?;
        Ok(id)
    }

    /// Deletes a service.
    pub async fn delete_service(&self, by: &By, tenant: u64, id: u64, name: &str) -> Result<()> {
        let mut change = self.begin().await?;
        delete(&mut change.tx, "DELETE FROM service WHERE id = $1", id, "service").await?;
        let audited = Audited { tenant: Some(tenant), subject: name.into(), detail: format!("number {id}") };
        change.commit(by, audited).await
    }
}

/// Runs a statement that deletes one row.
pub(super) async fn delete(tx: &mut Tx, statement: &'static str, id: u64, what: &str) -> Result<()> {
    let done = sqlx::query(statement).bind(id as i64).execute(&mut **tx).await.map_err(unavailable)?;
    if done.rows_affected() == 0 { Err(fail(Code::NotFound, format!("there is no such {what}"))) } else { Ok(()) }
}

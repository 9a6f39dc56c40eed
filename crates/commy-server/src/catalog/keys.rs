//! API keys: `cmy_<id>_<secret>`, the secret 256 random bits in hexadecimal digits, of which only the SHA-256 is kept.
//!
//! A hash without salt and stretching is enough, since nobody can guess 256 random bits.

use super::{Audited, By, Catalog, Tx, unavailable};
use crate::failure::{Result, fail};
use commy_wire::{Code, NewKey};
use sha2::{Digest, Sha256};

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// So many random bytes, in hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| fail(Code::Internal, format!("no random numbers: {error}")))?;
    Ok(hex(&bytes))
}

/// What is kept of a secret.
pub fn hash_of(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// The public part and the secret of a key.
pub fn split_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("cmy_")?.split_once('_')
}

struct Made {
    key: NewKey,
    hash: String,
}

fn make() -> Result<Made> {
    let (id, secret) = (random_hex::<8>()?, random_hex::<32>()?);
    Ok(Made { hash: hash_of(&secret), key: NewKey { secret: format!("cmy_{id}_{secret}"), key: id } })
}

async fn insert(tx: &mut Tx, made: &Made, principal: u64, now: u64, expires: Option<u64>) -> Result<()> {
    let row = "INSERT INTO api_key (id, principal, hash, created, expires) VALUES ($1, $2, $3, $4, $5)";
    let row = sqlx::query(row).bind(&made.key.key).bind(principal as i64).bind(&made.hash).bind(now as i64);
    row.bind(expires.map(|at| at as i64)).execute(&mut **tx).await.map_err(unavailable)?;
    Ok(())
}

impl Catalog {
    /// Makes a key of a principal, which expires at that second.
    pub async fn create_key(
        &self,
        by: &By,
        tenant: Option<u64>,
        principal: u64,
        expires: Option<u64>,
    ) -> Result<NewKey> {
        let mut change = self.begin().await?;
        let made = make()?;
        insert(&mut change.tx, &made, principal, self.clock.seconds(), expires).await?;
        change
            .commit(
                by,
                Audited { tenant, subject: format!("key {}", made.key.key), detail: format!("principal {principal}") },
            )
            .await?;
        Ok(made.key)
    }

    /// Makes a key in place of another, with its time of expiry; the other one ends after `overlap` seconds.
    pub async fn rotate_key(&self, by: &By, tenant: Option<u64>, key: &str, overlap: u64) -> Result<NewKey> {
        let mut change = self.begin().await?;
        let old = sqlx::query_as::<_, (i64, Option<i64>)>("SELECT principal, expires FROM api_key WHERE id = $1");
        let old = old.bind(key).fetch_optional(&mut *change.tx).await.map_err(unavailable)?;
        let (principal, expires) = old.ok_or_else(|| fail(Code::NotFound, "there is no such key"))?;
        let made = make()?;
        let now = self.clock.seconds();
        insert(&mut change.tx, &made, principal as u64, now, expires.map(|at| at as u64)).await?;
        let end = now.saturating_add(overlap).min(i64::MAX as u64) as i64;
        let end = expires.map_or(end, |expires| expires.min(end));
        let done = sqlx::query("UPDATE api_key SET expires = $1 WHERE id = $2").bind(end).bind(key);
        done.execute(&mut *change.tx).await.map_err(unavailable)?;
        change
            .commit(
                by,
                Audited {
                    tenant,
                    subject: format!("key {key}"),
                    detail: format!("by {}, overlap {overlap} s", made.key.key),
                },
            )
            .await?;
        Ok(made.key)
    }

    /// Ends a key at once.
    pub async fn revoke_key(&self, by: &By, tenant: Option<u64>, key: &str) -> Result<()> {
        let mut change = self.begin().await?;
        let done = sqlx::query("DELETE FROM api_key WHERE id = $1").bind(key).execute(&mut *change.tx).await;
        if done.map_err(unavailable)?.rows_affected() == 0 {
            return Err(fail(Code::NotFound, "there is no such key"));
        }
        change.commit(by, Audited { tenant, subject: format!("key {key}"), detail: String::new() }).await
    }
}

//! Who somebody is: keys, tokens, local users. What they may do is the policy's business.
//!
//! All that is wrong with credentials gives one answer, which does not say what it was; the log does.

use crate::catalog::{hash_of, split_key};
use crate::clock::Clock;
use crate::config::Jwt;
use crate::failure::{Result, fail};
use crate::policy::Policy;
use commy_wire::{Code, Credentials};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use subtle::ConstantTimeEq;

/// Somebody who has shown who it is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The principal.
    pub principal: u64,
    /// The key by which it did, which may be revoked.
    key: Option<String>,
    /// The second since 1970 from which on it must do so anew.
    expires: Option<u64>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Over the network.
    Network,
    /// Over the Unix socket, from a process of this user, as the system says.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no such sockets"))]
    User(u32),
}

/// What tokens are looked at with.
pub struct Tokens {
    key: DecodingKey,
    validation: Validation,
}

#[derive(serde::Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    nbf: Option<u64>,
}

/// Seconds by which the clocks of who signs tokens may differ from ours.
const LEEWAY: u64 = 5;

impl Tokens {
    /// As it is set up.
    ///
    /// # Errors
    /// A key that cannot be read, an algorithm that is not one of those.
    pub fn new(config: &Jwt) -> Result<Tokens, String> {
        let pem = std::fs::read(&config.key).map_err(|error| format!("{}: {error}", config.key.display()))?;
        let (algorithm, key) = match config.algorithm.as_str() {
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_pem(&pem)),
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_pem(&pem)),
            "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_pem(&pem)),
            other => return Err(format!("jwt.algorithm is {other}; it must be RS256, ES256 or EdDSA")),
        };
        let key = key.map_err(|error| format!("{}: {error}", config.key.display()))?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // By the server's own clock: see `subject`.
        validation.validate_exp = false;
        Ok(Tokens { key, validation })
    }

    fn subject(&self, token: &str, now: u64) -> Option<Claims> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .inspect_err(|error| tracing::info!(%error, "a token was refused"))
            .ok()?
            .claims;
        let begun = claims.nbf.is_none_or(|from| from <= now.saturating_add(LEEWAY));
        if !begun || claims.exp <= now {
            tracing::info!(
                now,
                expires = claims.exp,
                not_before = claims.nbf,
                "a token was refused: it is not its time"
            );
            return None;
        }
        Some(claims)
    }
}

fn refused() -> commy_wire::Failure {
    fail(Code::Unauthenticated, "the credentials are not valid")
}

/// Finds out who shows these credentials.
///
/// # Errors
/// [`Code::Unauthenticated`].
pub fn identify(
    policy: &Policy,
    clock: &Clock,
    tokens: Option<&Tokens>,
    credentials: &Credentials,
    peer: Peer,
) -> Result<Identity> {
    let identity = match credentials {
        Credentials::Key(key) => {
            let (id, secret) = split_key(key).ok_or_else(refused)?;
            let known = policy.keys.get(id);
            let nothing = "0".repeat(64);
            let hash = known.map_or(nothing.as_str(), |known| &known.hash);
            // Takes the same time for all keys that are as long, known or not.
            let equal = bool::from(hash_of(secret).as_bytes().ct_eq(hash.as_bytes()));
            let known = known.filter(|_| equal).ok_or_else(refused)?;
            Identity { principal: known.principal, key: Some(id.to_owned()), expires: known.expires }
        }
        Credentials::Jwt(token) => {
            let claims = tokens.and_then(|tokens| tokens.subject(token, clock.seconds())).ok_or_else(refused)?;
            let principal = policy.subject(&claims.sub).ok_or_else(refused)?;
            Identity { principal, key: None, expires: Some(claims.exp) }
        }
        Credentials::Local(_) => match peer {
            Peer::User(user) => {
                Identity { principal: policy.user(user).ok_or_else(refused)?, key: None, expires: None }
            }
            Peer::Network => return Err(refused()),
        },
        _ => return Err(refused()),
    };
    if identity.holds(policy, clock) { Ok(identity) } else { Err(refused()) }
}

impl Identity {
    #[cfg(unix)]
    /// The id of the key by which it showed who it is, if it was one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether it is still true: asked when the policy has changed, and each second.
    pub fn holds(&self, policy: &Policy, clock: &Clock) -> bool {
        let expires = match &self.key {
            Some(key) => match policy.keys.get(key) {
                Some(known) if known.principal == self.principal => known.expires,
                _ => return false,
            },
            None => self.expires,
        };
        policy.principals.contains_key(&self.principal) && expires.is_none_or(|at| clock.seconds() < at)
    }
}

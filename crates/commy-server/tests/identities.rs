//! Credentials that are expired, revoked or malformed, and revocations that reach open connections.

mod common;

use common::{LONG, Place, Raw, grant};
use commy_client::{Client, Credentials};
use commy_wire::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

async fn refused(place: &Place, credentials: Credentials) {
    match place.options().connect(&place.url(), credentials.clone()).await {
        Err(error) => assert_eq!(error.code(), Some(Code::Unauthenticated), "{credentials:?}: {error}"),
        Ok(_) => panic!("{credentials:?} was accepted"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_and_unknown_credentials_are_all_refused_in_the_same_way() {
    let place = Place::new().await;
    let (id, secret) = (place.key.split('_').nth(1).unwrap(), place.key.split('_').nth(2).unwrap());
    for key in [
        String::new(),
        "cmy_".into(),
        "cmy__".into(),
        format!("cmy_{id}"),
        format!("cmy_{id}_"),
        format!("cmy_{id}_{}", &secret[1..]),
        format!("cmy_{id}_{secret}0"),
        format!("cmy_{id}_{}", secret.to_uppercase()),
        format!("cmy_0000000000000000_{secret}"),
        format!("CMY_{id}_{secret}"),
        format!(" {}", place.key),
        secret.to_owned(),
        "x".repeat(100_000),
    ] {
        refused(&place, Credentials::Key(key)).await;
    }
    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJleHAiOjk5OTk5OTk5OTl9."] {
        refused(&place, Credentials::Jwt(token.into())).await;
    }
    // Over the network nobody is a local user.
    refused(&place, Credentials::Local(Empty {})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_ends_when_it_expires_is_rotated_or_revoked_and_so_do_its_connections() {
    let place = Place::new().await;
    let operator = place.operator().await;
    let (principal, key) = place.principal(None, "somebody").await;
    let create = |expires_in| Call::KeyCreate(KeyCreate { principal, expires_in });
    let new = async |call| match operator.call(None, call).await.unwrap() {
        Reply::Key(key) => key,
        other => panic!("{other:?}"),
    };
    refused(&place, Credentials::Key(new(create(Some(0))).await.secret)).await;
    let (short, client) = expiring(&place, async |seconds| new(create(Some(seconds))).await.secret).await;
    until_closed(&client).await;
    refused(&place, Credentials::Key(short)).await;

    let first = place.client(&key).await;
    let id = key.split('_').nth(1).unwrap().to_owned();
    let second = new(Call::KeyRotate(KeyId { key: id, overlap: None })).await;
    until_closed(&first).await;
    refused(&place, Credentials::Key(key)).await;
    let client = place.client(&second.secret).await;
    operator.call(None, Call::KeyRevoke(KeyId { key: second.key, overlap: None })).await.unwrap();
    until_closed(&client).await;
    refused(&place, Credentials::Key(second.secret)).await;
    let third = new(create(None)).await;
    let client = place.client(&third.secret).await;
    operator.call(None, Call::PrincipalDelete(PrincipalId { principal })).await.unwrap();
    until_closed(&client).await;
    refused(&place, Credentials::Key(third.secret)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_reaches_requests_and_watches_of_open_connections_at_once() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    service.create_object("stock", "u8").await.unwrap();
    let (principal, key) = place.principal(Some("acme"), "reader").await;
    place.grant(principal, "acme", &[Permission::ServiceRead]).await;
    let client = place.client(&key).await;
    let stock = client.service("acme", "orders").object("stock");
    let mut watch = stock.watch("").await.unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let asked = Instant::now();
    place.revoke(principal, "acme", &[Permission::ServiceRead]).await;
    let revoked = asked.elapsed();
    // No time is allowed for it: what comes after the answer that tells of the revocation is denied.
    assert_eq!(stock.get::<u8>("").await.unwrap_err().code(), Some(Code::Denied));
    assert_eq!(watch.next().await.unwrap_err().code(), Some(Code::Denied));
    println!(
        "asked to revoke; it was done after {revoked:.1?}, request and watch had ended after {:.1?}",
        asked.elapsed()
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_local_user_is_who_the_system_says() {
    let place = Place::new().await;
    let url = format!("unix://{}", place.config.socket().display());
    let local = || Credentials::Local(Empty {});
    assert!(place.options().connect(&url, local()).await.is_err());
    let operator = place.operator().await;
    // SAFETY: it takes nothing and always succeeds.
    let user = unsafe { libc::geteuid() };
    for (name, user) in [("another", user + 1), ("me", user)] {
        let create = PrincipalCreate { name: name.into(), tenant: None, kind: PrincipalKind::User(user) };
        operator.call(None, Call::PrincipalCreate(create)).await.unwrap();
    }
    // It needs no authority: one that it cannot read is nothing to it.
    let options = place.options().authority("/no/such/authority.pem");
    let client = options.connect(&url, local()).await.unwrap();
    assert_eq!(client.welcome().name, "me");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalog_is_there_again_after_a_restart_and_without_it_nothing_is_served() {
    let mut place = Place::new().await;
    let service = place.service("acme", "orders").await;
    service.create_object_with("stock", "u8", &7).await.unwrap();
    let (principal, key) = place.principal(Some("acme"), "reader").await;
    place.grant(principal, "acme", &[Permission::ServiceRead]).await;
    place.restart().await;
    let client = place.client(&key).await;
    assert_eq!(client.service("acme", "orders").object("stock").get::<u8>("").await.unwrap(), Some(7));
    // A second server in the same folder is refused,
    let second = commy_server::Server::start(place.config.clone()).await;
    assert!(second.is_err());
    // and so is one without a catalog that can be read.
    place.server.take().unwrap().stop(LONG).await;
    std::fs::write(place.config.data.join("catalog.db"), "this is no catalog").unwrap();
    assert!(commy_server::Server::start(place.config.clone()).await.is_err());
    assert!(place.options().connect("wss://localhost:1", Credentials::Key(key)).await.is_err());
}

/// A key that expires soon, and a client that was let in with it: later, where the machine takes longer for that.
async fn expiring(place: &Place, new: impl AsyncFn(u64) -> String) -> (String, Client) {
    for seconds in [2, 4, 8, 16, 32] {
        let key = new(seconds).await;
        let client = place.options().connect(&place.url(), Credentials::Key(key.clone())).await;
        if let Ok(client) = client {
            return (key, client);
        }
    }
    panic!("nobody is let in with a key that has not expired");
}

/// Waits until the server has closed a connection.
async fn until_closed(client: &Client) {
    let begin = Instant::now();
    while client.call(None, Call::Ping(Empty {})).await.is_ok() {
        assert!(begin.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A clock that is off by so many seconds at first, which can be changed.
fn clock(first: i64) -> (Arc<AtomicI64>, commy_server::Clock) {
    let off = Arc::new(AtomicI64::new(first));
    let by = off.clone();
    let now = move || {
        let (now, by) = (SystemTime::now(), by.load(Relaxed));
        let step = Duration::from_secs(by.unsigned_abs());
        if by < 0 { now - step } else { now + step }
    };
    (off, commy_server::Clock::new(now))
}

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_prolongs_nothing_and_one_that_jumps_ahead_ends_what_has_expired_by_it() {
    let (off, clock) = clock(0);
    let idle = 2;
    let limits = commy_server::Limits { idle, ..Default::default() };
    let place = Place::with_clock(limits, clock).await;
    let operator = place.operator().await;
    let service = place.service("acme", "orders").await;
    let stock = service.create_object("stock", "u64").await.unwrap();
    let mut watch = stock.watch("").await.unwrap();
    watch.next().await.unwrap();
    let (principal, _) = place.principal(None, "somebody").await;
    let key = async |seconds| {
        let create = Call::KeyCreate(KeyCreate { principal, expires_in: Some(seconds) });
        match operator.call(None, create).await.unwrap() {
            Reply::Key(key) => key.secret,
            other => panic!("{other:?}"),
        }
    };
    let long = key(DAY as u64 / 2).await;
    let later = place.client(&long).await;
    let (short, soon) = expiring(&place, key).await;

    off.store(-DAY, Relaxed);
    // By the clock alone it would go on for a day, and its client would be let in again as often as it came.
    until_closed(&soon).await;
    refused(&place, Credentials::Key(short)).await;
    assert!(later.call(None, Call::Ping(Empty {})).await.is_ok());

    off.store(DAY, Relaxed);
    until_closed(&later).await;
    refused(&place, Credentials::Key(long.clone())).await;
    // What does not expire goes on, and so does all that is measured by how long it lasts: silence, watches, waiting.
    stock.set("", &1u64).await.unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let jobs = service.create_object("jobs", "VecDeque<u8>").await.unwrap();
    let waiting = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.pop_front::<u8>("", LONG).await.unwrap() }
    });
    off.store(-DAY, Relaxed);
    // As long as who says nothing at all is not hung up on, and a little more.
    tokio::time::sleep(Duration::from_secs(3 * idle + 1)).await;
    off.store(DAY, Relaxed);
    jobs.push("", &7u8).await.unwrap();
    assert_eq!(tokio::time::timeout(LONG, waiting).await.unwrap().unwrap(), Some(7));
    stock.set("", &2u64).await.unwrap();
    assert!(watch.next().await.unwrap().is_some());
    // The audit keeps its order, whatever its times say.
    let asked = AuditList { tenant: None, before: None, limit: None };
    let Reply::Audit(audit) = operator.call(None, Call::AuditList(asked)).await.unwrap() else { panic!() };
    assert!(audit.is_sorted_by(|a, b| a.id > b.id));
    // A clock that is right again lets in who may come in.
    off.store(0, Relaxed);
    place.client(&long).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_tells_who_somebody_is_if_all_of_it_is_right_and_nothing_else() {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    use serde_json::json;
    let mut place = Place::new().await;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = place.dir.path().join("issuer.pem");
    std::fs::write(&key, pair.public_key_pem()).unwrap();
    let jwt = commy_server::Jwt {
        algorithm: "EdDSA".into(),
        key,
        issuer: "https://id.example".into(),
        audience: "commy".into(),
    };
    place.config.jwt = Some(jwt);
    place.restart().await;
    let operator = place.operator().await;
    let kind = PrincipalKind::Jwt("ada".into());
    let create = PrincipalCreate { name: "Ada".into(), tenant: None, kind };
    operator.call(None, Call::PrincipalCreate(create)).await.unwrap();
    let seconds = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let now = seconds();
    let signer = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let token = |claims: serde_json::Value| encode(&Header::new(Algorithm::EdDSA), &claims, &signer).unwrap();
    let right = json!({"sub": "ada", "iss": "https://id.example", "aud": "commy", "exp": now + 3600, "admin": true});
    let client = place.options().connect(&place.url(), Credentials::Jwt(token(right.clone()))).await.unwrap();
    assert_eq!(client.welcome().name, "Ada");
    // Whatever it says, nothing was granted.
    let made = client.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await;
    assert_eq!(made.unwrap_err().code(), Some(Code::Denied));
    for (field, value) in [
        ("sub", json!("bob")),
        ("iss", json!("https://other.example")),
        ("aud", json!("other")),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + 3600)),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        refused(&place, Credentials::Jwt(token(wrong))).await;
        let mut without = right.clone();
        if without.as_object_mut().unwrap().remove(field).is_some() {
            refused(&place, Credentials::Jwt(token(without))).await;
        }
    }
    let stranger = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let stranger = EncodingKey::from_ed_pem(stranger.serialize_pem().as_bytes()).unwrap();
    let forged = encode(&Header::new(Algorithm::EdDSA), &right, &stranger).unwrap();
    refused(&place, Credentials::Jwt(forged)).await;
    // Signed with the public key as if that were a secret, and not signed at all.
    let secret = EncodingKey::from_secret(pair.public_key_pem().as_bytes());
    refused(&place, Credentials::Jwt(encode(&Header::new(Algorithm::HS256), &right, &secret).unwrap())).await;
    // One that expires while the connection is open ends it.
    let mut short = right.clone();
    short["exp"] = json!(seconds() + 10);
    let client = place.options().connect(&place.url(), Credentials::Jwt(token(short))).await.unwrap();
    until_closed(&client).await;
    // All of it by the server's own clock: a token of yesterday is good while that says that it is yesterday.
    let (off, clock) = clock(-DAY);
    place.server.take().unwrap().stop(LONG).await;
    let (server, _) = commy_server::Server::start_with(place.config.clone(), clock).await.unwrap();
    place.server = Some(server);
    let mut yesterday = right.clone();
    yesterday["exp"] = json!(now - DAY as u64 + 60);
    let client = place.options().connect(&place.url(), Credentials::Jwt(token(yesterday.clone()))).await.unwrap();
    off.store(0, Relaxed);
    until_closed(&client).await;
    refused(&place, Credentials::Jwt(token(yesterday))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_whose_administrator_hangs_up_at_once_is_done_wholly_all_the_same() {
    let place = Place::new().await;
    let service = place.service("acme", "orders").await;
    service.create_object("stock", "u8").await.unwrap();
    let operator = place.operator().await;
    let audit = async || {
        let asked = AuditList { tenant: Some("acme".into()), before: None, limit: Some(1000) };
        match operator.call(None, Call::AuditList(asked)).await.unwrap() {
            Reply::Audit(rows) => rows.into_iter().filter(|row| row.action == "grant_revoke").count(),
            other => panic!("{other:?}"),
        }
    };
    for number in 0..10 {
        let (principal, key) = place.principal(Some("acme"), &format!("reader {number}")).await;
        place.grant(principal, "acme/orders", &[Permission::ServiceRead]).await;
        let client = place.client(&key).await;
        let stock = client.service("acme", "orders").object("stock");
        assert_eq!(stock.get::<u8>("").await.unwrap(), Some(0));
        let mut raw = Raw::with_key(&place, &place.key).await;
        let call = Call::GrantRevoke(grant(principal, "acme/orders", &[Permission::ServiceRead]));
        assert!(raw.send(encode(Encoding::Cbor, &Request { id: 2, service: None, call }), true).await);
        drop(raw);
        let begin = Instant::now();
        while audit().await <= number {
            assert!(begin.elapsed() < LONG, "it was not done at all");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What the audit tells is what is heeded, within a second.
        let begin = Instant::now();
        while stock.get::<u8>("").await.is_ok() {
            assert!(begin.elapsed() < LONG, "it is in the catalog and nobody heeds it");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

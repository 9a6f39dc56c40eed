//! Services that move to another segment, since somebody may not have the old one any more.

use crate::daemon::LONG;
use crate::place::{OTHER, Place, READ, WRITE, is_root};
use commy_client::wire::{At, Call, Grant, Mode, ObjectCreate, Permission, Subject};
use commy_client::{Service, Update};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two pushes: so slow that the quota is enough for as long as tests wait for anything.
pub const PACE: Duration = Duration::from_millis(1);

/// Takes permissions away from a principal.
pub async fn revoke(place: &Place, principal: u64, permissions: &[Permission]) {
    let grant = Grant {
        to: Subject::Principal(principal),
        at: At { tenant: Some("acme".into()), service: Some("near".into()), object: None },
        permissions: permissions.iter().copied().collect(),
    };
    place.client().await.call(None, Call::GrantRevoke(grant)).await.unwrap();
}

/// Pushes numbers into an object of the mapped segment until it is told to stop; gives how many, and how often the service
/// moved meanwhile.
async fn push_near(service: Service, stop: Arc<AtomicBool>) -> (u64, u32) {
    let (mut near, mut pushed, mut moves) = (service.map(true).await.unwrap(), 0, 0);
    let mut id = near.identity().id;
    while !stop.load(Ordering::Relaxed) {
        near.run(|segment| segment.open::<Vec<u64>>("near")?.push(pushed)).await.unwrap();
        pushed += 1;
        moves += u32::from(std::mem::replace(&mut id, near.identity().id) != id);
        tokio::time::sleep(PACE).await;
    }
    (pushed, moves)
}

/// Pushes numbers remotely, which never fails; gives how many.
async fn push_far(service: Service, stop: Arc<AtomicBool>) -> u64 {
    let (far, mut pushed) = (service.object("far"), 0);
    while !stop.load(Ordering::Relaxed) {
        far.push("", &pushed).await.unwrap();
        pushed += 1;
        tokio::time::sleep(PACE).await;
    }
    pushed
}

/// Reads a watch of every change until it tells of the version; gives how many changes it told.
async fn changes_until(mut watch: commy_client::Watch, last: u64) -> usize {
    let mut told = 0;
    loop {
        match tokio::time::timeout(LONG, watch.next()).await.unwrap().unwrap().unwrap() {
            Update::Changes(changes) => {
                told += changes.len();
                if changes.last().is_some_and(|change| change.version >= last) {
                    return told;
                }
            }
            Update::Value { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn whoever_is_revoked_is_left_behind(mode: Mode) {
    let place = Place::with(mode).await;
    let near = place.near().await;
    near.create_object("near", "Vec<u64>").await.unwrap();
    near.create_object("far", "Vec<u64>").await.unwrap();
    let create = ObjectCreate {
        object: "ring".into(),
        r#type: "BTreeMap<u64, u64>".into(),
        changes: Some(1000),
        ..ObjectCreate::default()
    };
    let ring = near.create_object_as(create).await.unwrap();
    let watch = ring.watch("").await.unwrap();
    // Shared segments are for programs of one user.
    let user = (mode == Mode::Isolated && is_root()).then_some(OTHER);
    let mut hostile = place.hostile("holder", WRITE, user).await;
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = tokio::spawn(push_near(place.near().await, stop.clone()));
    let far = tokio::spawn(push_far(place.near().await, stop.clone()));
    let mut own = near.map(true).await.unwrap();
    let before = own.clone();
    let onlooker = near.map(false).await.unwrap();
    for number in 0..50u64 {
        ring.set(&number.to_string(), &number).await.unwrap();
    }
    // It holds a lock, and goes on holding it.
    revoke(&place, hostile.principal, &[Permission::ServiceWrite]).await;
    tokio::time::timeout(LONG, own.moved()).await.unwrap().unwrap();
    let (after, mut onlooker) = (own.clone(), onlooker);
    tokio::time::timeout(LONG, onlooker.moved()).await.unwrap().unwrap();
    assert!(onlooker.is_read_only() && onlooker.identity().id == after.identity().id);
    // What it did under the lock is undone, and nobody waits for that.
    near.object("list").push("", &4u64).await.unwrap();
    for number in 50..100u64 {
        ring.set(&number.to_string(), &number).await.unwrap();
    }
    hostile.go_on();
    hostile.until("left behind");
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    assert!(before.is_retired() && !after.is_retired());
    // All others have come with it, and nothing of what they did is missing.
    while !pushing.is_finished() && after.open::<Vec<u64>>("near").unwrap().len().unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    let count = after.open::<Vec<u64>>("near").unwrap().len().unwrap();
    let begin = Instant::now();
    while after.open::<Vec<u64>>("near").unwrap().len().unwrap() < count + 10 {
        assert!(begin.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    let (pushed, moves) = pushing.await.unwrap();
    let far = far.await.unwrap();
    assert!(moves == 1 && far > 0, "{moves} {far}");
    let all = |name: &'static str| after.open::<Vec<u64>>(name).unwrap().load().unwrap();
    assert_eq!(all("near"), (0..pushed).collect::<Vec<_>>());
    assert_eq!(all("far"), (0..far).collect::<Vec<_>>());
    let version = near.describe_object("ring").await.unwrap().version;
    assert_eq!(changes_until(watch, version).await, 100);
    assert!(after.check().unwrap().is_empty());
    hostile.end();
    // Those who have come with it are not moved again.
    let again = near.map(true).await.unwrap();
    assert_eq!(again.identity().id, after.identity().id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_with_a_lock_of_isolated_memory_is_left_behind_and_nobody_else_loses_anything() {
    whoever_is_revoked_is_left_behind(Mode::Isolated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_with_a_lock_of_a_shared_file_is_left_behind_and_nobody_else_loses_anything() {
    whoever_is_revoked_is_left_behind(Mode::Shared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_revoked_while_the_server_is_down_or_may_only_read_is_left_behind_too() {
    let mut place = Place::new().await;
    let reader = place.hostile("reading", READ, None).await;
    let before = place.near().await.map(true).await.unwrap().clone();
    place.restart();
    let near = place.near().await;
    let mut own = near.map(true).await.unwrap();
    assert_eq!(own.identity().id, before.identity().id);
    revoke(&place, reader.principal, &[Permission::ServiceRead]).await;
    tokio::time::timeout(LONG, own.moved()).await.unwrap().unwrap();
    let after = own.clone();
    near.object("list").push("", &4u64).await.unwrap();
    assert_eq!(after.open::<Vec<u64>>("list").unwrap().load().unwrap(), [1, 2, 3, 4]);
    assert_eq!(before.open::<Vec<u64>>("list").unwrap().load().unwrap(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_a_segment_mapped_comes_along_although_its_connection_was_lost_meanwhile() {
    let mut place = Place::new().await;
    let socket = format!("unix://{}/commy.sock", place.dir.path().display());
    let reader = place.hostile("reading", READ, None).await;
    let options = commy_client::Options::new().patience(LONG);
    let key = commy_client::Credentials::Key(place.daemon.key.clone().unwrap());
    let client = options.connect(&socket, key).await.unwrap();
    let mut own = client.service("acme", "near").map(true).await.unwrap();
    let before = own.clone();
    place.restart();
    revoke(&place, reader.principal, &[Permission::ServiceRead]).await;
    tokio::time::timeout(LONG, own.run(|segment| segment.open::<Vec<u64>>("list")?.push(4))).await.unwrap().unwrap();
    tokio::time::timeout(LONG, async {
        while !before.is_retired() {
            tokio::task::yield_now().await;
        }
        own.run(|segment| segment.open::<Vec<u64>>("list")?.push(5)).await.unwrap();
    })
    .await
    .unwrap();
    assert_ne!(own.identity().id, before.identity().id);
    assert_eq!(place.near().await.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4, 5]));
}

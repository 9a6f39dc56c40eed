//! The server killed while a service moves to another segment, and services that cannot be moved.

use crate::daemon::LONG;
use crate::moving::{PACE, revoke};
use crate::place::{Place, WRITE};
use commy::Error;
use commy_client::wire::{Call, Code, Map, Mode};
use commy_client::{Client, Credentials, Options, Service};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn size(name: &str, small: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(small)
}

/// A client of the operator's that waits for servers to come back.
async fn patient(place: &Place) -> Client {
    let socket = format!("unix://{}/commy.sock", place.dir.path().display());
    let key = Credentials::Key(place.operator.clone());
    Options::new().patience(LONG).connect(&socket, key).await.unwrap()
}

/// Gives the segment to somebody, and takes the permission for that away again, so that the service has to move.
async fn give_and_revoke(place: &Place) {
    let (principal, key) = place.principal(WRITE).await;
    let service = place.daemon.client(&key).await.service("acme", "near");
    service.call(Call::Map(Map { write: true })).await.unwrap();
    revoke(place, principal, WRITE).await;
}

/// Pushes numbers into an object of the mapped segment until it is told to stop; gives how many.
async fn push_near(service: Service, stop: Arc<AtomicBool>) -> u64 {
    let (mut near, mut pushed) = (service.map(true).await.unwrap(), 0);
    while !stop.load(Ordering::Relaxed) {
        near.run(|segment| segment.open::<Vec<u64>>("near")?.push(pushed)).await.unwrap();
        pushed += 1;
        tokio::time::sleep(PACE).await;
    }
    pushed
}

async fn a_kill_while_it_moves_loses_nothing(mode: Mode) {
    let mut place = Place::with(mode).await;
    let near = place.near().await;
    near.create_object("near", "Vec<u64>").await.unwrap();
    near.create_object("far", "u64").await.unwrap();
    drop(near);
    let client = patient(&place).await;
    let stop = Arc::new(AtomicBool::new(false));
    let pushing = tokio::spawn(push_near(client.service("acme", "near"), stop.clone()));
    let mut own = client.service("acme", "near").map(true).await.unwrap();
    let (asked, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut seed = 0x9e37_79b9_u64;
    for round in 0..size("COMMY_MOVE_KILLS", 6) {
        let before = own.clone();
        let (far, done, wanted) = (place.near().await.object("far"), acknowledged.clone(), asked.clone());
        let setting = tokio::spawn(async move {
            loop {
                let next = wanted.fetch_add(1, Ordering::Relaxed) + 1;
                match far.set("", &next).await {
                    Ok(_) => done.store(next, Ordering::Relaxed),
                    Err(_) => return,
                }
            }
        });
        give_and_revoke(&place).await;
        // From this moment on the server is about to copy, check, rename, and write into the catalog.
        let begin = Instant::now();
        while !before.is_retired() {
            assert!(begin.elapsed() < LONG);
            tokio::task::yield_now().await;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_micros(if round == 0 { 0 } else { (seed >> 33) % 30_000 })).await;
        place.restart();
        tokio::time::timeout(LONG, setting).await.unwrap().unwrap();
        // The next server serves the segment that took its place, to who had the old one, too.
        tokio::time::timeout(LONG, own.moved()).await.unwrap().unwrap();
        let found = place.near().await.object("far").get::<u64>("").await.unwrap().unwrap();
        let (least, most) = (acknowledged.load(Ordering::Relaxed), asked.load(Ordering::Relaxed));
        assert!((least..=most).contains(&found), "round {round}: {least} was acknowledged, {found} is there");
        assert!(before.is_retired());
        let late = before.open::<u64>("far").unwrap().store(0);
        assert!(matches!(late, Err(Error::Retired { .. })), "{late:?}");
        let next = place.near().await.object("list");
        next.push("", &round).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let pushed = tokio::time::timeout(LONG, pushing).await.unwrap().unwrap();
    let near = place.near().await;
    assert_eq!(near.object("near").get::<Vec<u64>>("").await.unwrap(), Some((0..pushed).collect()));
    let segment = near.map(true).await.unwrap();
    assert!(segment.check().unwrap().is_empty());
    place.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_it_moves_a_shared_file_loses_nothing_and_the_next_one_has_moved_it() {
    a_kill_while_it_moves_loses_nothing(Mode::Shared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_it_moves_isolated_memory_loses_nothing_and_the_next_one_has_moved_it() {
    a_kill_while_it_moves_loses_nothing(Mode::Isolated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_going_on_when_the_server_is_killed_while_it_moves_the_service_counts() {
    for mode in [Mode::Shared, Mode::Isolated] {
        let mut place = Place::with(mode).await;
        loop {
            let own = place.near().await.map(true).await.unwrap().clone();
            let list = own.open::<Vec<u64>>("list").unwrap();
            let (begun, has_begun) = std::sync::mpsc::channel();
            let (end, to_end) = std::sync::mpsc::channel::<()>();
            let (held, count) = (list.clone(), list.len().unwrap());
            // The server waits for this one, so it is in the middle of it when it is killed.
            let transaction = std::thread::spawn(move || {
                let mut guard = held.write().unwrap();
                guard.push(7).unwrap();
                begun.send(()).unwrap();
                let _ = to_end.recv();
                guard.commit().is_ok()
            });
            has_begun.recv().unwrap();
            give_and_revoke(&place).await;
            let begin = Instant::now();
            while !own.is_retired() {
                assert!(begin.elapsed() < LONG);
                tokio::task::yield_now().await;
            }
            place.daemon.kill();
            let begin = Instant::now();
            place.daemon = Place::start(&place.dir);
            let far = patient(&place).await.service("acme", "near").object("list");
            let mut asking = tokio::spawn(async move { far.len("").await });
            // Time for a server that does not wait to go on without it.
            let early = tokio::time::timeout(Duration::from_millis(300), &mut asking).await;
            drop(end);
            let committed = tokio::task::spawn_blocking(|| transaction.join()).await.unwrap().unwrap();
            // Where the machine has let it take as long as nobody is waited for, it tells nothing.
            if begin.elapsed() > Duration::from_secs(4) {
                continue;
            }
            assert!(committed && early.is_err(), "{mode:?}: {committed}, {early:?}");
            while place.near().await.object("list").len("").await.is_err() {}
            assert_eq!(place.near().await.object("list").len("").await.unwrap(), Some(count as u64 + 1), "{mode:?}");
            break;
        }
    }
}

/// The file of the place's only service.
fn file_of(place: &Place) -> PathBuf {
    let mut files = std::fs::read_dir(place.dir.path().join("data/services")).unwrap().map(|file| file.unwrap().path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "commy")).unwrap()
}

/// Damages a segment's file: which pages are in use is forgotten. What is stored in them can be read still.
fn damage(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 4096], 4 * 4096).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_that_somebody_may_not_have_any_more_is_closed_to_all_until_it_is_deleted_or_replaced() {
    let mut place = Place::with(Mode::Shared).await;
    let backup = place.dir.path().join("backup.commy");
    let near = place.near().await;
    let mut own = near.map(true).await.unwrap();
    own.snapshot(&backup).unwrap();
    let mut watch = near.object("list").watch("").await.unwrap();
    watch.next().await.unwrap();
    let path = file_of(&place);
    damage(&path);
    give_and_revoke(&place).await;
    // Who has it mapped or watches it is told, and everybody is told why.
    assert!(tokio::time::timeout(LONG, own.moved()).await.unwrap().is_err());
    let told = loop {
        match tokio::time::timeout(LONG, watch.next()).await.unwrap() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the watch ended without a reason"),
            Err(error) => break error,
        }
    };
    assert_eq!(told.code(), Some(Code::Corrupt), "{told}");
    async fn is_closed(place: &Place) {
        let near = place.near().await;
        let errors = [
            near.object("list").get::<Vec<u64>>("").await.unwrap_err(),
            near.object("list").push("", &1u64).await.unwrap_err(),
            near.objects().await.unwrap_err(),
            near.map(false).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), Some(Code::Corrupt), "{error}");
            let text = error.to_string();
            assert!(text.contains("acme/near") && text.contains("snapshot"), "{text}");
        }
        place.is_well().await;
    }
    is_closed(&place).await;
    // A server that is started does not go on with it either.
    place.restart();
    is_closed(&place).await;
    // A snapshot in its place is served.
    place.daemon.kill();
    std::fs::rename(&backup, &path).unwrap();
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3]));
    near.object("list").push("", &4u64).await.unwrap();
    // Deleting one that is closed helps as well.
    drop(near);
    let other = place.near().await;
    damage(&path);
    give_and_revoke(&place).await;
    let begin = Instant::now();
    while other.objects().await.is_ok() {
        assert!(begin.elapsed() < LONG);
        tokio::task::yield_now().await;
    }
    other.delete().await.unwrap();
    other.create(Mode::Shared, None).await.unwrap();
    assert!(other.objects().await.unwrap().is_empty());
}

//! Services that are in memory, and hostile programs of another user that have them mapped.
//!
//! What docs/SECURITY.md says of the mode `isolated`, tried: the tests run the server as root, and start themselves again as
//! another user for the hostile side. Without root that cannot be, and those tests say so.
#![cfg(target_os = "linux")]

#[path = "../daemon/mod.rs"]
mod daemon;
mod full;
mod hostile;
mod killed;
mod moving;
mod place;

use commy_client::wire::{Code, Mode};
use daemon::LONG;
use place::{OTHER, Place, READ, WRITE, another_user_can_be_had, is_keeper, keeper_of, keepers};
use std::time::{Duration, Instant};

/// The hostile side, which the tests start as programs.
#[test]
#[ignore = "a part of the other tests"]
fn hostile() {
    hostile::run();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_cannot_write_by_any_way_that_its_descriptor_leads() {
    if !another_user_can_be_had("who_may_only_read_cannot_write_by_any_way_that_its_descriptor_leads") {
        return;
    }
    let place = Place::new().await;
    place.hostile("reader", READ, Some(OTHER)).await.end();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3]));
    place.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_write_changes_neither_the_length_nor_the_permissions_nor_the_seals() {
    if !another_user_can_be_had("who_may_write_changes_neither_the_length_nor_the_permissions_nor_the_seals") {
        return;
    }
    let place = Place::new().await;
    place.hostile("writer", WRITE, Some(OTHER)).await.end();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    place.is_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_scribbles_over_a_segment_ends_neither_the_server_nor_keeps_it_waiting() {
    if !another_user_can_be_had("who_scribbles_over_a_segment_ends_neither_the_server_nor_keeps_it_waiting") {
        return;
    }
    for part in ["scribble", "punch"] {
        let mut place = Place::new().await;
        place.checkpoint();
        let mut hostile = place.hostile(part, WRITE, Some(OTHER)).await;
        let near = place.near().await;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            // What the answer is does not matter, as long as there is one: a connection that is lost has none.
            let answers = [
                near.object("list").get::<Vec<u64>>("").await.map(drop),
                near.object("list").push("", &9u64).await.map(drop),
                near.objects().await.map(drop),
                near.describe().await.map(drop),
            ];
            let lost = answers.into_iter().filter_map(Result::err).find(|error| error.code().is_none());
            assert!(lost.is_none(), "{part}: {lost:?}, {:?}", place.daemon.child.try_wait());
            assert!(asked.elapsed() < LONG);
        }
        place.is_well().await;
        hostile.go_on();
        hostile.end();
        // It does not come back from that by itself; the next start has the last checkpoint that was whole.
        drop(near);
        place.restart();
        let near = place.near().await;
        let list = near.object("list").get::<Vec<u64>>("").await.unwrap().unwrap();
        assert_eq!(list[..3], [1, 2, 3], "{part}");
        near.object("list").push("", &4u64).await.unwrap();
        place.is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_keeps_locks_keeps_nobody_else_waiting_for_ever_and_leaves_nothing_behind_when_it_is_killed() {
    let test = "who_keeps_locks_keeps_nobody_else_waiting_for_ever_and_leaves_nothing_behind_when_it_is_killed";
    if !another_user_can_be_had(test) {
        return;
    }
    let mut place = Place::new().await;
    let near = place.near().await;
    near.create_object("free", "u64").await.unwrap();
    let hostile = place.hostile("holder", WRITE, Some(OTHER)).await;
    let held = near.object("list");
    let begin = Instant::now();
    assert_eq!(held.push("", &9u64).await.unwrap_err().code(), Some(Code::Busy));
    near.object("free").set("", &1u64).await.unwrap();
    assert!(begin.elapsed() < LONG);
    drop(hostile);
    // What it did under the lock is undone.
    held.push("", &4u64).await.unwrap();
    assert_eq!(held.get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    // One that keeps all bytes locked by which others are known to be alive, as even a reader can: the server starts again,
    // with all that was acknowledged.
    let _hostile = place.hostile("bytes", READ, Some(OTHER)).await;
    place.restart();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    near.object("list").push("", &5u64).await.unwrap();
    near.map(true).await.unwrap().open::<Vec<u64>>("list").unwrap().push(6).unwrap();
    assert_eq!(near.object("list").len("").await.unwrap(), Some(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_another_user_share_objects_with_remote_ones() {
    if !another_user_can_be_had("programs_of_another_user_share_objects_with_remote_ones") {
        return;
    }
    let place = Place::new().await;
    let near = place.near().await;
    let mut honest = place.hostile("honest", WRITE, Some(OTHER)).await;
    // It has pushed one, waits for one of ours, and pushes another.
    near.object("list").push("", &5u64).await.unwrap();
    honest.until("seen");
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4, 5, 6]));
    honest.go_on();
    honest.end();
    // Of a shared service it gets nothing.
    place.client().await.service("acme", "shared").create(Mode::Shared, None).await.unwrap();
    place.hostile("stranger", WRITE, Some(OTHER)).await.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_outlives_the_server_while_programs_have_it_mapped_and_a_keeper_that_is_killed() {
    let mut place = Place::new().await;
    let near = place.near().await;
    let segment = near.map(true).await.unwrap();
    let list = segment.open::<Vec<u64>>("list").unwrap();
    drop(near);
    place.daemon.kill();
    // Nobody serves, and it goes on.
    list.push(4).unwrap();
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    near.object("list").push("", &5u64).await.unwrap();
    assert_eq!(list.load().unwrap(), [1, 2, 3, 4, 5]);
    // The keeper that this server has is not its child: another one is, once that is gone.
    let mut killed = Vec::new();
    for round in 6..8u64 {
        let begin = Instant::now();
        let keeper = loop {
            let of_its_own = keeper_of(place.daemon.child.id());
            match of_its_own.or_else(|| keepers(&place).into_iter().find(|pid| !killed.contains(pid))) {
                Some(pid) if !killed.contains(&pid) => break pid,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
            assert!(begin.elapsed() < LONG);
        };
        // SAFETY: it kills the keeper of this test's own server.
        assert_eq!(unsafe { libc::kill(keeper, libc::SIGKILL) }, 0);
        killed.push(keeper);
        list.push(round).unwrap();
    }
    while keeper_of(place.daemon.child.id()).is_none_or(|pid| killed.contains(&pid)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.restart();
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some((1..8).collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_no_server_can_find_any_more_ends() {
    let mut place = Place::new().await;
    let keeper = place.keeper();
    place.daemon.kill();
    std::fs::remove_dir_all(place.dir.path().join("data")).unwrap();
    let begin = Instant::now();
    while is_keeper(keeper) {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_in_memory_has_a_checkpoint_as_soon_as_it_is_made() {
    let place = Place::new().await;
    let client = place.client().await;
    // Several: one alone could have had one by the clock.
    for number in 0..5 {
        let made = client.service("acme", &format!("new{number}")).create(Mode::Isolated, None).await.unwrap();
        let checkpoint = place.dir.path().join(format!("data/services/{}.checkpoint", made.id));
        let segment = commy::Segment::options().read_only(true).open(checkpoint).unwrap();
        assert!(segment.check().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_of_power_there_is_what_the_last_checkpoint_has() {
    let mut place = Place::new().await;
    place.checkpoint();
    place.near().await.object("list").push("", &4u64).await.unwrap();
    place.checkpoint();
    let keeper = place.keeper();
    // As nothing in memory outlives that.
    place.daemon.kill();
    // SAFETY: it kills the keeper of this test's own server.
    assert_eq!(unsafe { libc::kill(keeper, libc::SIGKILL) }, 0);
    while !keepers(&place).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_in_order_leaves_no_keeper_and_loses_nothing() {
    let mut place = Place::new().await;
    place.near().await.object("list").push("", &4u64).await.unwrap();
    let keeper = place.keeper();
    // SAFETY: it ends the server of this test.
    assert_eq!(unsafe { libc::kill(place.daemon.child.id() as i32, libc::SIGTERM) }, 0);
    assert!(place.daemon.child.wait().unwrap().success());
    let begin = Instant::now();
    while is_keeper(keeper) {
        assert!(begin.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    place.daemon = Place::start(&place.dir);
    let near = place.near().await;
    assert_eq!(near.object("list").get::<Vec<u64>>("").await.unwrap(), Some(vec![1, 2, 3, 4]));
    // What is deleted is gone.
    near.delete().await.unwrap();
    assert_eq!(std::fs::read_dir(place.dir.path().join("data/services")).unwrap().count(), 0);
}

//! Waiting in tasks of tokio: nothing is slept through, and what a cancelled task waited for is not lost.
#![cfg(feature = "tokio")]

mod common;

use common::{LONG, Player, Stage, play, segment, text};
use commy::{Error, Segment, Shared};
use std::collections::VecDeque;
use std::time::Duration;

#[test]
fn role() {
    play(&[("producer", producer)]);
}

const ITEMS: u64 = 2000;

/// Puts numbers into the queue.
fn producer(stage: &Stage) {
    let queue: Shared<VecDeque<u64>> = Segment::open(stage.path(0)).expect("open").open("queue").expect("queue");
    (0..ITEMS).for_each(|number| queue.push_back(number).expect("push"));
}

fn run<R>(work: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("runtime").block_on(work)
}

#[test]
fn each_element_comes_to_exactly_one_of_the_tasks_that_wait() {
    let (_folder, path, segment) = segment(1 << 26);
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    let sum = run(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move {
                    let mut sum = 0;
                    while let Some(number) = queue.pop_front_wait_async(LONG).await.expect("pop") {
                        if number == u64::MAX {
                            break;
                        }
                        sum += number;
                    }
                    sum
                })
            })
            .collect();
        let producer = Player::start("producer", &[text(&path)]);
        tokio::task::spawn_blocking(move || producer.end_well()).await.expect("producer");
        queue.extend([u64::MAX; 4]).expect("push");
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("a task");
        }
        sum
    });
    assert_eq!(sum, (0..ITEMS).sum::<u64>());
}

#[test]
fn a_cancelled_wait_takes_nothing_out() {
    let (_folder, _path, segment) = segment(1 << 24);
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    run(async {
        for number in 0..20 {
            // Cancelled while it sleeps, on an empty queue.
            let cancelled =
                tokio::time::timeout(Duration::from_millis(2), queue.pop_front_wait_async(Duration::from_secs(1)));
            assert!(cancelled.await.is_err());
            queue.push_back(number).expect("push");
            assert_eq!(queue.pop_back_wait_async(LONG).await.expect("pop"), Some(number));
        }
        assert_eq!(queue.pop_front_wait_async(Duration::from_millis(1)).await.expect("pop"), None);
    });
}

#[test]
fn a_queue_that_stays_locked_is_an_error_when_the_time_has_passed() {
    let (_folder, path, segment) = segment(1 << 24);
    let queue: Shared<VecDeque<u64>> = segment.open_or_create("queue").expect("queue");
    queue.push_back(1).expect("push");
    let other: Shared<VecDeque<u64>> = Segment::open(&path).expect("open").open("queue").expect("queue");
    let guard = other.read().expect("lock");
    let waited = run(async {
        let queue = queue.clone();
        tokio::spawn(async move { queue.pop_front_wait_async(Duration::from_millis(20)).await }).await.expect("a task")
    });
    assert!(matches!(waited, Err(Error::LockTimeout { .. })), "{waited:?}");
    drop(guard);
    assert_eq!(queue.pop_front().expect("pop"), Some(1));
}

#[test]
fn a_change_by_another_wakes_the_task() {
    let (_folder, _path, segment) = segment(1 << 24);
    let number: Shared<u64> = segment.open_or_create("number").expect("number");
    run(async {
        let version = number.version();
        assert_eq!(number.wait_async(version, Duration::from_millis(1)).await.expect("wait"), version);
        let other = number.clone();
        let task = tokio::spawn(async move { other.wait_async(version, LONG).await });
        number.store(1).expect("store");
        assert!(task.await.expect("a task").expect("wait") > version);
    });
}

//! A thread that stays awake for a moment after many requests came at once.
//!
//! ```text
//!            requests, many at once        more of them
//! client     ----->        <answers-   ---->
//! thread     .......|work work|looking|work work|looking ... LINGER|asleep
//! ```
//!
//! Who sends many requests at once sends the next when it has the answers, some ten microseconds later. To fall asleep
//! and be woken in between takes both sides as long as serving them. It is not done after requests that come alone:
//! then the client's processor would do nothing while another is busy looking.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// For how long more is looked for.
const LINGER: Duration = Duration::from_micros(50);

/// What a thread knows of this.
struct Bursts {
    /// How often many requests came at once.
    count: Cell<u64>,
    /// Who is to be told of the next time.
    asleep: Cell<Option<Waker>>,
}

thread_local! {
    static BURSTS: Bursts = const { Bursts { count: Cell::new(0), asleep: Cell::new(None) } };
}

fn count() -> u64 {
    BURSTS.with(|bursts| bursts.count.get())
}

/// Many requests came at once, on this thread.
pub fn note_burst() {
    BURSTS.with(|bursts| {
        bursts.count.set(bursts.count.get() + 1);
        if let Some(waker) = bursts.asleep.take() {
            waker.wake();
        }
    });
}

/// Keeps this thread's runtime awake while there is reason to; a task of its own.
pub(super) async fn stay_awake() {
    let mut seen = count();
    loop {
        poll_fn(|cx| {
            if count() != seen {
                return Poll::Ready(());
            }
            BURSTS.with(|bursts| bursts.asleep.set(Some(cx.waker().clone())));
            Poll::Pending
        })
        .await;
        let mut since = Instant::now();
        while since.elapsed() < LINGER {
            // The runtime looks for what has come, without waiting for it.
            tokio::task::yield_now().await;
            if count() != seen {
                (seen, since) = (count(), Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_thread_falls_asleep_a_while_after_many_requests_came_at_once() {
        let fell_asleep = Arc::new(Mutex::new(Vec::new()));
        let noting = fell_asleep.clone();
        let note = move || noting.lock().unwrap().push(Instant::now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(note).build().unwrap();
        runtime.block_on(async {
            tokio::spawn(stay_awake());
            for _ in 0..10 {
                // It is asleep before each.
                while fell_asleep.lock().unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let begin = Instant::now();
                note_burst();
                fell_asleep.lock().unwrap().clear();
                while fell_asleep.lock().unwrap().is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let first = fell_asleep.lock().unwrap()[0];
                assert!(first - begin >= LINGER, "it looked for {:?}", first - begin);
            }
        });
    }
}

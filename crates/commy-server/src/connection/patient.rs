//! Work that would hold up the thread on which it is done: it is done on others, of which there are only so many.

use crate::failure::{Result, fail};
use commy_wire::{Code, Reply};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Threads for such work.
const THREADS: usize = 16;

/// Those threads.
#[derive(Clone)]
pub struct Patient(Arc<Semaphore>);

impl Patient {
    pub fn new() -> Patient {
        Patient(Arc::new(Semaphore::new(THREADS)))
    }

    /// Does work that takes long, or waits for a lock that somebody holds for long, for at most so long.
    pub async fn run(&self, patience: Duration, work: impl Fn() -> Result<Reply> + Send + 'static) -> Result<Reply> {
        let start = Instant::now();
        let Ok(Ok(turn)) = tokio::time::timeout(patience, self.0.clone().acquire_owned()).await else {
            return Err(fail(Code::Busy, "the server has too much to wait for; try again"));
        };
        let work = move || {
            let _turn = turn;
            loop {
                match work() {
                    Err(failure) if failure.code == Code::Busy && start.elapsed() < patience => {}
                    done => return done,
                }
            }
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(fail(Code::Internal, "the request could not be done")))
    }
}

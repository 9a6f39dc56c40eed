//! The threads that serve connections: half as many as there are processors, each with a runtime of its own.
//!
//! ```text
//! accepting task --connection--> the thread that serves the fewest --> there it stays to its end
//! ```
//!
//! A runtime that shares its tasks among threads wakes another thread with almost every frame, and has it look for
//! work that is done by then. Connections are many and alike, so that dealing them out once is as even. What would hold up
//! a thread is done elsewhere (`connection::patient`).

use super::awake::stay_awake;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// One of the threads.
struct Thread {
    work: UnboundedSender<BoxFuture<'static, ()>>,
    /// How many connections it serves.
    serving: Arc<AtomicUsize>,
}

/// The threads. They end when this is dropped, and so does what they serve.
pub struct Threads(Vec<Thread>);

/// One more connection of a thread, for as long as it is held.
#[derive(Debug)]
pub struct Served(Arc<AtomicUsize>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Threads {
    /// Starts so many.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(many: usize) -> std::io::Result<Threads> {
        let mut threads = Vec::new();
        // The only processor has better things to do than to wait for what another one sends.
        let several = std::thread::available_parallelism().is_ok_and(|many| many.get() > 1);
        for number in 0..many.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (work, mut received) = unbounded_channel::<BoxFuture<'static, ()>>();
            let serve = async move {
                if several {
                    tokio::spawn(stay_awake());
                }
                while let Some(connection) = received.recv().await {
                    tokio::spawn(connection);
                }
            };
            let run = move || runtime.block_on(serve);
            std::thread::Builder::new().name(format!("commy-serve-{number}")).spawn(run)?;
            threads.push(Thread { work, serving: Arc::default() });
        }
        Ok(Threads(threads))
    }

    /// Has the one that serves the fewest do what `work` makes, which holds what it is given for as long as it serves.
    pub fn serve<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Served) -> F) {
        let Some(least) = self.0.iter().min_by_key(|thread| thread.serving.load(Relaxed)) else { return };
        least.serving.fetch_add(1, Relaxed);
        // Nobody takes it only if the thread is gone: then the connection is closed by being dropped.
        let _ = least.work.send(Box::pin(work(Served(least.serving.clone()))));
    }
}

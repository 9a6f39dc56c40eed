//! Watches: what changes, told as it comes.
//!
//! Events wait in a queue with [`MOST`] places until they are asked for. If it is full, the server is told to stop; when
//! the queue has been emptied it is asked to go on, since the version that was told last. So a program that is slow takes
//! up no more room than that, and is told if it has missed something.

use crate::connection::{Client, Command, closed};
use crate::error::{Error, Result};
use crate::typed::from_json;
use commy_wire::{Call, Change, Event, Request};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Notify;

/// Events that wait to be asked for.
const MOST: usize = 64;

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug)]
struct State {
    /// What names the watch now.
    id: u64,
    events: VecDeque<Event>,
    /// The version that the program knows when it has taken all events.
    since: Option<u64>,
    paused: bool,
    ended: Option<Option<Error>>,
}

impl Queue {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's side of a watch.
#[derive(Debug)]
pub(crate) struct Following {
    service: String,
    watch: commy_wire::Watch,
    queue: Weak<Queue>,
}

impl Following {
    pub fn renumber(&self, id: u64) {
        if let Some(queue) = self.queue.upgrade() {
            let mut state = queue.state();
            state.id = id;
        }
    }

    /// The request that begins it, since the version that is known.
    pub fn request(&self, id: u64) -> Request {
        let since = self.queue.upgrade().and_then(|queue| {
            let mut state = queue.state();
            state.paused = false;
            state.since
        });
        let watch = commy_wire::Watch { since, ..self.watch.clone() };
        Request { id, service: Some(self.service.clone()), call: Call::Watch(watch) }
    }

    /// Whether somebody has the watch.
    pub fn is_held(&self) -> bool {
        self.queue.strong_count() > 0
    }

    /// Whether it waits to be asked to go on.
    pub fn is_paused(&self) -> bool {
        self.queue.upgrade().is_some_and(|queue| queue.state().paused)
    }

    /// Whether nothing comes after an event.
    pub fn is_over(&self, event: &Event) -> bool {
        matches!(event, Event::Removed {} | Event::Ended { .. })
    }

    /// Takes an event; gives whether more can come.
    pub fn give(&self, event: Event) -> bool {
        let Some(queue) = self.queue.upgrade() else { return false };
        let mut state = queue.state();
        if state.paused {
            return true;
        }
        match &event {
            Event::Value { version, .. } | Event::Lagged { version, .. } => state.since = Some(*version),
            Event::Changes { resume, .. } => state.since = Some(*resume),
            Event::Removed {} => state.ended = Some(None),
            Event::Ended { code, message } => {
                state.ended = Some(Some(Error::Failed(commy_wire::Failure::new(*code, message.clone()))));
            }
            _ => {}
        }
        if !self.is_over(&event) {
            state.events.push_back(event);
        }
        state.paused = state.events.len() >= MOST;
        let more = !state.paused;
        drop(state);
        queue.news.notify_one();
        more
    }

    /// Ends it.
    pub fn end(&self, error: Error) {
        if let Some(queue) = self.queue.upgrade() {
            queue.state().ended = Some(Some(error));
            queue.news.notify_one();
        }
    }
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// The newest value; `None` if nothing is there.
    Value {
        /// The value.
        value: Option<Json>,
        /// The object's version.
        version: u64,
    },
    /// Every change that came next, in order.
    Changes(Vec<Change>),
    /// Changes were missed: this is the value now, and later changes follow.
    Lagged {
        /// How many, at least.
        missed: u64,
        /// The value.
        value: Option<Json>,
        /// The object's version.
        version: u64,
    },
}

impl Update {
    /// The value that it tells, as a type.
    ///
    /// # Errors
    /// [`Error::Value`] if it is none of that type.
    pub fn value<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        match self {
            Update::Value { value: Some(value), .. } | Update::Lagged { value: Some(value), .. } => {
                from_json(value.clone()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// A watch; it ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    queue: Arc<Queue>,
    every_change: bool,
}

impl Watch {
    pub(crate) async fn begin(client: Client, service: String, watch: commy_wire::Watch) -> Result<Watch> {
        let state = State { id: 0, events: VecDeque::new(), since: watch.since, paused: false, ended: None };
        let queue = Arc::new(Queue { state: Mutex::new(state), news: Notify::new() });
        let following = Following { service, watch, queue: Arc::downgrade(&queue) };
        let (answer, answered) = tokio::sync::oneshot::channel();
        client.command(Command::Watch { following, answer }).await?;
        let mut watch = Watch { client, queue, every_change: false };
        match answered.await.unwrap_or_else(|_| Err(closed()))? {
            (_, commy_wire::Reply::Watching { every_change, .. }) => {
                watch.every_change = every_change;
                Ok(watch)
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// Whether it tells every change, in order, since the object keeps its changes.
    pub fn every_change(&self) -> bool {
        self.every_change
    }

    /// The next that there is to tell; `None` when the object was removed.
    ///
    /// # Errors
    /// [`Error::Failed`] when it was ended by the server, for a permission was revoked; [`Error::Closed`].
    pub async fn next(&mut self) -> Result<Option<Update>> {
        loop {
            let go_on = {
                let mut state = self.queue.state();
                if let Some(event) = state.events.pop_front() {
                    let value = |found: bool, value: Json| found.then_some(value);
                    return Ok(Some(match event {
                        Event::Value { found, value: told, version } => {
                            Update::Value { value: value(found, told), version }
                        }
                        Event::Lagged { missed, found, value: told, version } => {
                            Update::Lagged { missed, value: value(found, told), version }
                        }
                        Event::Changes { changes, .. } => Update::Changes(changes),
                        _ => continue,
                    }));
                }
                match state.ended.take() {
                    Some(None) => {
                        state.ended = Some(None);
                        return Ok(None);
                    }
                    Some(Some(error)) => {
                        state.ended = Some(Some(Error::Closed("the watch has ended".into())));
                        return Err(error);
                    }
                    None => {}
                }
                state.paused.then_some(state.id)
            };
            if let Some(id) = go_on {
                self.client.command(Command::GoOn(id)).await?;
            }
            tokio::select! {
                () = self.queue.news.notified() => {}
                // The task is gone, with nobody left to tell.
                () = self.client.gone() => return Err(closed()),
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let id = self.queue.state().id;
        self.client.try_command(Command::Unwatch(id));
    }
}

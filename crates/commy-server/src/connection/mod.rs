//! A client: one task, which reads its frames, answers them, and tells it what its watches find.
//!
//! ```text
//! a frame --> request --> allowed? --> done at once ------------------------> answer
//!                              \-----> later: waits, or takes long (slow) --> answer, when it is there
//! marks of watches that were set ---> look at the object ------------------> events
//! ```
//!
//! What is there to be read is read and answered before anything is flushed, so that many small requests go out and come
//! back together. Nothing is kept for a client that does not read: then its task waits for it, at most as long as
//! an idle client may be silent, and reads nothing of it; its watches have marks only (`services::hub`).

mod administration;
mod calls;
#[cfg(unix)]
mod mapping;
mod objects;
mod patient;
mod session;
mod watches;

pub use patient::Patient;

use crate::failure::{Result, fail};
use crate::identity::{Peer, identify};
use crate::server::{Shared, stopped};
use crate::services::too_large;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use calls::Doing;
use commy_wire::{Call, Code, Encoding, Event, Failure, Message, Reply, Request, Welcome, decode, encode};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Sink, SinkExt, StreamExt};
use session::Session;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use watches::Watches;

/// Frames that are read before what they gave goes out.
const AT_ONCE: usize = 64;
/// Bytes that are kept back until there is nothing more to read.
const KEPT_BACK: usize = 256 << 10;

/// Why a connection ends.
struct End(Option<(u16, String)>);

/// The client is gone, or does not read.
const GONE: End = End(None);

fn end(code: u16, reason: impl Into<String>) -> End {
    End(Some((code, reason.into())))
}

/// An answer that comes later.
type Later = BoxFuture<'static, (u64, Encoding, Result<Reply>)>;

/// A client.
struct Connection {
    shared: Arc<Shared>,
    socket: WebSocket,
    session: Session,
    slow: FuturesUnordered<Later>,
    watches: Watches,
    /// Bytes written and not yet flushed.
    pending: usize,
    /// Whether anything was heard since the time was last looked at, and when that was known last. No clock is read for
    /// a frame.
    spoke: bool,
    heard: Instant,
    pinged: bool,
}

/// Serves a client to the end.
pub async fn serve(shared: Arc<Shared>, mut socket: WebSocket, peer: Peer) {
    let metrics = &shared.metrics;
    metrics.accepted.fetch_add(1, Relaxed);
    metrics.connections.fetch_add(1, Relaxed);
    let patience = Duration::from_secs(shared.config.limits.authenticate);
    let begun = tokio::select! {
        begun = tokio::time::timeout(patience, greet(&shared, &mut socket, peer)) => {
            begun.unwrap_or_else(|_| Err(end(close_code::POLICY, "nothing was heard in time")))
        }
        () = stopped(shared.stopping.subscribe()) => Err(end(close_code::AWAY, "the server is stopping")),
    };
    let ended = match begun {
        Ok(session) => {
            let watches = Watches::new(shared.clone());
            let connection = Connection {
                shared: shared.clone(),
                socket,
                session,
                slow: FuturesUnordered::new(),
                watches,
                pending: 0,
                spoke: false,
                heard: Instant::now(),
                pinged: false,
            };
            connection.run().await
        }
        Err(reason) => (socket, reason),
    };
    if let (mut socket, End(Some((code, reason)))) = ended {
        let close = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
        let farewell = async {
            let _ = socket.send(close).await;
            // What the client has sent meanwhile is read, or the system would throw away our last words.
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }
    metrics.connections.fetch_sub(1, Relaxed);
}

/// The message in a frame, and how it was written.
fn read(frame: &Frame) -> Option<Result<(Request, Encoding)>> {
    let (encoding, bytes): (_, &[u8]) = match frame {
        Frame::Text(text) => (Encoding::Json, text.as_bytes()),
        Frame::Binary(bytes) => (Encoding::Cbor, bytes),
        _ => return None,
    };
    let request = decode(encoding, bytes).map_err(|error| fail(Code::BadFrame, error.to_string()));
    Some(request.map(|request| (request, encoding)))
}

fn frame(encoding: Encoding, message: &Message) -> Frame {
    let bytes = encode(encoding, message);
    match encoding {
        Encoding::Cbor => Frame::Binary(bytes.into()),
        // What is written as JSON is UTF-8.
        Encoding::Json => Frame::Text(String::from_utf8(bytes).unwrap_or_default().into()),
    }
}

fn length_of(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}

fn encoding_of(frame: &Frame) -> Encoding {
    if matches!(frame, Frame::Binary(_)) { Encoding::Cbor } else { Encoding::Json }
}

/// Waits for the first request, which must say who the client is.
async fn greet(shared: &Arc<Shared>, socket: &mut WebSocket, peer: Peer) -> Result<Session, End> {
    loop {
        let first = match socket.next().await {
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => continue,
            Some(Ok(first)) => first,
            _ => return Err(GONE),
        };
        let encoding = encoding_of(&first);
        let asked = match read(&first) {
            Some(Ok((Request { id, call, .. }, _))) => {
                shared.metrics.request(&call);
                let done = match call {
                    Call::Authenticate(asked) => welcome(shared, peer, &asked),
                    _ => Err(fail(Code::Unauthenticated, "the first request must be authenticate")),
                };
                done.map(|done| (id, done)).map_err(|failure| (Some(id), failure))
            }
            Some(Err(failure)) => Err((None, failure)),
            None => return Err(GONE),
        };
        match asked {
            Ok((id, (session, welcome))) => {
                let message = Message::Reply { id, result: Reply::Welcome(welcome) };
                socket.send(frame(encoding, &message)).await.map_err(|_| GONE)?;
                return Ok(session);
            }
            Err((id, failure)) => {
                shared.metrics.failure(failure.code);
                let subject = match peer {
                    Peer::Network => "over the network".to_owned(),
                    Peer::User(user) => format!("user {user}"),
                };
                let audited = crate::catalog::Audited { tenant: None, subject, detail: failure.message.clone() };
                shared.denials.note(None, "authenticate", audited);
                let reason = failure.message.clone();
                let message = Message::Error(Failure { id, ..failure });
                let _ = socket.send(frame(encoding, &message)).await;
                return Err(end(close_code::POLICY, reason));
            }
        }
    }
}

/// Finds out who it is, and whether there is room for one more connection of that one.
fn welcome(shared: &Arc<Shared>, peer: Peer, asked: &commy_wire::Authenticate) -> Result<(Session, Welcome)> {
    if asked.protocol != commy_wire::PROTOCOL {
        let text = format!("this server speaks version {}, not {}", commy_wire::PROTOCOL, asked.protocol);
        return Err(fail(Code::ProtocolVersion, text));
    }
    let policy = shared.catalog.policy();
    let identity = identify(&policy, &shared.catalog.clock, shared.tokens.as_ref(), &asked.credentials, peer)?;
    let limits = &shared.config.limits;
    let usage = shared.usages.of(identity.principal);
    let place = usage.connect(limits.connections);
    let place = place.ok_or_else(|| fail(Code::TooMany, "this principal has all the connections that it may have"))?;
    let welcome = Welcome {
        protocol: commy_wire::PROTOCOL,
        server: env!("CARGO_PKG_VERSION").into(),
        principal: identity.principal,
        name: policy.principals.get(&identity.principal).map(|one| one.name.clone()).unwrap_or_default(),
        max_frame: limits.frame as u64,
        max_batch: limits.batch as u32,
        max_in_flight: limits.in_flight as u32,
        idle_ms: limits.idle * 1000,
    };
    Ok((Session::new(shared.clone(), identity, policy, usage, peer, place), welcome))
}

/// Waits for the next epoch of the policy; gives what the one after it is waited for with.
async fn changed(mut news: watch::Receiver<u64>) -> watch::Receiver<u64> {
    if news.changed().await.is_err() {
        // The catalog is gone, and with it the server.
        std::future::pending::<()>().await;
    }
    news
}

/// Waits for the client to read, as long as it may be silent, or until the server stops.
async fn patiently(shared: &Shared, written: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    let patience = Duration::from_secs(shared.config.limits.idle) * 3;
    tokio::select! {
        written = tokio::time::timeout(patience, written) => match written {
            Ok(written) => written.map_err(|_| GONE),
            Err(_) => Err(GONE),
        },
        () = stopped(shared.stopping.subscribe()) => Err(GONE),
    }
}

impl Connection {
    async fn run(mut self) -> (WebSocket, End) {
        let reason = match self.work().await {
            Ok(()) => GONE,
            Err(reason) => reason,
        };
        (self.socket, reason)
    }

    async fn work(&mut self) -> Result<(), End> {
        // Made once and waited for again and again: waiting anew for each frame would take locks that all connections share.
        let mut stopping = pin!(stopped(self.shared.stopping.subscribe()));
        let mut news = pin!(changed(self.shared.catalog.news()));
        let wake = self.watches.wake();
        let mut woken = pin!(wake.notified());
        let mut tick = tokio::time::interval(Duration::from_secs(1).min(self.idle()));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    let mut next = Some(frame);
                    for _ in 0..AT_ONCE {
                        match next.take() {
                            Some(Some(Ok(frame))) => self.hear(frame).await?,
                            Some(_) => return Ok(()),
                            None => break,
                        }
                        next = self.socket.next().now_or_never();
                    }
                    if let Some(last) = next {
                        match last {
                            Some(Ok(frame)) => self.hear(frame).await?,
                            _ => return Ok(()),
                        }
                    }
                }
                Some((id, encoding, done)) = self.slow.next(), if !self.slow.is_empty() => {
                    self.answer(id, encoding, done).await?;
                }
                () = &mut woken => {
                    woken.set(wake.notified());
                    self.tell().await?;
                }
                next = &mut news => {
                    news.set(changed(next));
                    self.session.renew()?;
                    self.watches.recheck(&mut self.session);
                    self.tell().await?;
                }
                _ = tick.tick() => self.look_at_the_time().await?,
                () = &mut stopping => {
                    return Err(end(close_code::AWAY, "the server is stopping"));
                }
            }
            self.flush().await?;
        }
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(self.shared.config.limits.idle)
    }

    async fn look_at_the_time(&mut self) -> Result<(), End> {
        if !self.session.is_valid() {
            return Err(end(close_code::POLICY, "the credentials have expired"));
        }
        if std::mem::take(&mut self.spoke) {
            (self.heard, self.pinged) = (Instant::now(), false);
        }
        let silence = self.heard.elapsed();
        if silence > self.idle() * 3 {
            return Err(GONE);
        }
        if silence > self.idle() && !self.pinged {
            self.pinged = true;
            self.write(Frame::Ping(Default::default())).await?;
        }
        Ok(())
    }

    /// Writes a frame, which goes out with the next flush.
    async fn write(&mut self, frame: Frame) -> Result<(), End> {
        self.pending += length_of(&frame) + 16;
        let room = std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_ready(cx));
        match room.now_or_never() {
            Some(room) => room.map_err(|_| GONE)?,
            None => {
                let room = std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_ready(cx));
                patiently(&self.shared, room).await?;
            }
        }
        Pin::new(&mut self.socket).start_send(frame).map_err(|_| GONE)?;
        if self.pending > KEPT_BACK { self.flush().await } else { Ok(()) }
    }

    /// Has the client read what was written.
    async fn flush(&mut self) -> Result<(), End> {
        if self.pending == 0 {
            return Ok(());
        }
        self.pending = 0;
        if let Some(flushed) = self.socket.flush().now_or_never() {
            return flushed.map_err(|_| GONE);
        }
        patiently(&self.shared, self.socket.flush()).await
    }

    async fn answer(&mut self, id: u64, encoding: Encoding, done: Result<Reply>) -> Result<(), End> {
        let is_given = done.is_ok();
        let message = match done {
            Ok(result) => Message::Reply { id, result },
            Err(failure) => {
                self.shared.metrics.failure(failure.code);
                Message::Error(Failure { id: Some(id), ..failure })
            }
        };
        let mut answer = frame(encoding, &message);
        let limit = self.shared.config.limits.frame;
        let length = length_of(&answer);
        if length > limit {
            answer = frame(encoding, &Message::Error(Failure { id: Some(id), ..too_large(length, limit) }));
        }
        self.write(answer).await?;
        if self.watches.answered(id, is_given) {
            // What changed meanwhile.
            self.watches.recheck(&mut self.session);
            self.tell().await?;
        }
        Ok(())
    }

    /// Takes a frame from the client.
    async fn hear(&mut self, frame: Frame) -> Result<(), End> {
        self.spoke = true;
        match read(&frame) {
            Some(Ok((request, encoding))) => self.request(request, encoding).await,
            Some(Err(failure)) => {
                self.shared.metrics.failure(failure.code);
                let reason = failure.message.clone();
                let message = self::frame(encoding_of(&frame), &Message::Error(failure));
                self.write(message).await?;
                self.flush().await?;
                Err(end(close_code::POLICY, reason.chars().take(100).collect::<String>()))
            }
            None if matches!(frame, Frame::Close(_)) => Err(GONE),
            None => {
                // The answer to a ping was written by whoever read it, and is to go out.
                self.pending += 1;
                Ok(())
            }
        }
    }

    async fn request(&mut self, request: Request, encoding: Encoding) -> Result<(), End> {
        self.shared.metrics.request(&request.call);
        let id = request.id;
        let doing = match &request.call {
            Call::Watch(watch) => match self.session.allow(&request).and_then(|()| self.session.service(&request)) {
                Ok((row, service)) => Doing::Done(self.watches.add(id, encoding, row, service, watch)),
                Err(failure) => Doing::Done(Err(failure)),
            },
            Call::Unwatch(unwatch) => Doing::Done(self.watches.remove(unwatch.watch)),
            Call::Map(_) => match self.session.allow(&request).and_then(|()| self.session.service(&request)) {
                Ok((row, service)) => match self.watches.add_mapped(id, encoding, row, service) {
                    Ok(()) => self.session.begin(request),
                    Err(failure) => Doing::Done(Err(failure)),
                },
                Err(failure) => Doing::Done(Err(failure)),
            },
            _ => self.session.begin(request),
        };
        match doing {
            Doing::Done(done) => self.answer(id, encoding, done).await,
            Doing::Later(work) => {
                self.slow.push(work.map(move |done| (id, encoding, done)).boxed());
                Ok(())
            }
        }
    }

    /// Tells the client what its watches find.
    async fn tell(&mut self) -> Result<(), End> {
        for (watch, encoding, event) in self.watches.take_over() {
            self.tell_one(watch, encoding, event).await?;
        }
        let mut last = None;
        while let Some((watch, encoding, event)) = self.watches.next(last) {
            self.tell_one(watch, encoding, event).await?;
            last = Some(watch);
        }
        Ok(())
    }

    async fn tell_one(&mut self, watch: u64, encoding: Encoding, event: Event) -> Result<(), End> {
        self.shared.metrics.events.fetch_add(1, Relaxed);
        let mut event = frame(encoding, &Message::Event { watch, event });
        let (length, limit) = (length_of(&event), self.shared.config.limits.frame);
        if length > limit {
            let Failure { code, message, .. } = too_large(length, limit);
            let _ = self.watches.remove(watch);
            event = frame(encoding, &Message::Event { watch, event: Event::Ended { code, message } });
        }
        self.write(event).await
    }
}

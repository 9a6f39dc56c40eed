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
mod brief;
mod calls;
#[cfg(unix)]
mod mapping;
mod objects;
mod patient;
mod session;
mod socket;
mod watches;

pub use patient::Patient;
pub use socket::Socket;

use crate::failure::{Result, fail};
use crate::identity::{Peer, identify};
use crate::listen::note_burst;
use crate::server::{Shared, stopped};
use crate::services::too_large;
use brief::Brief;
use calls::Doing;
use commy_wire::{
    Broken, Call, Code, Encoding, Event, Failure, Frame, Malformed, Message, Reply, Request, Welcome, decode,
};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use session::Session;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use watches::Watches;

/// Frames that are read before what they gave goes out.
const AT_ONCE: usize = 64;
/// After so many times that something was there to be read, the rest is looked at first.
const TURNS: u8 = 8;
/// So many frames that were read at once are a sign that more will soon be there.
const BURST: usize = 4;
/// Bytes that are kept back until there is nothing more to read.
const KEPT_BACK: usize = 256 << 10;

/// The code that a connection is closed with when the server stops,
const AWAY: u16 = 1001;
/// and when a client does or has not what it must.
const POLICY: u16 = 1008;

/// Why a connection ends.
struct End(Option<(u16, String)>);

/// The client is gone, or does not read.
const GONE: End = End(None);

fn end(code: u16, reason: impl Into<String>) -> End {
    End(Some((code, reason.into())))
}

/// What it sent is no WebSocket.
fn broken(broken: Broken) -> End {
    end(broken.code(), broken.to_string())
}

/// A client.
struct Connection {
    shared: Arc<Shared>,
    socket: Socket,
    session: Session,
    happenings: Happenings,
    /// Times that something was read since the happenings were looked at.
    turns: u8,
    /// Whether there may be more of what was read.
    more: bool,
    watches: Watches,
    /// Whether the last request was one of those that are tried to be done `brief`ly.
    brief: bool,
    /// Whether the watches are to be looked at, since what may be watched has changed.
    recheck: bool,
    /// Whether anything was heard since the time was last looked at, and when that was known last. No clock is read for
    /// a frame.
    spoke: bool,
    heard: Instant,
    pinged: bool,
}

/// Serves a client to the end.
pub async fn serve(shared: Arc<Shared>, mut socket: Socket, peer: Peer) {
    let metrics = &shared.metrics;
    metrics.accepted.fetch_add(1, Relaxed);
    metrics.connections.fetch_add(1, Relaxed);
    let patience = Duration::from_secs(shared.config.limits.authenticate);
    let begun = tokio::select! {
        begun = tokio::time::timeout(patience, greet(&shared, &mut socket, peer)) => {
            begun.unwrap_or_else(|_| Err(end(POLICY, "nothing was heard in time")))
        }
        () = stopped(shared.stopping.subscribe()) => Err(end(AWAY, "the server is stopping")),
    };
    let ended = match begun {
        Ok(session) => {
            let watches = Watches::new(shared.clone());
            let connection = Connection {
                shared: shared.clone(),
                socket,
                session,
                happenings: Happenings(FuturesUnordered::new()),
                turns: 0,
                more: false,
                watches,
                brief: false,
                recheck: false,
                spoke: false,
                heard: Instant::now(),
                pinged: false,
            };
            connection.run().await
        }
        Err(reason) => (socket, reason),
    };
    if let (mut socket, End(Some((code, reason)))) = ended {
        socket.close(Some(code), &reason);
        let farewell = async {
            if flush(&mut socket).await.is_ok() {
                socket.ended().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    }
    metrics.connections.fetch_sub(1, Relaxed);
}

/// Has the client read what was written.
async fn flush(socket: &mut Socket) -> Result<(), End> {
    std::future::poll_fn(|cx| socket.poll_flush(cx)).await.map_err(|_| GONE)
}

/// What is said of bytes that are no message.
fn no_message(error: &Malformed) -> Failure {
    fail(Code::BadFrame, error.to_string())
}

/// Waits for the first request, which must say who the client is.
async fn greet(shared: &Arc<Shared>, socket: &mut Socket, peer: Peer) -> Result<Session, End> {
    loop {
        let (encoding, first) = match socket.next().map_err(broken)? {
            Some(Frame::Message(encoding, bytes)) => {
                (encoding, decode(encoding, bytes).map_err(|error| no_message(&error)))
            }
            Some(Frame::Close(code)) => {
                socket.close(code, "");
                flush(socket).await?;
                return Err(GONE);
            }
            Some(Frame::Ping(_) | Frame::Pong) => {
                flush(socket).await?;
                continue;
            }
            None => {
                if !socket.read().await {
                    return Err(GONE);
                }
                continue;
            }
        };
        let asked = match first {
            Ok(Request { id, call, .. }) => {
                shared.metrics.request(call.number());
                let done = match call {
                    Call::Authenticate(asked) => welcome(shared, peer, &asked),
                    _ => Err(fail(Code::Unauthenticated, "the first request must be authenticate")),
                };
                done.map(|done| (id, done)).map_err(|failure| (Some(id), failure))
            }
            Err(failure) => Err((None, failure)),
        };
        match asked {
            Ok((id, (session, welcome))) => {
                socket.put(encoding, &Message::Reply { id, result: Reply::Welcome(welcome) });
                flush(socket).await?;
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
                socket.put(encoding, &Message::Error(Failure { id, ..failure }));
                return Err(end(POLICY, reason));
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

/// What a connection waits for besides its client, and what it is waited for with again.
enum Happened {
    /// The server is to stop.
    Stopping,
    /// The policy has another epoch.
    Policy(watch::Receiver<u64>),
    /// Watches may have something to tell.
    Marked,
    /// A second has gone by.
    Second(watch::Receiver<()>),
    /// The answer to this request is there.
    Answer(u64, Encoding, Result<Reply>),
}

/// What came of hearing a client.
enum Heard {
    /// All that was read is heard.
    All,
    /// There may be more of it.
    Some,
    /// It has ended the connection.
    Close,
}

/// What a connection goes on with.
enum Next {
    /// Something of the client's was read.
    Read,
    /// It is gone.
    Gone,
    /// It does not read what it is told.
    Full,
    Happened(Happened),
}

/// What it waits for. Only that is looked at of which something was heard: looking at all of it with each frame would
/// take as long as answering it.
struct Happenings(FuturesUnordered<BoxFuture<'static, Happened>>);

impl Happenings {
    fn add(&self, happening: impl Future<Output = Happened> + Send + 'static) {
        self.0.push(happening.boxed());
    }

    fn stopping(&self, stopping: watch::Receiver<bool>) {
        self.add(stopped(stopping).map(|()| Happened::Stopping));
    }

    /// Something that the server has told everybody.
    fn news<T: Send + Sync + 'static>(
        &self,
        mut news: watch::Receiver<T>,
        happened: fn(watch::Receiver<T>) -> Happened,
    ) {
        self.add(async move {
            if news.changed().await.is_err() {
                // Who told it is gone, and with it the server.
                std::future::pending::<()>().await;
            }
            happened(news)
        });
    }

    fn marked(&self, marked: Arc<Notify>) {
        self.add(async move {
            marked.notified().await;
            Happened::Marked
        });
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        match self.0.poll_next_unpin(cx) {
            Poll::Ready(Some(happened)) => Poll::Ready(happened),
            _ => Poll::Pending,
        }
    }
}

/// Waits for the client to read, as long as it may be silent, or until the server stops.
async fn patiently(shared: &Shared, socket: &mut Socket) -> Result<(), End> {
    let patience = Duration::from_secs(shared.config.limits.idle) * 3;
    tokio::select! {
        flushed = tokio::time::timeout(patience, flush(socket)) => flushed.unwrap_or(Err(GONE)),
        () = stopped(shared.stopping.subscribe()) => Err(GONE),
    }
}

impl Connection {
    async fn run(mut self) -> (Socket, End) {
        let reason = match self.work().await {
            Ok(()) => GONE,
            Err(reason) => reason,
        };
        (self.socket, reason)
    }

    async fn work(&mut self) -> Result<(), End> {
        self.happenings.stopping(self.shared.stopping.subscribe());
        self.happenings.news(self.shared.catalog.news(), Happened::Policy);
        self.happenings.marked(self.watches.wake());
        self.happenings.news(self.shared.seconds.subscribe(), Happened::Second);
        loop {
            match std::future::poll_fn(|cx| self.poll_next(cx)).await {
                Next::Gone => return Ok(()),
                Next::Full => patiently(&self.shared, &mut self.socket).await?,
                Next::Read => {
                    self.spoke = true;
                    match self.hear()? {
                        Heard::All => self.more = false,
                        Heard::Some => self.more = true,
                        Heard::Close => return self.flush().await,
                    }
                }
                Next::Happened(Happened::Stopping) => return Err(end(AWAY, "the server is stopping")),
                Next::Happened(Happened::Policy(news)) => {
                    self.happenings.news(news, Happened::Policy);
                    self.session.renew()?;
                    self.recheck = true;
                }
                Next::Happened(Happened::Marked) => {
                    self.happenings.marked(self.watches.wake());
                    self.tell().await?;
                }
                Next::Happened(Happened::Second(next)) => {
                    self.happenings.news(next, Happened::Second);
                    self.look_at_the_time()?;
                }
                Next::Happened(Happened::Answer(id, encoding, done)) => self.answer(id, encoding, done),
            }
            if std::mem::take(&mut self.recheck) {
                self.watches.recheck(&mut self.session);
                self.tell().await?;
            }
        }
    }

    /// What comes next, when the client was told what there is to tell: something of the client's, or else what happened.
    /// Every few times it is the other way round, so that who asks without end hears that its permissions were revoked, too:
    /// who has used up its turn with reading hears nothing in it, either.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.socket.pending() > 0 {
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                Poll::Pending => return Poll::Ready(Next::Full),
            }
        }
        if self.turns >= TURNS {
            self.turns = 0;
            if let Poll::Ready(happened) = self.happenings.poll_next(cx) {
                return Poll::Ready(Next::Happened(happened));
            }
        }
        let read = if self.more { Poll::Ready(true) } else { self.socket.poll_read(cx) };
        if let Poll::Ready(there) = read {
            self.turns += 1;
            return Poll::Ready(if there { Next::Read } else { Next::Gone });
        }
        self.turns = 0;
        self.happenings.poll_next(cx).map(Next::Happened)
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(self.shared.config.limits.idle)
    }

    fn look_at_the_time(&mut self) -> Result<(), End> {
        if !self.session.is_valid() {
            return Err(end(POLICY, "the credentials have expired"));
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
            self.socket.ping();
        }
        Ok(())
    }

    /// Has the client read what was written, if that is much.
    async fn make_room(&mut self) -> Result<(), End> {
        if self.socket.pending() > KEPT_BACK { self.flush().await } else { Ok(()) }
    }

    /// Has the client read what was written.
    async fn flush(&mut self) -> Result<(), End> {
        if self.socket.pending() == 0 {
            return Ok(());
        }
        match std::future::poll_fn(|cx| Poll::Ready(self.socket.poll_flush(cx))).await {
            Poll::Ready(flushed) => flushed.map_err(|_| GONE),
            Poll::Pending => patiently(&self.shared, &mut self.socket).await,
        }
    }

    /// Has an answer go out with the next flush.
    fn answer(&mut self, id: u64, encoding: Encoding, done: Result<Reply>) {
        let is_given = done.is_ok();
        let message = match done {
            Ok(result) => Message::Reply { id, result },
            Err(failure) => {
                self.shared.metrics.failure(failure.code);
                Message::Error(Failure { id: Some(id), ..failure })
            }
        };
        if let Err(length) = self.socket.put_if_it_fits(encoding, &message) {
            let failure = too_large(length, self.shared.config.limits.frame);
            self.socket.put(encoding, &Message::Error(Failure { id: Some(id), ..failure }));
        }
        // There may be something to tell of what changed meanwhile.
        self.recheck |= self.watches.answered(id, is_given);
    }

    /// Tells a client why what it has sent is the end.
    #[cold]
    fn refuse(&mut self, encoding: Encoding, failure: Failure) -> End {
        self.shared.metrics.failure(failure.code);
        let reason = failure.message.clone();
        self.socket.put(encoding, &Message::Error(failure));
        end(POLICY, reason)
    }

    /// Takes the frames that were read, as many as are taken before what they gave goes out.
    fn hear(&mut self) -> Result<Heard, End> {
        for many in 0..AT_ONCE {
            match self.socket.next() {
                Ok(Some(Frame::Message(encoding, bytes))) => {
                    let brief = if self.brief { Brief::read(encoding, bytes) } else { None };
                    let done = brief.as_ref().and_then(|brief| {
                        let done = self.session.do_brief(brief)?;
                        self.shared.metrics.request(brief.number());
                        Some((brief.id, done))
                    });
                    match done {
                        Some((id, done)) => self.answer(id, encoding, done),
                        None => match &mut decode::<Request>(encoding, bytes) {
                            Ok(request) => {
                                self.brief = Brief::is(&request.call);
                                if let Some(done) = self.request(request, encoding) {
                                    self.answer(request.id, encoding, done);
                                }
                            }
                            Err(error) => return Err(self.refuse(encoding, no_message(&*error))),
                        },
                    }
                }
                Ok(Some(Frame::Ping(_) | Frame::Pong)) => {}
                Ok(Some(Frame::Close(code))) => {
                    self.socket.close(code, "");
                    return Ok(Heard::Close);
                }
                Ok(None) => {
                    if many >= BURST {
                        note_burst();
                    }
                    return Ok(Heard::All);
                }
                Err(reason) => {
                    self.shared.metrics.failure(Code::BadFrame);
                    return Err(broken(reason));
                }
            }
            if self.socket.pending() > KEPT_BACK || self.recheck {
                break;
            }
        }
        Ok(Heard::Some)
    }

    /// Does a request. Gives what came of it, unless that comes later.
    #[inline]
    fn request(&mut self, request: &mut Request, encoding: Encoding) -> Option<Result<Reply>> {
        self.shared.metrics.request(request.call.number());
        let id = request.id;
        let doing = match &request.call {
            Call::Watch(watch) => match self.session.allow(request).and_then(|()| self.session.service(request)) {
                Ok((row, service)) => Doing::Done(self.watches.add(id, encoding, row, service, watch)),
                Err(failure) => Doing::Done(Err(failure)),
            },
            Call::Unwatch(unwatch) => Doing::Done(self.watches.remove(unwatch.watch)),
            Call::Map(_) => match self.session.allow(request).and_then(|()| self.session.service(request)) {
                Ok((row, service)) => match self.watches.add_mapped(id, encoding, row, service) {
                    Ok(()) => self.session.begin(request),
                    Err(failure) => Doing::Done(Err(failure)),
                },
                Err(failure) => Doing::Done(Err(failure)),
            },
            _ => self.session.begin(request),
        };
        match doing {
            Doing::Done(done) => Some(done),
            Doing::Later(work) => {
                self.happenings.add(work.map(move |done| Happened::Answer(id, encoding, done)));
                None
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
        if let Err(length) = self.socket.put_if_it_fits(encoding, &Message::Event { watch, event }) {
            let Failure { code, message, .. } = too_large(length, self.shared.config.limits.frame);
            let _ = self.watches.remove(watch);
            self.socket.put(encoding, &Message::Event { watch, event: Event::Ended { code, message } });
        }
        self.make_room().await
    }
}

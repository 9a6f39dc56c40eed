//! The connection: one task has it, makes it again when it is lost, and brings answers and events to who waits for them.
//!
//! ```text
//! Client --command--> task --frame--> server        a request waits in `asked` for its answer
//!        <--answer---      <--frame--               a watch waits in `watches`, for as long as somebody holds it
//! lost: what only reads is asked again; what changes fails; watches begin again since the version that they know
//! ```

use crate::error::{Error, Result};
use crate::services::Service;
use crate::transport::{Socket, Trust, open};
use crate::watch::Following;
use commy_wire::*;
use futures_util::{SinkExt, StreamExt};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;

/// Commands that may wait for the task.
const WAITING: usize = 1024;
/// Bytes of a frame from the server, at most.
const FRAME: usize = 64 << 20;
/// The pauses between attempts to connect again: from, to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Silence after which a connection is taken for lost.
const SILENCE: Duration = Duration::from_secs(120);

/// How a client connects.
#[derive(Clone, Debug)]
pub struct Options {
    authority: Option<PathBuf>,
    cbor: bool,
    patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { authority: None, cbor: true, patience: Duration::from_secs(30) }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// How long a request waits for a connection that was lost to be made again; 30 seconds unless given. The client goes
    /// on trying after that, and so do its watches.
    pub fn patience(mut self, patience: Duration) -> Options {
        self.patience = patience;
        self
    }

    /// Believe servers whose certificate is of this authority, a PEM file, too.
    pub fn authority(mut self, path: impl Into<PathBuf>) -> Options {
        self.authority = Some(path.into());
        self
    }

    /// Write messages as JSON instead of CBOR.
    pub fn json(mut self) -> Options {
        self.cbor = false;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::Failed`] if the server does not accept the credentials.
    pub async fn connect(&self, url: &str, credentials: Credentials) -> Result<Client> {
        let refused = |reason: String| Error::Connect { url: url.to_owned(), reason };
        // Nobody else shows a certificate; who comes by the Unix socket may not be able to read the file.
        let authority = self.authority.as_deref().filter(|_| url.starts_with("wss://"));
        let trust = Trust::new(authority).map_err(refused)?;
        let encoding = if self.cbor { Encoding::Cbor } else { Encoding::Json };
        let place = Place { url: url.to_owned(), trust, credentials, encoding };
        let (socket, welcome) = place.connect().await?;
        let (commands, received) = mpsc::channel(WAITING);
        let task = Task {
            place,
            received,
            asked: HashMap::new(),
            watches: HashMap::new(),
            mapped: HashMap::new(),
            next: 1,
            heard: Instant::now(),
            patience: self.patience,
        };
        tokio::spawn(task.run(socket));
        Ok(Client { commands, welcome })
    }
}

/// A client of a server. Cheap to clone; all clones are one connection, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    welcome: Welcome,
}

/// What a client tells its task.
#[derive(Debug)]
pub(crate) enum Command {
    Ask {
        service: Option<String>,
        call: Call,
        answer: oneshot::Sender<Result<Reply>>,
    },
    Watch {
        following: Following,
        answer: oneshot::Sender<Result<(u64, Reply)>>,
    },
    /// Ask for a segment; `news` is told when it is to be asked for again.
    #[cfg(unix)]
    Map {
        service: String,
        write: bool,
        news: Weak<Notify>,
        answer: oneshot::Sender<Result<(u64, Reply)>>,
    },
    /// Ask for what a watch could not take.
    GoOn(u64),
    Unwatch(u64),
}

impl Client {
    /// Connects with the default options: see [`Options::connect`].
    ///
    /// # Errors
    /// As [`Options::connect`].
    pub async fn connect(url: &str, credentials: Credentials) -> Result<Client> {
        Options::new().connect(url, credentials).await
    }

    /// What the server said at first: who the client is, and the limits.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// A service of a tenant, which may be there or not.
    pub fn service(&self, tenant: &str, name: &str) -> Service {
        Service::new(self.clone(), format!("{tenant}/{name}"))
    }

    /// Asks the server for anything.
    ///
    /// # Errors
    /// [`Error::Failed`] with what the server says; [`Error::Disconnected`]; [`Error::Closed`].
    pub async fn call(&self, service: Option<&str>, call: Call) -> Result<Reply> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Ask { service: service.map(str::to_owned), call, answer }).await?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    pub(crate) async fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| closed())
    }

    /// Waits until the connection has ended for good.
    pub(crate) async fn gone(&self) {
        self.commands.closed().await;
    }

    pub(crate) fn try_command(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }
}

pub(crate) fn closed() -> Error {
    Error::Closed("it was closed".into())
}

/// Where the server is, and who we are.
struct Place {
    url: String,
    trust: Trust,
    credentials: Credentials,
    encoding: Encoding,
}

impl Place {
    fn frame(&self, request: &Request) -> Frame {
        let bytes = encode(self.encoding, request);
        match self.encoding {
            Encoding::Cbor => Frame::binary(bytes),
            // What is written as JSON is UTF-8.
            Encoding::Json => Frame::text(String::from_utf8(bytes).unwrap_or_default()),
        }
    }

    async fn connect(&self) -> Result<(Socket, Welcome)> {
        let refused = |reason: String| Error::Connect { url: self.url.clone(), reason };
        let mut socket = open(&self.url, &self.trust, FRAME).await.map_err(refused)?;
        let asked = Authenticate { protocol: PROTOCOL, credentials: self.credentials.clone() };
        let request = Request { id: 0, service: None, call: Call::Authenticate(asked) };
        socket.send(self.frame(&request)).await.map_err(|error| refused(error.to_string()))?;
        loop {
            match socket.next().await {
                Some(Ok(frame)) => match read(&frame) {
                    Some(Message::Reply { result: Reply::Welcome(welcome), .. }) => return Ok((socket, welcome)),
                    Some(Message::Error(failure)) => return Err(Error::Failed(failure)),
                    _ => {}
                },
                Some(Err(error)) => return Err(refused(error.to_string())),
                None => return Err(refused("the server hung up".into())),
            }
        }
    }
}

fn read(frame: &Frame) -> Option<Message> {
    match frame {
        Frame::Text(text) => decode(Encoding::Json, text.as_bytes()).ok(),
        Frame::Binary(bytes) => decode(Encoding::Cbor, bytes).ok(),
        _ => None,
    }
}

/// Whether a request may be asked twice: whether it changes nothing.
fn only_reads(call: &Call) -> bool {
    match call {
        Call::Batch(batch) => batch.operations.iter().all(Operation::only_reads),
        Call::Ping(_) | Call::ServiceOpen(_) | Call::ServiceList(_) | Call::ServiceDescribe(_) => true,
        Call::ObjectList(_) | Call::ObjectDescribe(_) | Call::Get(_) | Call::Length(_) | Call::Scan(_) => true,
        Call::TenantList(_) | Call::PrincipalList(_) | Call::GroupList(_) | Call::KeyList(_) => true,
        Call::GrantList(_) | Call::AuditList(_) => true,
        _ => false,
    }
}

/// A request without its answer.
struct Asked {
    request: Request,
    answer: Answer,
}

enum Answer {
    Ask(oneshot::Sender<Result<Reply>>),
    Watch(oneshot::Sender<Result<(u64, Reply)>>),
    /// Of a watch that began again, or ended: nobody waits.
    Nobody,
}

struct Task {
    place: Place,
    received: mpsc::Receiver<Command>,
    asked: HashMap<u64, Asked>,
    watches: HashMap<u64, Following>,
    /// Who has segments that were asked for under these numbers.
    mapped: HashMap<u64, Weak<Notify>>,
    next: u64,
    heard: Instant,
    patience: Duration,
}

/// Why a connection is over.
enum Over {
    /// Nobody has the client any more.
    Dropped,
    /// It was lost.
    Lost,
}

impl Task {
    async fn run(mut self, mut socket: Socket) {
        loop {
            if let Over::Dropped = self.work(&mut socket).await {
                let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(None)).await;
                return;
            }
            drop(socket);
            // What may have changed something is not asked again.
            let (again, lost) = self.asked.drain().partition(|(_, asked)| match asked.answer {
                Answer::Ask(_) => only_reads(&asked.request.call),
                Answer::Watch(_) => true,
                Answer::Nobody => false,
            });
            self.asked = again;
            lost.into_values().for_each(|asked| give(asked.answer, asked.request.id, Err(Error::Disconnected)));
            socket = match self.reconnect().await {
                Some(socket) => socket,
                None => return,
            };
            if self.begin_again(&mut socket).await.is_err() {
                continue;
            }
        }
    }

    /// Connects again; none if nobody has the client any more, or the server does not accept it any more.
    async fn reconnect(&mut self) -> Option<Socket> {
        let (lost, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let error = match self.place.connect().await {
                Ok((socket, _)) => return Some(socket),
                Err(Error::Failed(failure)) if failure.code == Code::Unauthenticated => {
                    let ended = || Error::Closed(failure.message.clone());
                    self.fail_all(ended);
                    self.watches.drain().for_each(|(_, watch)| watch.end(ended()));
                    return None;
                }
                Err(error) => error,
            };
            // Different for each client, so that they do not come all at once.
            let mut random = [0];
            let _ = getrandom::fill(&mut random);
            let next = Instant::now() + pause.mul_f64(0.5 + f64::from(random[0]) / 512.0);
            pause = (pause * 2).min(PAUSES.1);
            loop {
                let given_up = lost + self.patience;
                if Instant::now() >= given_up {
                    let (url, reason) = (self.place.url.clone(), error.to_string());
                    self.fail_all(|| Error::Connect { url: url.clone(), reason: reason.clone() });
                }
                tokio::select! {
                    command = self.received.recv() => match command {
                        Some(command) => drop(self.note(command)),
                        None => return None,
                    },
                    () = tokio::time::sleep_until(given_up), if Instant::now() < given_up => {}
                    () = tokio::time::sleep_until(next) => break,
                }
            }
        }
    }

    /// Tells all who wait for an answer that there will be none.
    fn fail_all(&mut self, error: impl Fn() -> Error) {
        let all: Vec<(u64, Asked)> = self.asked.drain().collect();
        for (id, asked) in all {
            if matches!(asked.answer, Answer::Watch(_)) {
                self.watches.remove(&id);
            }
            give(asked.answer, id, Err(error()));
        }
    }

    /// Asks again, and begins the watches again.
    async fn begin_again(&mut self, socket: &mut Socket) -> Result<(), ()> {
        // Segments may have been replaced meanwhile.
        let asked = &self.asked;
        tell(self.mapped.extract_if(|id, _| !asked.contains_key(id)).map(|(_, news)| news));
        let watches: Vec<(u64, Following)> = self.watches.drain().collect();
        for (old, following) in watches {
            if !following.is_held() {
                continue;
            }
            // One that is asked for again begins again by that.
            if following.is_paused() || self.asked.contains_key(&old) {
                self.watches.insert(old, following);
            } else {
                let (id, request) = self.begin_watch(following);
                self.asked.insert(id, Asked { request, answer: Answer::Nobody });
            }
        }
        for asked in self.asked.values() {
            socket.feed(self.place.frame(&asked.request)).await.map_err(|_| ())?;
        }
        socket.flush().await.map_err(|_| ())
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    async fn work(&mut self, socket: &mut Socket) -> Over {
        self.heard = Instant::now();
        loop {
            let step = tokio::select! {
                command = self.received.recv() => match command {
                    None => return Over::Dropped,
                    Some(command) => self.obey(command, socket).await,
                },
                frame = socket.next() => match frame {
                    Some(Ok(frame)) => {
                        self.heard = Instant::now();
                        self.hear(&frame, socket).await
                    }
                    _ => Err(()),
                },
                _ = tokio::time::sleep_until(self.heard + SILENCE) => Err(()),
            };
            if step.is_err() {
                return Over::Lost;
            }
        }
    }

    /// Takes a command; gives the request that it is.
    fn note(&mut self, command: Command) -> Option<Request> {
        let (id, request, answer) = match command {
            Command::Ask { service, call, answer } => {
                let id = self.number();
                (id, Request { id, service, call }, Answer::Ask(answer))
            }
            #[cfg(unix)]
            Command::Map { service, write, news, answer } => {
                let id = self.number();
                self.mapped.insert(id, news);
                (id, Request { id, service: Some(service), call: Call::Map(Map { write }) }, Answer::Watch(answer))
            }
            Command::Watch { following, answer } => {
                let (id, request) = self.begin_watch(following);
                (id, request, Answer::Watch(answer))
            }
            // A number is used once: what the server still sends to the old one is not for the new one.
            Command::GoOn(id) => {
                let following = self.watches.remove(&id)?;
                let (id, request) = self.begin_watch(following);
                (id, request, Answer::Nobody)
            }
            Command::Unwatch(watch) => {
                self.watches.remove(&watch);
                self.mapped.remove(&watch);
                return Some(self.unwatch(watch));
            }
        };
        self.asked.insert(id, Asked { request: request.clone(), answer });
        Some(request)
    }

    fn begin_watch(&mut self, following: Following) -> (u64, Request) {
        let id = self.number();
        following.renumber(id);
        let request = following.request(id);
        self.watches.insert(id, following);
        (id, request)
    }

    async fn obey(&mut self, command: Command, socket: &mut Socket) -> Result<(), ()> {
        let mut next = Some(command);
        while let Some(command) = next {
            if let Some(request) = self.note(command) {
                socket.feed(self.place.frame(&request)).await.map_err(|_| ())?;
            }
            next = self.received.try_recv().ok();
        }
        socket.flush().await.map_err(|_| ())
    }

    fn unwatch(&mut self, watch: u64) -> Request {
        Request { id: self.number(), service: None, call: Call::Unwatch(Unwatch { watch }) }
    }

    async fn hear(&mut self, frame: &Frame, socket: &mut Socket) -> Result<(), ()> {
        match read(frame) {
            Some(Message::Reply { id, result }) => {
                if let Some(asked) = self.asked.remove(&id) {
                    give(asked.answer, id, Ok(result));
                }
            }
            Some(Message::Error(failure)) => match failure.id {
                Some(id) => {
                    if let Some(watch) = self.watches.remove(&id) {
                        watch.end(Error::Failed(failure.clone()));
                    }
                    self.mapped.remove(&id);
                    if let Some(asked) = self.asked.remove(&id) {
                        give(asked.answer, id, Err(Error::Failed(failure)));
                    }
                }
                None => return Err(()),
            },
            Some(Message::Event { watch, .. }) if self.mapped.contains_key(&watch) => {
                tell(self.mapped.remove(&watch));
            }
            Some(Message::Event { watch, event }) => {
                let Some(following) = self.watches.get(&watch) else { return Ok(()) };
                if following.is_over(&event) {
                    if let Some(following) = self.watches.remove(&watch) {
                        following.give(event);
                    }
                } else if !following.give(event) {
                    // It cannot take more, or nobody holds it: the server stops, until it is asked to go on.
                    if !following.is_held() {
                        self.watches.remove(&watch);
                    }
                    let request = self.unwatch(watch);
                    socket.send(self.place.frame(&request)).await.map_err(|_| ())?;
                }
            }
            None if frame.is_close() => return Err(()),
            None => {}
        }
        Ok(())
    }
}

/// Tells who has a segment that it is to be asked for again.
fn tell(news: impl IntoIterator<Item = Weak<Notify>>) {
    news.into_iter().filter_map(|news| news.upgrade()).for_each(|news| news.notify_one());
}

fn give(answer: Answer, id: u64, result: Result<Reply>) {
    match answer {
        Answer::Ask(answer) => drop(answer.send(result)),
        Answer::Watch(answer) => drop(answer.send(result.map(|reply| (id, reply)))),
        Answer::Nobody => {}
    }
}

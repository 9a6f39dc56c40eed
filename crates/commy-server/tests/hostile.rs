//! Clients that mean harm: frames that are none, limits that are tried, programs that hold locks.

mod common;

use common::{ENCODINGS, LONG, Place, Raw, size};
use commy_client::Client;
use commy_server::{Config, Limits, Server};
use commy_wire::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::time::{Duration, Instant};

/// The requests of the golden vectors, as they are and with some bytes changed, and bytes that are nothing at all.
fn frames() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let text = include_str!("../../commy-wire/vectors/requests.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let requests: Vec<Request> =
        vectors.iter().map(|vector| serde_json::from_value(vector["json"].clone()).unwrap()).collect();
    let damaged = (
        prop::sample::select(requests),
        any::<bool>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(request, binary, changes)| {
            let mut bytes = encode(if binary { Encoding::Cbor } else { Encoding::Json }, &request);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            (bytes, binary)
        });
    prop_oneof![4 => damaged, 1 => (prop::collection::vec(any::<u8>(), 0..300), any::<bool>())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frame_brings_the_server_down_or_is_left_without_an_answer() {
    let place = Place::new().await;
    // Everything is granted, so that as much as possible is done with the frames.
    let service = place.service("acme", "orders").await;
    service.create_object("stock", "HashMap<String, u64>").await.unwrap();
    service.create_object("jobs", "Vec<u64>").await.unwrap();
    let (mut runner, frames) = (TestRunner::deterministic(), frames());
    let mut known: Option<Raw> = None;
    for round in 0..size("COMMY_FRAMES", 300) {
        let (bytes, binary) = frames.new_tree(&mut runner).unwrap().current();
        if round % 10 == 0 {
            // To who has not shown who it is, there is one answer, and the end.
            let mut stranger = Raw::open(&place).await;
            stranger.send(bytes.clone(), binary).await;
            match stranger.next().await {
                Some(Message::Error(failure)) => {
                    assert!(matches!(failure.code, Code::BadFrame | Code::Unauthenticated | Code::ProtocolVersion));
                    assert_eq!(stranger.next().await, None);
                }
                None => {}
                other => panic!("{other:?}"),
            }
        }
        let raw = match &mut known {
            Some(raw) => raw,
            None => {
                let (_, key) = place.principal(None, "harmful").await;
                let raw = Raw::with_key(&place, &key).await;
                known.insert(raw)
            }
        };
        if !raw.send(bytes, binary).await {
            known = None;
            continue;
        }
        // Whatever it was: a ping afterwards is answered, or the server has hung up on a frame that is none.
        let ping = Request { id: u64::MAX - 1, service: None, call: Call::Ping(Default::default()) };
        raw.send(encode(Encoding::Json, &ping), false).await;
        loop {
            match raw.next().await {
                Some(Message::Reply { id, .. }) if id == ping.id => break,
                Some(Message::Error(Failure { code: Code::BadFrame, .. })) | None => {
                    known = None;
                    break;
                }
                Some(_) => {}
            }
        }
    }
    assert!(service.open().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_and_say_so() {
    let limits = Limits { frame: 4096, batch: 3, connections: 3, watches: 2, in_flight: 2, ..Limits::default() };
    let place = Place::with(limits).await;
    let service = place.service("acme", "orders").await;
    let list = service.create_object("list", "Vec<u64>").await.unwrap();
    let code = |error: commy_client::Error| error.code();
    let length = || Operation::Length(Length { object: "list".into(), ..Length::default() });
    service.batch(vec![length(), length(), length()]).await.unwrap();
    assert_eq!(code(service.batch(vec![length(); 4]).await.unwrap_err()), Some(Code::TooLarge));
    // An answer that is too large is not sent.
    for _ in 0..50 {
        let many: Vec<u64> = vec![u64::MAX / 2; 20];
        let push =
            |value: &u64| Operation::Push(Push { object: "list".into(), value: json!(value), ..Push::default() });
        for three in many.chunks(3) {
            service.batch(three.iter().map(push).collect()).await.unwrap();
        }
    }
    assert_eq!(code(list.get::<Vec<u64>>("").await.unwrap_err()), Some(Code::TooLarge));
    assert_eq!(list.get::<Vec<u64>>("0..5").await.unwrap().unwrap().len(), 5);
    let mut watch = list.watch("").await.unwrap();
    assert_eq!(code(watch.next().await.unwrap_err()), Some(Code::TooLarge));
    // Two watches, and no third one.
    let (_first, _second) = (list.watch("0").await.unwrap(), list.watch("1").await.unwrap());
    assert_eq!(code(list.watch("2").await.unwrap_err()), Some(Code::TooMany));
    // Requests in flight: two that wait, and no third one.
    let empty = service.create_object("empty", "Vec<u64>").await.unwrap();
    let (_, key) = place.principal(None, "waiter").await;
    let principal = place.client(&key).await.welcome().principal;
    place.grant(principal, "acme", &[Permission::ServiceRead, Permission::ServiceWrite]).await;
    let waiter = place.client(&key).await.service("acme", "orders").object("empty");
    let pop = || {
        let waiter = waiter.clone();
        tokio::spawn(async move { waiter.pop_front::<u64>("", LONG).await })
    };
    let mut pops = vec![pop(), pop(), pop()];
    let (first, _, _) = futures_util::future::select_all(&mut pops).await;
    assert_eq!(code(first.unwrap().unwrap_err()), Some(Code::TooMany));
    for _ in 0..2 {
        empty.push("", &1u64).await.unwrap();
    }
    // A frame that is too large ends the connection.
    let mut raw = Raw::with_key(&place, &key).await;
    raw.send(vec![b' '; 5000], false).await;
    assert_eq!(raw.next().await, None);
    // Connections: one is the waiter's client; two more, and then no more.
    let mut all = Vec::new();
    let refused = loop {
        match place.options().connect(&place.url(), commy_client::Credentials::Key(key.clone())).await {
            Ok(client) => all.push(client),
            Err(error) => break error,
        }
        assert!(all.len() < 10);
    };
    assert_eq!(code(refused), Some(Code::TooMany));
}

/// KiB of memory that this process has had at most.
#[cfg(unix)]
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_a_frame_is_refused_before_it_takes_up_memory_and_stays_where_it_is() {
    let limits = Limits { frame: 16384, ..Limits::default() };
    let place = Place::with(limits).await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, Some(256 << 20)).await.unwrap();
    let segment = service.map(true).await.unwrap();
    const MANY: usize = 4_000_000;
    segment.open_or_create_with("numbers", || vec![7u16; MANY]).unwrap();
    let text = "\u{1}".repeat(5000);
    segment.open_or_create_with("texts", || vec![text.clone(), "short".to_owned(), text.clone()]).unwrap();
    let (numbers, texts) = (service.object("numbers"), service.object("texts"));
    let code = |error: commy_client::Error| error.code();
    let begin = most_memory();
    for _ in 0..3 {
        assert_eq!(code(numbers.get::<Vec<u16>>("").await.unwrap_err()), Some(Code::TooLarge));
        assert_eq!(code(numbers.get::<Vec<u16>>("100..").await.unwrap_err()), Some(Code::TooLarge));
        let get = Operation::Get(Get { object: "numbers".into(), ..Get::default() });
        assert_eq!(code(service.batch(vec![get]).await.unwrap_err()), Some(Code::TooLarge));
        let mut watch = numbers.watch("").await.unwrap();
        assert_eq!(code(watch.next().await.unwrap_err()), Some(Code::TooLarge));
    }
    // As values all of them would take hundreds of mebibytes.
    let grown = most_memory() - begin;
    assert!(grown < 64 * 1024, "{grown} KiB");
    assert_eq!(numbers.len("").await.unwrap(), Some(MANY as u64));
    // It is as long as a frame may be in memory, and longer as it is written: what cannot be told is not taken out.
    assert_eq!(code(texts.pop::<String>("").await.unwrap_err()), Some(Code::TooLarge));
    assert_eq!(code(texts.remove::<String>("0").await.unwrap_err()), Some(Code::TooLarge));
    let pop = Operation::Pop(Pop { object: "texts".into(), ..Pop::default() });
    assert_eq!(code(service.batch(vec![pop]).await.unwrap_err()), Some(Code::TooLarge));
    assert_eq!(texts.len("").await.unwrap(), Some(3));
    assert_eq!(texts.remove::<String>("1").await.unwrap().as_deref(), Some("short"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_holds_a_lock_holds_up_requests_for_that_object_alone_and_not_for_ever() {
    let place = Place::with(Limits { lock: 1, ..Limits::default() }).await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, None).await.unwrap();
    let held = service.create_object("held", "u64").await.unwrap();
    let free = service.create_object("free", "u64").await.unwrap();
    let segment = service.map(true).await.unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let near = segment.open::<u64>("held").unwrap();
        let mut guard = near.write().unwrap();
        *guard.view_mut() = 5;
        ready.send(()).unwrap();
        let _ = released.recv_timeout(LONG);
        guard.rollback();
    });
    is_ready.recv_timeout(LONG).unwrap();
    // Many who wait for it, and others who are served meanwhile.
    let waiting: Vec<_> = (0..40)
        .map(|number| {
            let held = held.clone();
            tokio::spawn(async move { held.set("", &(number as u64)).await })
        })
        .collect();
    let begin = Instant::now();
    for number in 0..100u64 {
        free.set("", &number).await.unwrap();
    }
    assert!(begin.elapsed() < LONG);
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap_err().code(), Some(Code::Busy));
    }
    release.send(()).unwrap();
    holder.join().unwrap();
    held.set("", &7u64).await.unwrap();
    assert_eq!(held.get::<u64>("").await.unwrap(), Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_service_says_so_and_is_of_use_again_when_something_is_removed() {
    let place = Place::new().await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "small");
    service.create(Mode::Served, Some(256 << 10)).await.unwrap();
    let list = service.create_object("list", "Vec<String>").await.unwrap();
    let text = "x".repeat(10_000);
    let mut pushed = 0;
    let full = loop {
        match list.push("", &text).await {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
        assert!(pushed < 1000);
    };
    assert_eq!(full.code(), Some(Code::OutOfSpace));
    assert_eq!(list.len("").await.unwrap(), Some(pushed));
    assert!(list.pop::<String>("").await.unwrap().is_some());
    list.push("", &text).await.unwrap();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_for_segments_are_good_once_and_only_for_who_has_them() {
    use std::io::{Read, Write};
    let place = Place::new().await;
    let operator = place.operator().await;
    operator.call(None, Call::TenantCreate(Tenant { tenant: "acme".into() })).await.unwrap();
    let service = operator.service("acme", "near");
    service.create(Mode::Shared, None).await.unwrap();
    let ticket = async || match service.call(Call::Map(Map { write: true })).await.unwrap() {
        Reply::Mapping(mapping) => mapping,
        other => panic!("{other:?}"),
    };
    let show = |socket: &str, ticket: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let _ = stream.write_all(ticket.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer.len()
    };
    let mapping = ticket().await;
    let (socket, first) = (mapping.socket, mapping.ticket);
    let results = tokio::task::spawn_blocking(move || {
        let wrong = show(&socket, &"0".repeat(64));
        let right = show(&socket, &first);
        (wrong, right, show(&socket, &first), socket)
    });
    let (wrong, right, again, socket) = results.await.unwrap();
    assert_eq!((wrong, right, again), (0, 1, 0));
    // Revoked after the ticket was given.
    let late = ticket().await.ticket;
    let principal = operator.welcome().principal;
    place.revoke(principal, "", &[Permission::ServiceWrite]).await;
    assert_eq!(tokio::task::spawn_blocking(move || show(&socket, &late)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_hung_up_on() {
    let place = Place::with(Limits { authenticate: 1, ..Limits::default() }).await;
    let mut silent = Raw::open(&place).await;
    assert_eq!(silent.next().await, None);
    // One that answers pings stays, one that does not even read is dropped. There is time for answers, however slow all is.
    let place = Place::with(Limits { idle: 3, ..Limits::default() }).await;
    let begin = Instant::now();
    let mut lively = Raw::with_key(&place, &place.key).await;
    let _deaf = Raw::with_key(&place, &place.key).await;
    let server = place.server.as_ref().unwrap();
    while server.connections() > 1 {
        let _ = tokio::time::timeout(Duration::from_millis(100), lively.next()).await;
        assert!(begin.elapsed() < LONG);
    }
    let ping = Request { id: 2, service: None, call: Call::Ping(Default::default()) };
    assert!(matches!(lively.ask(&ping).await, Some(Message::Reply { id: 2, .. })));
}

/// A binary frame as clients send it, masked with zeros.
fn binary(request: &Request) -> Vec<u8> {
    let payload = encode(Encoding::Cbor, request);
    let head = match payload.len() {
        length @ 0..126 => vec![0x82, 0x80 | length as u8],
        length => vec![0x82, 0xfe, (length >> 8) as u8, length as u8],
    };
    [&head[..], &[0; 4], &payload].concat()
}

/// Shows a key, and then sends without end what has no answer that it would have to read: there is always more of it. Tells when
/// that flows, and gives all that was answered.
fn flood(mut stream: impl Read + Write, secret: String, flows: tokio::sync::oneshot::Sender<()>) -> Vec<u8> {
    let upgrade = "GET /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let call = Call::Authenticate(Authenticate { protocol: PROTOCOL, credentials: Credentials::Key(secret) });
    let first = binary(&Request { id: 1, service: None, call });
    stream.write_all(&[upgrade.as_bytes(), &first].concat()).unwrap();
    let pongs = [0x8a, 0x80, 0, 0, 0, 0].repeat(100_000);
    let (mut flows, mut sent) = (Some(flows), 0);
    while stream.write_all(&pongs).is_ok() {
        sent += pongs.len();
        if sent > 20 << 20
            && let Some(flows) = flows.take()
        {
            flows.send(()).unwrap();
        }
    }
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_without_end_keeps_nobody_waiting_and_hears_that_its_key_was_revoked() {
    let dir = tempfile::tempdir().unwrap();
    // One thread for all.
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { data: dir.path().into(), listen, plain: true, threads: NonZero::new(1), ..Config::default() };
    #[cfg(unix)]
    let socket = config.socket();
    let (server, bootstrap) = Server::start(config).await.unwrap();
    let address = server.address().unwrap();
    let key = Credentials::Key(bootstrap.unwrap().key);
    let operator = Client::connect(&format!("ws://{address}"), key).await.unwrap();
    for over_tcp in if cfg!(unix) { &[true, false][..] } else { &[true] } {
        let create = KeyCreate { principal: operator.welcome().principal, expires_in: None };
        let Reply::Key(made) = operator.call(None, Call::KeyCreate(create)).await.unwrap() else { panic!("no key") };
        let (flows, flowing) = tokio::sync::oneshot::channel();
        let secret = made.secret;
        let flooding = match over_tcp {
            true => tokio::task::spawn_blocking(move || flood(TcpStream::connect(address).unwrap(), secret, flows)),
            #[cfg(unix)]
            false => {
                let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
                tokio::task::spawn_blocking(move || flood(stream, secret, flows))
            }
            #[cfg(not(unix))]
            false => unreachable!("there are no such sockets"),
        };
        flowing.await.unwrap();
        // Another client of that thread is answered.
        tokio::time::timeout(LONG, operator.call(None, Call::Ping(Default::default()))).await.unwrap().unwrap();
        operator.call(None, Call::KeyRevoke(KeyId { key: made.key, overlap: None })).await.unwrap();
        let answers = tokio::time::timeout(LONG, flooding).await.unwrap().unwrap();
        // A close, with the code for who has or does not what it must. Windows throws away what was not read yet when the
        // connection is reset, as it is if more was sent than is waited for.
        let code = 1008u16.to_be_bytes();
        let closed = answers.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == code);
        assert!(closed || cfg!(windows), "{answers:x?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_parts_are_answered_and_what_is_no_websocket_is_told_why_it_ends() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message as Sent;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
    let place = Place::with(Limits { frame: 4096, ..Limits::default() }).await;
    let part = |payload: &[u8], opcode, last| Sent::Frame(Frame::message(payload.to_vec(), OpCode::Data(opcode), last));
    for encoding in ENCODINGS {
        let mut raw = Raw::with_key(&place, &place.key).await;
        let request = encode(encoding, &Request { id: 9, service: None, call: Call::Ping(Default::default()) });
        let (first, rest) = request.split_at(5);
        let opcode = if encoding == Encoding::Cbor { Data::Binary } else { Data::Text };
        raw.0.feed(part(first, opcode, false)).await.unwrap();
        raw.0.feed(Sent::Ping(b"are you there".to_vec().into())).await.unwrap();
        raw.0.feed(part(b"", Data::Continue, false)).await.unwrap();
        raw.0.send(part(rest, Data::Continue, true)).await.unwrap();
        let pong = tokio::time::timeout(LONG, raw.0.next()).await.unwrap();
        assert_eq!(pong.unwrap().unwrap(), Sent::Pong(b"are you there".to_vec().into()));
        let answer = tokio::time::timeout(LONG, raw.next_as()).await.unwrap();
        assert_eq!(answer, Some((encoding, Message::Reply { id: 9, result: Reply::Done {} })));
    }
    for (what, sent, code) in [
        ("more of no message", part(b"a", Data::Continue, true), CloseCode::Protocol),
        ("a message that is not UTF-8", part(&[0xff], Data::Text, true), CloseCode::Invalid),
        ("a message that is too long", part(&[b' '; 5000], Data::Text, true), CloseCode::Size),
        ("a message that is no request", part(b"{}", Data::Text, true), CloseCode::Policy),
        ("the end", Sent::Close(None), CloseCode::Status),
    ] {
        // Of who has shown who it is, and of who has not.
        for known in [true, false] {
            let mut raw = if known { Raw::with_key(&place, &place.key).await } else { Raw::open(&place).await };
            raw.0.send(sent.clone()).await.unwrap();
            let ended = async {
                loop {
                    match raw.0.next().await {
                        Some(Ok(Sent::Close(close))) => return close.map(|close| close.code),
                        Some(Ok(_)) => {}
                        other => panic!("{what}: {other:?}"),
                    }
                }
            };
            let found = tokio::time::timeout(LONG, ended).await.unwrap();
            let expected = (code != CloseCode::Status).then_some(code);
            assert_eq!(found, expected, "{what}");
            // Nothing comes behind it; that the stream ends without the farewell of TLS is an error to some.
            let more = tokio::time::timeout(LONG, raw.0.next()).await.unwrap();
            assert!(!matches!(more, Some(Ok(_))), "{what}: {more:?} behind the end");
        }
    }
}

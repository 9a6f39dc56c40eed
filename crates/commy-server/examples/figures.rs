//! The figures of the README: the coordinator beside redis-server, over loopback, in one run.
//!
//! ```sh
//! cargo run --release -p commy-server --example figures
//! ```
//!
//! Each system is a process of its own. They take turns with each quantity, in many short rounds, and the medians are printed.
//! Clients are the same for all: one thread, which writes bytes that were made before and reads answers by their length
//! alone.

use commy_client::wire::{Call, Encoding, Get, Mode, Request, Set, Tenant, encode};
use commy_client::{Client, Credentials, Options};
use commy_server::{Config, Server, Tls, dev_certificate};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const ROUNDS: usize = 15;
const ALONE: usize = 2000;
/// Bytes that a client reads at once.
const ROOM: usize = 16 << 10;
const TOGETHER: Duration = Duration::from_millis(200);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [role, data] if role == "serve" => serve(Path::new(data), false),
        [role, data] if role == "serve-tls" => serve(Path::new(data), true),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure()),
    }
}

/// The server's process.
fn serve(data: &Path, tls: bool) -> Result<()> {
    let folder = data.parent().ok_or("no folder")?;
    let tls = tls.then(|| Tls { certificate: folder.join("cert.pem"), key: folder.join("key.pem") });
    let listen = Some("127.0.0.1:0".parse()?);
    let config = Config { data: data.into(), listen, plain: tls.is_none(), tls, ..Config::default() };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let (server, bootstrap) = Server::start(config).await?;
        let address = server.address().ok_or("no address")?;
        println!("{} {}", address.port(), bootstrap.ok_or("no key")?.key);
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// A process that ends with this one.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connection, with what is read and not yet looked at.
struct Line {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    websocket: bool,
}

impl Line {
    /// The length of the first answer, if it is whole.
    fn whole(&self) -> Option<usize> {
        let bytes = &self.read;
        if self.websocket {
            let short = usize::from(*bytes.get(1)? & 127);
            let (head, length) = match short {
                126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
                _ => (2, short),
            };
            return (bytes.len() >= head + length).then_some(head + length);
        }
        let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
        match bytes[0] {
            b'$' => {
                let length: usize = std::str::from_utf8(&bytes[1..line - 2]).ok()?.parse().ok()?;
                (bytes.len() >= line + length + 2).then_some(line + length + 2)
            }
            _ => Some(line),
        }
    }

    async fn answer(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(length) = self.whole() {
                return Ok(self.read.drain(..length).collect());
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server hung up".into());
            }
        }
    }

    async fn ask(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.stream.write_all(bytes).await?;
        self.answer().await
    }
}

/// A binary frame as clients send it, masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// One of those that are compared.
struct System {
    name: &'static str,
    port: u16,
    key: Option<String>,
    authority: Option<PathBuf>,
    get: Vec<u8>,
    set: Vec<u8>,
    _process: Process,
}

impl System {
    fn commy(name: &'static str, folder: &Path, tls: bool) -> Result<System> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(if tls { "serve-tls" } else { "serve" }).arg(folder.join(name)).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let (port, key) = line.trim().split_once(' ').ok_or("the server said nothing")?;
        let request = |call| Request { id: 7, service: Some("a/b".into()), call };
        let get = Get { object: "map".into(), path: "key".into(), if_version: None };
        let set = Set { object: "map".into(), path: "key".into(), value: 12345.into(), if_version: None };
        let bytes = |call| frame(&encode(Encoding::Cbor, &request(call)));
        Ok(System {
            name,
            port: port.parse()?,
            key: Some(key.to_owned()),
            authority: tls.then(|| folder.join("cert.pem")),
            get: bytes(Call::Get(get)),
            set: bytes(Call::Set(set)),
            _process: Process(child),
        })
    }

    fn redis() -> Result<System> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"]).stdout(Stdio::null());
        let child = command.spawn()?;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(System {
            name: "redis",
            port,
            key: None,
            authority: None,
            get: b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n".to_vec(),
            set: b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\n12345\r\n".to_vec(),
            _process: Process(child),
        })
    }

    fn url(&self) -> String {
        format!("{}://localhost:{}", if self.authority.is_some() { "wss" } else { "ws" }, self.port)
    }

    async fn client(&self) -> Result<Client> {
        let mut options = Options::new();
        if let Some(authority) = &self.authority {
            options = options.authority(authority);
        }
        let key = self.key.clone().ok_or("no key")?;
        Ok(options.connect(&self.url(), Credentials::Key(key)).await?)
    }

    async fn connect(&self) -> Result<Line> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.authority {
            None => Box::new(stream),
            Some(authority) => Box::new(tls(authority)?.connect("localhost".try_into()?, stream).await?),
        };
        let mut line = Line { stream, read: Vec::with_capacity(ROOM), websocket: self.key.is_some() };
        if let Some(key) = &self.key {
            let upgrade = "GET /v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                           Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            line.stream.write_all(upgrade.as_bytes()).await?;
            while !line.read.ends_with(b"\r\n\r\n") {
                line.stream.read_buf(&mut line.read).await?;
            }
            line.read.clear();
            let credentials = Credentials::Key(key.clone());
            let call = Call::Authenticate(commy_client::wire::Authenticate { protocol: 1, credentials });
            line.ask(&frame(&encode(Encoding::Cbor, &Request { id: 1, service: None, call }))).await?;
        }
        line.ask(&self.set).await?;
        Ok(line)
    }

    /// The median time of a request alone, in microseconds.
    async fn alone(&self, bytes: &[u8]) -> Result<f64> {
        let mut line = self.connect().await?;
        let mut times = Vec::with_capacity(ALONE);
        for _ in 0..ALONE {
            let begin = Instant::now();
            line.ask(bytes).await?;
            times.push(begin.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(&mut times))
    }

    /// Requests a second, with so many connections and so many requests in flight on each.
    async fn together(&self, bytes: &[u8], connections: usize, each: usize) -> Result<f64> {
        let mut lines = Vec::new();
        for _ in 0..connections {
            lines.push(self.connect().await?);
        }
        let end = Instant::now() + TOGETHER;
        let many = bytes.repeat(each);
        let begin = Instant::now();
        let all = lines.into_iter().map(|mut line| {
            let many = &many;
            async move {
                let mut done = 0usize;
                while Instant::now() < end {
                    line.stream.write_all(many).await?;
                    for _ in 0..each {
                        line.answer().await?;
                    }
                    done += each;
                }
                Ok::<usize, Box<dyn std::error::Error>>(done)
            }
        });
        let done: usize = futures_util::future::try_join_all(all).await?.into_iter().sum();
        Ok(done as f64 / begin.elapsed().as_secs_f64())
    }
}

fn tls(authority: &Path) -> Result<tokio_rustls::TlsConnector> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(authority)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into())
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

async fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    dev_certificate(folder.path(), &["localhost".into()])?;
    let systems =
        [System::redis()?, System::commy("ws", folder.path(), false)?, System::commy("wss", folder.path(), true)?];
    for system in &systems[1..] {
        let client = system.client().await?;
        client.call(None, Call::TenantCreate(Tenant { tenant: "a".into() })).await?;
        let service = client.service("a", "b");
        service.create(Mode::Shared, None).await?;
        service.create_object("map", "HashMap<String, u64>").await?;
        service.create_object("plain", "u64").await?;
    }
    let mut results: BTreeMap<(String, &str), Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for (what, set) in [("get", false), ("set", true)] {
            for system in &systems {
                let bytes = if set { &system.set } else { &system.get };
                let mut note = |how: &str, value| {
                    results.entry((format!("{how} {what}"), system.name)).or_default().push(value);
                };
                note("1 in flight, p50 us,", system.alone(bytes).await?);
                note("16 connections, 1/s,", system.together(bytes, 16, 1).await?);
                note("16 pipelined, 1/s,", system.together(bytes, 1, 16).await?);
            }
        }
        eprint!("{}/{ROUNDS} ", round + 1);
        std::io::stderr().flush()?;
    }
    eprintln!();
    for ((what, name), values) in &mut results {
        println!("{what:24} {name:6} {:12.1}", median(values));
    }
    #[cfg(unix)]
    near(&systems[1]).await?;
    Ok(())
}

/// What a mapped segment gives, and how long changes take from near to far and back.
#[cfg(unix)]
async fn near(system: &System) -> Result<()> {
    let service = system.client().await?.service("a", "b");
    let segment = service.map(true).await?;
    let map = segment.open::<std::collections::HashMap<String, u64>>("map")?;
    let begin = Instant::now();
    const GETS: u32 = 1_000_000;
    for _ in 0..GETS {
        std::hint::black_box(map.get("key")?);
    }
    println!("{:24} {:6} {:12.1}", "mapped get ns", "near", begin.elapsed().as_nanos() as f64 / f64::from(GETS));
    let plain = segment.open::<u64>("plain")?;
    let far = service.object("plain");
    let mut watch = far.watch("").await?;
    watch.next().await?;
    let (mut out, mut back) = (Vec::new(), Vec::new());
    for number in 1..=500u64 {
        let begin = Instant::now();
        plain.store(number)?;
        while watch.next().await?.ok_or("the watch ended")?.value::<u64>()? != Some(number) {}
        out.push(begin.elapsed().as_secs_f64() * 1e3);
        let (version, begin) = (plain.version(), Instant::now());
        let waiter = plain.clone();
        let waiting = tokio::task::spawn_blocking(move || {
            let _ = waiter.wait(version, Duration::from_secs(10));
            Instant::now()
        });
        far.set("", &(number + 1_000_000)).await?;
        back.push((waiting.await? - begin).as_secs_f64() * 1e3);
        watch.next().await?;
    }
    println!("{:24} {:6} {:12.3}", "near to far p50 ms", "watch", median(&mut out));
    println!("{:24} {:6} {:12.3}", "far to near p50 ms", "wait", median(&mut back));
    Ok(())
}

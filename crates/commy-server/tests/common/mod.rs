//! A server of a test's own, with real sockets and TLS, and clients of it.
#![allow(dead_code, reason = "each test uses some of it")]

use commy_client::{Client, Credentials, Options};
use commy_server::{Clock, Config, Limits, Server, Tls, dev_certificate};
use commy_wire::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for whatever will happen at all.
pub const LONG: Duration = Duration::from_secs(60);

/// A server, and the folder that it is in.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub config: Config,
    pub server: Option<Server>,
    /// The key of the operator that the first start makes.
    pub key: String,
    tls: tokio_rustls::TlsConnector,
    clock: Clock,
}

impl Place {
    /// A server with TLS.
    pub async fn new() -> Place {
        Place::with(Limits::default()).await
    }

    /// A server with TLS and these limits.
    pub async fn with(limits: Limits) -> Place {
        Place::with_clock(limits, Clock::default()).await
    }

    /// The same with another clock.
    pub async fn with_clock(limits: Limits, clock: Clock) -> Place {
        let dir = tempfile::tempdir().unwrap();
        dev_certificate(dir.path(), &["localhost".into()]).unwrap();
        let tls = Tls { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
        let config = Config {
            data: dir.path().join("data"),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            tls: Some(tls),
            limits,
            ..Config::default()
        };
        let (server, bootstrap) = Server::start_with(config.clone(), clock.clone()).await.unwrap();
        let tls = trusting(&dir.path().join("cert.pem"));
        Place { dir, config, server: Some(server), key: bootstrap.unwrap().key, tls, clock }
    }

    pub fn url(&self) -> String {
        format!("wss://localhost:{}", self.server.as_ref().unwrap().address().unwrap().port())
    }

    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub fn options(&self) -> Options {
        Options::new().authority(self.authority())
    }

    /// A client with that key.
    pub async fn client(&self, key: &str) -> Client {
        self.options().connect(&self.url(), Credentials::Key(key.into())).await.unwrap()
    }

    /// A client that may do everything.
    pub async fn operator(&self) -> Client {
        self.client(&self.key).await
    }

    /// A tenant with a service in it.
    pub async fn service(&self, tenant: &str, name: &str) -> commy_client::Service {
        let operator = self.operator().await;
        let _ = operator.call(None, Call::TenantCreate(Tenant { tenant: tenant.into() })).await;
        let service = operator.service(tenant, name);
        service.create(Mode::Served, None).await.unwrap();
        service
    }

    /// A principal of a tenant with a key, and nothing granted: its number and key.
    pub async fn principal(&self, tenant: Option<&str>, name: &str) -> (u64, String) {
        let operator = self.operator().await;
        let create = PrincipalCreate { name: name.into(), tenant: tenant.map(str::to_owned), kind: PrincipalKind::Key };
        let Reply::Principal(info) = operator.call(None, Call::PrincipalCreate(create)).await.unwrap() else {
            panic!("no principal")
        };
        let create = KeyCreate { principal: info.id, expires_in: None };
        let Reply::Key(key) = operator.call(None, Call::KeyCreate(create)).await.unwrap() else { panic!("no key") };
        (info.id, key.secret)
    }

    /// Grants something at a node.
    pub async fn grant(&self, principal: u64, node: &str, permissions: &[Permission]) {
        let add = grant(principal, node, permissions);
        self.operator().await.call(None, Call::GrantAdd(add)).await.unwrap();
    }

    pub async fn revoke(&self, principal: u64, node: &str, permissions: &[Permission]) {
        let revoke = grant(principal, node, permissions);
        self.operator().await.call(None, Call::GrantRevoke(revoke)).await.unwrap();
    }

    /// Stops the server and starts it again in the same folder.
    pub async fn restart(&mut self) {
        self.server.take().unwrap().stop(LONG).await;
        let (server, bootstrap) = Server::start_with(self.config.clone(), self.clock.clone()).await.unwrap();
        assert!(bootstrap.is_none());
        self.server = Some(server);
    }
}

/// TLS with servers that have this certificate.
fn trusting(certificate: &std::path::Path) -> tokio_rustls::TlsConnector {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

/// Permissions at a node: `""` for the server, `tenant`, `tenant/service`, `tenant/service/object`.
pub fn grant(principal: u64, node: &str, permissions: &[Permission]) -> Grant {
    let mut names = node.splitn(3, '/').filter(|name| !name.is_empty()).map(str::to_owned);
    let at = At { tenant: names.next(), service: names.next(), object: names.next() };
    Grant { to: Subject::Principal(principal), at, permissions: permissions.iter().copied().collect() }
}

/// A number from the environment, for longer runs by hand.
pub fn size(name: &str, small: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(small)
}

/// A WebSocket without a client behind it, over TLS.
pub struct Raw(pub tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>);

/// Both encodings.
pub const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Cbor];

impl Raw {
    pub async fn open(place: &Place) -> Raw {
        let address = place.server.as_ref().unwrap().address().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let stream = place.tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        Raw(tokio_tungstenite::client_async("ws://localhost/v1", stream).await.unwrap().0)
    }

    /// One that has shown a key.
    pub async fn with_key(place: &Place, key: &str) -> Raw {
        let mut raw = Raw::open(place).await;
        let credentials = Credentials::Key(key.into());
        let request = Call::Authenticate(Authenticate { protocol: PROTOCOL, credentials });
        let answer = raw.ask(&Request { id: 1, service: None, call: request }).await;
        assert!(matches!(answer, Some(Message::Reply { result: Reply::Welcome(_), .. })), "{answer:?}");
        raw
    }

    pub async fn send(&mut self, bytes: Vec<u8>, binary: bool) -> bool {
        use futures_util::SinkExt;
        use tokio_tungstenite::tungstenite::Message as Frame;
        let frame =
            if binary { Frame::binary(bytes) } else { Frame::text(String::from_utf8_lossy(&bytes).into_owned()) };
        self.0.send(frame).await.is_ok()
    }

    /// The next message, and how it was written; none when the server has hung up.
    pub async fn next_as(&mut self) -> Option<(Encoding, Message)> {
        use futures_util::StreamExt;
        use tokio_tungstenite::tungstenite::Message as Frame;
        loop {
            return match tokio::time::timeout(LONG, self.0.next()).await.expect("an answer") {
                Some(Ok(Frame::Text(text))) => Some((Encoding::Json, decode(Encoding::Json, text.as_bytes()).unwrap())),
                Some(Ok(Frame::Binary(bytes))) => Some((Encoding::Cbor, decode(Encoding::Cbor, &bytes).unwrap())),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => continue,
                _ => None,
            };
        }
    }

    /// The next message; none when the server has hung up.
    pub async fn next(&mut self) -> Option<Message> {
        self.next_as().await.map(|(_, message)| message)
    }

    /// Asks something, and gets the answer in the encoding in which it was asked.
    pub async fn ask_as(&mut self, encoding: Encoding, request: &Request) -> Option<Message> {
        if !self.send(encode(encoding, request), encoding == Encoding::Cbor).await {
            return None;
        }
        let (answered, message) = self.next_as().await?;
        assert_eq!(answered, encoding, "asked in one encoding and answered in the other");
        Some(message)
    }

    pub async fn ask(&mut self, request: &Request) -> Option<Message> {
        self.ask_as(Encoding::Json, request).await
    }
}

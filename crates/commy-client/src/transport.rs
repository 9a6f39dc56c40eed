//! Reaching a server: `wss://host:port`, `ws://host:port`, `unix:///path/of/socket`.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Bytes that are read at once. They are made zero first each time, so that a large buffer costs more than it saves.
const READ: usize = 8 << 10;

/// A connection of whatever kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A WebSocket over whatever connection.
pub type Socket = WebSocketStream<Box<dyn Stream>>;

/// Whom a client believes to be the server.
#[derive(Clone)]
pub struct Trust(Arc<rustls::ClientConfig>);

impl Trust {
    /// Servers with a certificate of the public authorities, or of one in a PEM file.
    ///
    /// # Errors
    /// A file that cannot be read or has no certificate.
    pub fn new(authority: Option<&Path>) -> Result<Trust, String> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = authority {
            let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let all = CertificateDer::pem_file_iter(path).and_then(|all| all.collect::<Result<Vec<_>, _>>());
            for certificate in all.map_err(|error| said(&error))? {
                roots.add(certificate).map_err(|error| said(&error))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Trust(Arc::new(config)))
    }
}

/// Opens a WebSocket.
///
/// # Errors
/// Why not.
pub async fn open(url: &str, trust: &Trust, limit: usize) -> Result<Socket, String> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL is wss://host:port, ws://host:port or unix:///path")?;
    let said = |error: std::io::Error| error.to_string();
    let host = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "ws" { 80 } else { 443 };
    let address = || {
        let after = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
        let (name, port) = match after {
            Some((name, port)) => (name, port.parse().map_err(|_| format!("{port} is no port"))?),
            None => (host, port),
        };
        Ok::<(String, u16), String>((name.trim_matches(['[', ']']).to_owned(), port))
    };
    let stream: Box<dyn Stream> = match scheme {
        "ws" | "wss" => {
            let (name, port) = address()?;
            let stream = TcpStream::connect((name.as_str(), port)).await.map_err(said)?;
            stream.set_nodelay(true).map_err(said)?;
            if scheme == "ws" {
                Box::new(stream)
            } else {
                let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
                Box::new(TlsConnector::from(trust.0.clone()).connect(name, stream).await.map_err(said)?)
            }
        }
        #[cfg(unix)]
        "unix" => Box::new(tokio::net::UnixStream::connect(rest).await.map_err(said)?),
        _ => return Err(format!("{scheme}:// is not known; there are wss, ws and unix")),
    };
    let name = if scheme == "unix" { "localhost" } else { host };
    let config = WebSocketConfig::default().read_buffer_size(READ);
    let config = config.max_message_size(Some(limit)).max_frame_size(Some(limit));
    let request = format!("ws://{name}/v1");
    let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    Ok(opened.map_err(|error| error.to_string())?.0)
}

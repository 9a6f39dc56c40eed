//! Where clients come in: TCP, with TLS or on loopback without, and the Unix socket. All speak HTTP, and the WebSocket at
//! `/v1`; beside it are `/health`, `/ready` and `/metrics`.

mod certificate;
mod http;
mod tls;

pub use certificate::dev_certificate;

use crate::config::Config;
use crate::identity::Peer;
use crate::server::Shared;
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How long a client has for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bound, and not yet serving.
pub struct Listener {
    tcp: Option<(TcpListener, Option<TlsAcceptor>)>,
}

impl Listener {
    /// Binds what the configuration says.
    ///
    /// # Errors
    /// An address that is taken; a certificate that cannot be read.
    pub async fn new(config: &Config) -> Result<Listener, String> {
        let tcp = match config.listen {
            None => None,
            Some(address) => {
                let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
                let listener = TcpListener::bind(address).await;
                Some((listener.map_err(|error| format!("listening at {address}: {error}"))?, tls))
            }
        };
        Ok(Listener { tcp })
    }

    /// The address, with the port that the system gave.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Begins to accept.
    ///
    /// # Errors
    /// A Unix socket that cannot be bound.
    pub fn serve(self, shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, String> {
        let places = Arc::new(Semaphore::new(shared.config.limits.all_connections));
        let app = http::app(shared.clone());
        let mut tasks = Vec::new();
        if let Some((listener, tls)) = self.tcp {
            tasks.push(tokio::spawn(accept_tcp(listener, tls, app.clone(), places.clone(), shared.clone())));
        }
        #[cfg(unix)]
        {
            let listener = bind(&shared.config.socket())?;
            tasks.push(tokio::spawn(accept_unix(listener, app, places, shared.clone())));
            tasks.push(tokio::spawn(crate::handover::serve(bind(&shared.config.handover())?, shared.clone())));
        }
        Ok(tasks)
    }
}

/// Binds a Unix socket. One that a killed server left is removed: that no other server runs, the lock tells.
#[cfg(unix)]
fn bind(path: &std::path::Path) -> Result<tokio::net::UnixListener, String> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let said = |error: std::io::Error| format!("the socket {}: {error}", path.display());
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(said)?;
    }
    let listener = tokio::net::UnixListener::bind(path).map_err(said)?;
    // Who may connect, the principals decide; the folder keeps others out unless it is opened for them.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).map_err(said)?;
    Ok(listener)
}

async fn accept_tcp(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Router,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
) {
    loop {
        // Without a place the system keeps the client waiting, or turns it away.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (tls, app, shared) = (tls.clone(), app.clone(), shared.clone());
        tokio::spawn(async move {
            match tls {
                None => http::serve(stream, app, Peer::Network, shared, place).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => http::serve(stream, app, Peer::Network, shared, place).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a handshake"),
                    Err(_) => tracing::debug!("a handshake that did not end"),
                },
            }
        });
    }
}

#[cfg(unix)]
async fn accept_unix(listener: tokio::net::UnixListener, app: Router, places: Arc<Semaphore>, shared: Arc<Shared>) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Of whoever connected, as the system noted then.
                let Ok(user) = stream.peer_cred().map(|found| found.uid()) else { continue };
                let (app, shared) = (app.clone(), shared.clone());
                tokio::spawn(async move { http::serve(stream, app, Peer::User(user), shared, place).await });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection of whatever kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

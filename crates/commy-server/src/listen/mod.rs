//! Where clients come in: TCP, with TLS or on loopback without, and the Unix socket. All speak HTTP, and the WebSocket at
//! `/v1`; beside it are `/health`, `/ready` and `/metrics`.

mod awake;
mod certificate;
#[cfg(target_os = "linux")]
mod direct;
mod http;
mod threads;
mod tls;
mod upgrade;

pub use awake::note_burst;
pub use certificate::dev_certificate;
pub use threads::Threads;

use crate::config::Config;
use crate::identity::Peer;
use crate::server::Shared;
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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

    /// Begins to accept. Gives the tasks that do, and the threads that serve what they accept.
    ///
    /// # Errors
    /// A Unix socket that cannot be bound; what the system says to more threads.
    pub fn serve(self, shared: &Arc<Shared>) -> Result<(Vec<JoinHandle<()>>, Arc<Threads>), String> {
        let threads = Threads::start(shared.config.threads());
        let threads = Arc::new(threads.map_err(|error| format!("the threads that serve: {error}"))?);
        let places = Arc::new(Semaphore::new(shared.config.limits.all_connections));
        let to = To { app: http::app(shared.clone()), places, threads: threads.clone(), shared: shared.clone() };
        let mut tasks = Vec::new();
        if let Some((listener, tls)) = self.tcp {
            tasks.push(tokio::spawn(accept_tcp(listener, tls, to.clone())));
        }
        #[cfg(unix)]
        {
            tasks.push(tokio::spawn(accept_unix(bind(&shared.config.socket())?, to)));
            tasks.push(tokio::spawn(crate::handover::serve(bind(&shared.config.handover())?, shared.clone())));
        }
        Ok((tasks, threads))
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

/// Where connections go that were accepted.
#[derive(Clone)]
struct To {
    app: Router,
    places: Arc<Semaphore>,
    threads: Arc<Threads>,
    shared: Arc<Shared>,
}

impl To {
    /// Room for one more connection. Without it the system keeps clients waiting, or turns them away.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Has a connection served that `open` makes of what was accepted, on the thread that will serve it.
    fn serve(
        &self,
        place: OwnedSemaphorePermit,
        peer: Peer,
        open: impl Future<Output = Option<Box<dyn Stream>>> + Send + 'static,
    ) {
        let (app, shared) = (self.app.clone(), self.shared.clone());
        self.threads.serve(|served| async move {
            if let Some(stream) = open.await {
                http::serve(stream, app, peer, shared, (place, served)).await;
            }
        });
    }
}

/// What accepting has come to; after an error a while, so that one that lasts does not take up a processor.
async fn accepted<S>(accepted: std::io::Result<S>) -> Option<S> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "accepting a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn accept_tcp(listener: TcpListener, tls: Option<TlsAcceptor>, to: To) {
    while let Some(place) = to.place().await {
        let Some((stream, _)) = accepted(listener.accept().await).await else { continue };
        let Ok(stream) = stream.into_std() else { continue };
        let tls = tls.clone();
        let open = async move {
            let stream = TcpStream::from_std(stream).ok()?;
            let _ = stream.set_nodelay(true);
            #[cfg(target_os = "linux")]
            let stream = direct::Direct::new(stream);
            match tls {
                None => Some(Box::new(stream) as Box<dyn Stream>),
                Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => Some(Box::new(stream) as Box<dyn Stream>),
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "a handshake");
                        None
                    }
                    Err(_) => {
                        tracing::debug!("a handshake that did not end");
                        None
                    }
                },
            }
        };
        to.serve(place, Peer::Network, open);
    }
}

#[cfg(unix)]
async fn accept_unix(listener: tokio::net::UnixListener, to: To) {
    while let Some(place) = to.place().await {
        let Some((stream, _)) = accepted(listener.accept().await).await else { continue };
        // Of whoever connected, as the system noted then.
        let Ok(user) = stream.peer_cred().map(|found| found.uid()) else { continue };
        let Ok(stream) = stream.into_std() else { continue };
        let open = async move {
            let stream = tokio::net::UnixStream::from_std(stream).ok()?;
            Some(Box::new(stream) as Box<dyn Stream>)
        };
        to.serve(place, Peer::User(user), open);
    }
}

/// A connection of whatever kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

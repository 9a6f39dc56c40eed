//! HTTP over a connection: the WebSocket, and what tells how the server is.

use super::Stream;
use super::threads::Served;
use super::upgrade::upgrade;
use crate::connection::{self, Socket};
use crate::identity::Peer;
use crate::server::{Shared, stopped};
use axum::Router;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tower_service::Service;

/// How long a client has for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// One of the connections that there may be, on one of the threads.
pub(super) type Place = (OwnedSemaphorePermit, Served);

/// What a connection holds until it ends.
#[derive(Clone)]
struct Held {
    _place: Arc<Place>,
    _busy: watch::Receiver<()>,
}

/// What is at which path.
pub(super) fn app(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1", get(websocket))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if *shared.stopping.borrow() || !shared.catalog.is_well().await {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response();
    }
    "ready\n".into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let kind = [("content-type", "text/plain; version=0.0.4")];
    (kind, shared.metrics.text(shared.services.count())).into_response()
}

async fn websocket(State(shared): State<Arc<Shared>>, mut request: Request<axum::body::Body>) -> Response {
    let (answer, upgraded) = match upgrade(&mut request) {
        Ok(upgraded) => upgraded,
        Err(refused) => return refused.into_response(),
    };
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer::Network);
    let held = request.extensions().get::<Held>().cloned();
    tokio::spawn(async move {
        let _held = held;
        let Ok(upgraded) = upgraded.await else { return };
        // Without what it has been through as HTTP, each frame is nearer to the system.
        let Ok(parts) = upgraded.downcast::<TokioIo<Box<dyn Stream>>>() else { return };
        let socket = Socket::new(parts.io.into_inner(), &parts.read_buf, shared.config.limits.frame);
        connection::serve(shared, socket, peer).await;
    });
    answer
}

/// Serves a connection; one that becomes a WebSocket goes on after this.
pub(super) async fn serve(stream: Box<dyn Stream>, app: Router, peer: Peer, shared: Arc<Shared>, place: Place) {
    let held = Held { _place: Arc::new(place), _busy: shared.busy.subscribe() };
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(held.clone());
        app.clone().call(request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    let serving =
        http.timer(TokioTimer::new()).header_read_timeout(HEAD).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = serving.with_upgrades() => {
            if let Err(error) = served {
                tracing::debug!(%error, "a connection");
            }
        }
        () = stopped(shared.stopping.subscribe()) => {}
    }
}

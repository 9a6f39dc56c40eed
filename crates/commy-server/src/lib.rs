//! The coordinator: services, each a segment, of tenants, for whom it was granted to, over WebSockets.
//!
//! ```text
//! listen/      TCP, TLS, the Unix socket; HTTP: /health, /ready, /metrics, and the WebSocket at /v1
//!   connection/  a client: who it is, its requests, its watches
//!     access       what each kind of request needs
//!     services/    segments, objects, operations: what is done
//!       memory/      segments that are in memory: the keeper, checkpoints
//!     catalog/     who there is and what was granted, in SQLite; policy: the same, compiled
//! handover     the segment itself, as a descriptor, for local programs
//! ```
//!
//! Nothing is allowed that was not granted: [`need`] has a row for each kind of request, and one without a row is
//! refused. Numbers from the catalog decide what belongs to whom, never names or paths.

mod access;
mod catalog;
mod clock;
mod config;
mod connection;
mod failure;
#[cfg(unix)]
mod handover;
mod identity;
mod listen;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
mod policy;
#[cfg(unix)]
mod rotation;
mod server;
mod services;
mod usage;

pub use access::{Need, need};
pub use clock::Clock;
pub use config::{Config, Jwt, Limits, Tls};
pub use listen::dev_certificate;
#[cfg(target_os = "linux")]
pub use memory::keep;
pub use server::{Bootstrap, Server};

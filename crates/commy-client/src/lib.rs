//! Programs that use the objects of commy's coordinator from anywhere.
//!
//! ```no_run
//! # async fn program() -> Result<(), commy_client::Error> {
//! use commy_client::{Client, Credentials};
//!
//! let client = Client::connect("wss://commy.example:7440", Credentials::Key("cmy_..".into())).await?;
//! let stock = client.service("acme", "orders").object("stock");
//! stock.set("apples", &3u64).await?;
//! assert_eq!(stock.get::<u64>("apples").await?, Some(3));
//!
//! let mut watch = stock.watch("apples").await?;
//! while let Some(update) = watch.next().await? {
//!     println!("{update:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A connection that is lost is made again, and watches go on where they were. A request that was under way then fails
//! with [`Error::Disconnected`] if it may have changed something: whether it did is not known. What only reads is asked
//! again.
//!
//! On the server's own machine [`Service::map`] gives the segment itself, with the library's own types.

mod connection;
mod error;
#[cfg(unix)]
mod local;
mod objects;
mod services;
mod transport;
mod typed;
mod watch;

pub use commy_wire::{self as wire, Credentials};
pub use connection::{Client, Options};
pub use error::{Error, Result};
#[cfg(unix)]
pub use local::Mapped;
pub use objects::{Object, Page};
pub use services::Service;
pub use typed::from_json;
pub use watch::{Update, Watch};

/// The programs of the page on the coordinator are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/COORDINATOR.md")]
struct Documented;

//! Handing a segment over: its file's descriptor, freshly opened, to a local program.
//!
//! ```text
//! program --map, over its WebSocket--> allowed? a ticket of 256 random bits, for ten seconds and one use
//! program --ticket, over this socket--> the user of the process on the other end may have it: see below
//!         <--one byte and the descriptor (SCM_RIGHTS)--
//! ```
//!
//! The server opens the file anew for each, for writing only if that was granted, and closes its copy at once: the locks
//! of a segment's users belong to the open file description, and one that the server kept would keep the dead alive.
//! The mode `shared` is for trusted programs of one user (docs/SECURITY.md), so nobody else gets such a segment here. One that
//! is `isolated` any user's program gets, if it came with a ticket; one that was given out over the Unix socket, only the
//! user's to whom it was given.

use crate::catalog::{Holder, random_hex};
use crate::failure::{Result, fail};
use crate::identity::Peer;
use crate::server::Shared;
use commy_wire::{Code, Mode, descriptor};
use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

/// How long a ticket holds.
const HOLDS: Duration = Duration::from_secs(10);
/// Bytes of a ticket.
const TICKET: usize = 64;
/// Tickets that are out at once.
const MOST: usize = 10_000;

struct Ticket {
    holder: Holder,
    /// The user that asked for it, where the system told that.
    user: Option<u32>,
    until: Instant,
}

/// The tickets that are out.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<String, Ticket>>);

impl Tickets {
    /// A ticket for a segment.
    pub fn ticket(&self, holder: Holder, peer: Peer) -> Result<String> {
        let user = match peer {
            Peer::User(user) => Some(user),
            Peer::Network => None,
        };
        let ticket = random_hex::<32>()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, ticket| now < ticket.until);
        if all.len() >= MOST {
            return Err(fail(Code::TooMany, "too many segments are being handed over; try again"));
        }
        all.insert(ticket.clone(), Ticket { holder, user, until: now + HOLDS });
        Ok(ticket)
    }

    fn take(&self, ticket: &str) -> Option<Ticket> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket);
        found.filter(|ticket| Instant::now() < ticket.until)
    }
}

/// The user that the server runs as.
pub fn own_user() -> u32 {
    // SAFETY: it takes nothing and always succeeds.
    unsafe { libc::geteuid() }
}

/// Hands over to whoever comes with a ticket.
pub async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let done = tokio::time::timeout(HOLDS, hand_over(stream, &shared)).await;
                    if let Ok(Err(error)) = done {
                        tracing::info!(%error, "a segment was not handed over");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting at the socket of segments");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn hand_over(mut stream: UnixStream, shared: &Shared) -> io::Result<()> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    let peer = stream.peer_cred()?;
    let user = peer.uid();
    let mut ticket = [0; TICKET];
    stream.read_exact(&mut ticket).await?;
    let ticket = std::str::from_utf8(&ticket).ok().and_then(|ticket| shared.handover.take(ticket));
    let ticket = ticket.ok_or_else(|| refused("no such ticket"))?;
    // What was allowed then may not be any more.
    let policy = shared.catalog.policy();
    let row = policy.service_by_id(ticket.holder.service).ok_or_else(|| refused("the service is gone"))?;
    let may_have_it = match row.mode {
        Mode::Shared => user == own_user(),
        Mode::Isolated => ticket.user.is_none_or(|asked| asked == user),
        _ => false,
    };
    if !may_have_it {
        return Err(refused("another user"));
    }
    if !ticket.holder.may_have_it(&policy) {
        return Err(refused("the permission was revoked"));
    }
    // The ticket may be from before the service moved away from its holder, who was forgotten then.
    let failed = |failure: commy_wire::Failure| io::Error::other(failure.message);
    shared.catalog.note_holder(&ticket.holder).await.map_err(failed)?;
    let service = shared.services.get(row).map_err(failed)?;
    service.usable().map_err(failed)?;
    let file = service.open_again(ticket.holder.writes)?;
    if let Some(pid) = peer.pid() {
        shared.processes.add(pid as u64, ticket.holder);
    }
    // Revoked from here on, it is moved away from; revoked before, this may be the segment that it was moved to.
    if shared.catalog.epoch() != policy.epoch {
        return Err(refused("what is granted has changed meanwhile; ask again"));
    }
    loop {
        stream.writable().await?;
        let sent = stream.try_io(tokio::io::Interest::WRITABLE, || descriptor::send(&stream, &[1], Some(file.as_fd())));
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => {
                shared.metrics.handed_over.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                return sent;
            }
        }
    }
}

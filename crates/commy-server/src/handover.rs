//! Handing a segment over: its file's descriptor, freshly opened, to a local program.
//!
//! ```text
//! program --map, over its WebSocket--> allowed? a ticket of 256 random bits, for ten seconds and one use
//! program --ticket, over this socket--> the user of the process on the other end is the server's own
//!         <--one byte and the descriptor (SCM_RIGHTS)--
//! ```
//!
//! The server opens the file anew for each, for writing only if that was granted, and closes its copy at once: the locks
//! of a segment's users belong to the open file description, and one that the server kept would keep the dead alive.
//! The mode `shared` is for trusted programs of one user (docs/SECURITY.md), so nobody else gets a segment here.

use crate::catalog::random_hex;
use crate::failure::{Result, fail};
use crate::server::Shared;
use commy_wire::{Code, Mode, Permission};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
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
    service: u64,
    principal: u64,
    write: bool,
    until: Instant,
}

/// The tickets that are out.
#[derive(Default)]
pub struct Tickets(Mutex<HashMap<String, Ticket>>);

impl Tickets {
    /// A ticket for a segment.
    pub fn ticket(&self, service: u64, principal: u64, write: bool) -> Result<String> {
        let ticket = random_hex::<32>()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, ticket| now < ticket.until);
        if all.len() >= MOST {
            return Err(fail(Code::TooMany, "too many segments are being handed over; try again"));
        }
        all.insert(ticket.clone(), Ticket { service, principal, write, until: now + HOLDS });
        Ok(ticket)
    }

    fn take(&self, ticket: &str) -> Option<Ticket> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket);
        found.filter(|ticket| Instant::now() < ticket.until)
    }
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
    // SAFETY: it takes nothing and always succeeds.
    let own = unsafe { libc::geteuid() };
    if stream.peer_cred()?.uid() != own {
        return Err(refused("another user"));
    }
    let mut ticket = [0; TICKET];
    stream.read_exact(&mut ticket).await?;
    let ticket = std::str::from_utf8(&ticket).ok().and_then(|ticket| shared.handover.take(ticket));
    let ticket = ticket.ok_or_else(|| refused("no such ticket"))?;
    // What was allowed then may not be any more.
    let policy = shared.catalog.policy();
    let row = policy.service_by_id(ticket.service).filter(|row| row.mode == Mode::Shared);
    let row = row.ok_or_else(|| refused("the service is gone"))?;
    let permissions = policy.permissions(ticket.principal, row.node());
    let needed = [Permission::ServiceRead, Permission::ServiceWrite];
    if !needed[..1 + usize::from(ticket.write)].iter().all(|one| permissions.has(*one)) {
        return Err(refused("the permission was revoked"));
    }
    let service = shared.services.get(row).map_err(|failure| io::Error::other(failure.message))?;
    let file = File::options().read(true).write(ticket.write).open(service.segment().path())?;
    loop {
        stream.writable().await?;
        let sent = stream.try_io(tokio::io::Interest::WRITABLE, || send_descriptor(&stream, &file));
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => {
                shared.metrics.handed_over.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                return sent;
            }
        }
    }
}

/// Sends one byte and a descriptor.
fn send_descriptor(stream: &UnixStream, file: &File) -> io::Result<()> {
    // SAFETY: open for as long as the stream is borrowed.
    let socket = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
    let mut byte = [1u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // As many words as a control message with one descriptor has, aligned as it must be.
    let mut control = [0u64; 8];
    // SAFETY: a header is valid when zeroed; its parts are set to places that outlive the call, of the sizes that are
    // told, and the control message is within `control`, whose 64 bytes are more than it needs.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) as _;
        let head = libc::CMSG_FIRSTHDR(&message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as _;
        libc::CMSG_DATA(head).cast::<libc::c_int>().write_unaligned(file.as_raw_fd());
        match libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) {
            1 => Ok(()),
            -1 => Err(io::Error::last_os_error()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

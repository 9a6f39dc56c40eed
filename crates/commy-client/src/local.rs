//! The segment itself, for programs on the server's machine.
//!
//! The server gives a ticket; with that its other socket hands the descriptor of the segment's file over.

use crate::error::{Error, Result};
use crate::services::Service;
use commy::Segment;
use commy_wire::{Call, Map, Mapping, Reply};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Service {
    /// Maps the segment of the service, for changing it if `write`. What it gives is the library's own, as if the file
    /// had been opened here. It stays mapped if the permission is revoked later (docs/SECURITY.md).
    ///
    /// # Errors
    /// As [`Client::call`](crate::Client::call); [`Error::Segment`] if the server is not on this machine, or runs as
    /// another user.
    pub async fn map(&self, write: bool) -> Result<Segment> {
        let Reply::Mapping(mapping) = self.call(Call::Map(Map { write })).await? else { return Err(Error::Unexpected) };
        let name = self.name().to_owned();
        let mapped = tokio::task::spawn_blocking(move || {
            let file =
                receive(&mapping).map_err(|error| Error::Segment(format!("from {}: {error}", mapping.socket)))?;
            let opened = Segment::options().read_only(!write).open_file(file, Path::new(&name));
            opened.map_err(|error| Error::Segment(error.to_string()))
        });
        mapped.await.unwrap_or_else(|error| Err(Error::Segment(error.to_string())))
    }
}

fn receive(mapping: &Mapping) -> io::Result<File> {
    let mut stream = UnixStream::connect(&mapping.socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(mapping.ticket.as_bytes())?;
    receive_descriptor(&stream).map(File::from)
}

/// Receives one byte and a descriptor.
fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = [0u64; 8];
    // SAFETY: a header is valid when zeroed; its parts are set to places that outlive the call, of the sizes that are
    // told.
    let (received, message) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        (libc::recvmsg(stream.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC), message)
    };
    match received {
        -1 => return Err(io::Error::last_os_error()),
        0 => return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the server handed nothing over")),
        _ => {}
    }
    // SAFETY: the system has filled the header in, and what it says lies within `control`, which is still there.
    unsafe {
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        let is_descriptor = !head.is_null()
            && (*head).cmsg_level == libc::SOL_SOCKET
            && (*head).cmsg_type == libc::SCM_RIGHTS
            && (*head).cmsg_len as usize >= libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
        if !is_descriptor {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server sent no descriptor"));
        }
        // A descriptor that is now ours alone.
        Ok(OwnedFd::from_raw_fd(libc::CMSG_DATA(head).cast::<libc::c_int>().read_unaligned()))
    }
}

//! Descriptors of open files, sent through Unix sockets beside a few bytes (`SCM_RIGHTS`).
//!
//! ```text
//! sendmsg   bytes | control message: SOL_SOCKET, SCM_RIGHTS, one descriptor
//! recvmsg   the same; the descriptor that comes out leads to the same open file description, and is not inherited over exec
//! ```

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Room for the control message of one descriptor, aligned as it must be.
type Control = [u64; 8];

/// A message header over these bytes, and nothing else in it.
fn message(part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: plain integers and pointers, for which zeros are a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message
}

/// Sends all of a few bytes, and a descriptor with them.
///
/// # Errors
/// What the system says, [`WouldBlock`](io::ErrorKind::WouldBlock) from a socket that does not wait.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control: Control = [0; 8];
    let mut message = message(&mut part);
    if let Some(descriptor) = descriptor {
        // SAFETY: the control message lies within `control`, whose 64 bytes are more than it needs, and which is there
        // for as long as `message` is used.
        unsafe {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size_of::<libc::c_int>() as u32) as _;
            let head = libc::CMSG_FIRSTHDR(&raw const message);
            (*head).cmsg_level = libc::SOL_SOCKET;
            (*head).cmsg_type = libc::SCM_RIGHTS;
            (*head).cmsg_len = libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as _;
            libc::CMSG_DATA(head).cast::<libc::c_int>().write_unaligned(descriptor.as_raw_fd());
        }
    }
    loop {
        // SAFETY: what the header points to outlives the call; sending does not write to it.
        match unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
            sent if sent as usize == bytes.len() => return Ok(()),
            _ => return Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// Receives a message that [`send`] has sent with as many bytes; gives the descriptor, if one came. None at all if the other
/// side has hung up.
///
/// # Errors
/// What the system says; [`InvalidData`](io::ErrorKind::InvalidData) for a message of another length.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<Option<Option<OwnedFd>>> {
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut control: Control = [0; 8];
    let mut message = message(&mut part);
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let received = loop {
        // SAFETY: what the header points to is ours to be written to, of the sizes that are told, and outlives the call.
        match unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, FLAGS) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
            received => break received as usize,
        }
    };
    // SAFETY: the system has filled the header in, and what it says lies within `control`, which is still there. A
    // descriptor that came is ours alone.
    let descriptor = unsafe {
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        let is_descriptor = !head.is_null()
            && (*head).cmsg_level == libc::SOL_SOCKET
            && (*head).cmsg_type == libc::SCM_RIGHTS
            && (*head).cmsg_len as usize >= libc::CMSG_LEN(size_of::<libc::c_int>() as u32) as usize;
        is_descriptor.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(head).cast::<libc::c_int>().read_unaligned()))
    };
    match received {
        0 => Ok(None),
        whole if whole == bytes.len() => Ok(Some(descriptor)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a message of another length")),
    }
}

/// What is received is not inherited over exec, where the system can see to it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FLAGS: libc::c_int = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_that_was_sent_leads_to_the_same_file() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        send(&here, b"with", Some(file.as_fd())).unwrap();
        send(&here, b"none", None).unwrap();
        drop(here);
        let mut bytes = [0; 4];
        let mut received = File::from(receive(&there, &mut bytes).unwrap().unwrap().unwrap());
        assert_eq!(&bytes, b"with");
        received.rewind().unwrap();
        let mut text = String::new();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        assert!(receive(&there, &mut bytes).unwrap().unwrap().is_none());
        assert_eq!(&bytes, b"none");
        assert!(receive(&there, &mut bytes).unwrap().is_none());
    }

    #[test]
    fn a_message_of_another_length_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        send(&here, b"abc", None).unwrap();
        assert_eq!(receive(&there, &mut [0; 4]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

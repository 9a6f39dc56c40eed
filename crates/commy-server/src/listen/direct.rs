//! A TCP connection that is read and written with as little around the system's calls as can be.
//!
//! ```text
//! read     is it known to be ready? --> recv --> less than there was room for: nothing more is there, not ready any more
//!                  \\ no                  \\ nothing: not ready
//!                   wait to be told
//! write    the same with send
//! ```
//!
//! The runtime's own way asks its budget for every call whether the task had its turn, and goes through the C library, whose
//! calls may be cancelled. With frames of a few dozen bytes that is as much work as what is done with them. Here it is
//! counted how often something was read without waiting, and after some times others have their turn.

use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// How often something is read at most before others have their turn.
const AT_ONCE: u8 = 64;

/// The connection.
pub(super) struct Direct {
    stream: TcpStream,
    /// Nothing was there to be read when it was last read: waiting for more comes first.
    empty: bool,
    /// How often something was read since others had their turn.
    reads: u8,
}

impl Direct {
    pub(super) fn new(stream: TcpStream) -> Direct {
        Direct { stream, empty: true, reads: 0 }
    }
}

impl AsyncRead for Direct {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reads == AT_ONCE {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            // Who waits is woken when it is ready: then that need not be asked.
            if std::mem::take(&mut self.empty) {
                let there = self.stream.poll_read_ready(cx)?;
                if there.is_pending() {
                    self.reads = 0;
                    return Poll::Pending;
                }
            }
            let (stream, mut read) = (&self.stream, 0);
            let done = stream.try_io(Interest::READABLE, || {
                // SAFETY: nothing is written there but what was read, by the system.
                let room = unsafe { buf.unfilled_mut() };
                let most = room.len();
                let ((filled, _), _) = recv(stream, room, RecvFlags::empty())?;
                read = filled.len();
                // It is told anew of what comes after this.
                if (1..most).contains(&read) { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            let nothing = done.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
            self.empty = nothing;
            if read > 0 {
                self.reads += 1;
                // SAFETY: so many bytes were read to the beginning of the room.
                unsafe { buf.assume_init(read) };
                buf.advance(read);
                return Poll::Ready(Ok(()));
            }
            match done {
                Err(_) if nothing => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for Direct {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &self.stream;
        loop {
            match stream.try_io(Interest::WRITABLE, || Ok(send(stream, bytes, SendFlags::NOSIGNAL)?)) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(stream.poll_write_ready(cx))?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    async fn pair() -> (Direct, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Direct::new(listener.accept().await.unwrap().0), client)
    }

    #[tokio::test]
    async fn others_have_their_turn_while_there_is_more_to_be_read() {
        let (mut direct, mut client) = pair().await;
        client.write_all(&[7; 1000]).await.unwrap();
        // All of it is there.
        while direct.stream.peek(&mut [0; 1000]).await.unwrap() < 1000 {}
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        let mut byte = [0];
        let mut read = || Pin::new(&mut direct).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready();
        for _ in 0..2 {
            assert_eq!((0..200).take_while(|_| read()).count(), usize::from(AT_ONCE));
            assert!(woken.0.swap(false, Ordering::Relaxed), "who leaves others their turn comes back");
        }
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_read_to_the_end() {
        const PIECES: usize = 300;
        let (mut direct, mut client) = pair().await;
        let sent: Vec<u8> = (0..PIECES * 100).map(|at| at as u8).collect();
        let (mut read, mut buffer) = (Vec::new(), [0; 64]);
        for piece in sent.chunks(100) {
            client.write_all(piece).await.unwrap();
            // A full buffer, and what is left; then nothing is there until the next piece is sent.
            for _ in 0..2 {
                let many = direct.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..many]);
            }
            assert!(direct.empty);
        }
        drop(client);
        assert_eq!((read == sent, direct.read(&mut buffer).await.unwrap()), (true, 0));
    }

    #[tokio::test]
    async fn who_does_not_read_is_waited_for() {
        let (mut direct, mut client) = pair().await;
        let sent = vec![9; 20 << 20];
        let writing = async {
            direct.write_all(&sent).await.unwrap();
            direct.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let (_, many) = tokio::join!(writing, client.read_to_end(&mut read));
        assert_eq!((many.unwrap(), read == sent), (sent.len(), true));
    }
}

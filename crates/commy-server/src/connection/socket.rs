//! A client's WebSocket: what it sends is read into one buffer, and what it is sent goes out together from another.

use crate::listen::Stream;
use commy_wire::{Broken, Encoding, Frame, Frames, Message, encode_behind, put_close, put_message, put_ping, put_pong};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest buffer that is kept when there is nothing in it.
const KEPT: usize = 64 << 10;

/// A WebSocket.
pub struct Socket {
    stream: Box<dyn Stream>,
    frames: Frames,
    out: Vec<u8>,
    /// How much of that the system has taken.
    sent: usize,
    /// Bytes that a message may have, in either direction.
    limit: usize,
}

/// Bytes of the message in a frame of so many bytes that is sent to a client.
const fn payload_of(frame: usize) -> usize {
    match frame {
        ..128 => frame - 2,
        128..65540 => frame - 4,
        _ => frame - 10,
    }
}

impl Socket {
    /// A connection that has become one, of which something may have been read already.
    pub fn new(stream: Box<dyn Stream>, read: &[u8], limit: usize) -> Socket {
        let mut frames = Frames::new(limit);
        frames.room().extend_from_slice(read);
        Socket { stream, frames, out: Vec::new(), sent: 0, limit }
    }

    /// Reads what has come, at least a byte; waits for that. At the end, and of who is gone, it gives false.
    pub async fn read(&mut self) -> bool {
        std::future::poll_fn(|cx| self.poll_read(cx)).await
    }

    /// The same.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let read = self.frames.room();
        let room = read.spare_capacity_mut();
        let (begin, mut room) = (room.as_ptr().cast(), ReadBuf::uninit(room));
        let done = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
        assert!(std::ptr::eq(room.filled().as_ptr(), begin), "a stream has put another buffer into the place of ours");
        let new = room.filled().len();
        // SAFETY: behind what was in it there was room for that, which now is filled.
        unsafe { read.set_len(read.len() + new) };
        Poll::Ready(done.is_ok() && new > 0)
    }

    /// The next frame of what was read. Pings have their answer, which is to be flushed.
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        let next = self.frames.next();
        if let Ok(Some(Frame::Ping(payload))) = &next {
            put_pong(&mut self.out, payload);
        }
        next
    }

    /// Bytes that are to be flushed.
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// Has a message go out with the next flush.
    pub fn put(&mut self, encoding: Encoding, message: &Message) {
        put_message(&mut self.out, encoding, |out| encode_behind(out, encoding, message));
    }

    /// The same, if it is not too long for a frame.
    ///
    /// # Errors
    /// It has so many bytes, and does not go out.
    pub fn put_if_it_fits(&mut self, encoding: Encoding, message: &Message) -> Result<(), usize> {
        let begin = self.out.len();
        self.put(encoding, message);
        let length = payload_of(self.out.len() - begin);
        if length <= self.limit {
            return Ok(());
        }
        self.out.truncate(begin);
        Err(length)
    }

    /// Has a ping go out.
    pub fn ping(&mut self) {
        put_ping(&mut self.out);
    }

    /// Has the end go out.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        put_close(&mut self.out, code, reason);
    }

    /// Has the system take what is to go out.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => self.sent += taken,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        (self.sent, self.out) =
            (0, if self.out.capacity() > KEPT { Vec::new() } else { std::mem::take(&mut self.out) });
        self.out.clear();
        Poll::Ready(Ok(()))
    }

    /// Waits for the client to end it, too. What it has sent meanwhile is read, or the system would throw away our last
    /// words.
    pub async fn ended(&mut self) {
        loop {
            match self.next() {
                Ok(Some(Frame::Close(_))) => return,
                Ok(Some(_)) => self.out.clear(),
                Ok(None) => {
                    if !self.read().await {
                        return;
                    }
                }
                // What comes behind it means nothing any more.
                Err(_) => self.frames = Frames::new(self.limit),
            }
        }
    }
}

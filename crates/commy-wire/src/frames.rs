//! WebSocket frames as a server reads and writes them (RFC 6455, section 5).
//!
//! ```text
//! byte 0        FIN, three bits that are 0 | opcode, four bits
//! byte 1        MASK | length, seven bits: up to 125; 126: it is in the next two bytes; 127: in the next eight
//! 0, 2, 8       the length, big-endian; never in more bytes than it takes
//! 0, 4          the mask: in what clients send, and only there
//! payload       byte i of what clients send is XORed with byte i % 4 of the mask
//!
//! opcode        0 more of a message, 1 text, 2 binary, 8 close, 9 ping, 10 pong
//! ```
//!
//! A message is one frame, or several of which the last has FIN; between them may come those from 8 on, which are
//! whole and have at most 125 bytes.
//!
//! ```text
//!          begin                        room: what is read next
//! buffer   | frame | frame | part of one|
//! ```
//!
//! Frames are unmasked where they were read, and given out from there; only messages in several are put together elsewhere.
//! Messages of at most 125 bytes in one frame, which most are, are seen by their first two bytes (`Frames::short`).

use crate::encoding::Encoding;
use std::ops::Range;

/// Bytes for which there is room at least.
const READ: usize = 8 << 10;
/// The largest buffer that is kept when there is nothing in it.
const KEPT: usize = 64 << 10;
/// Bytes that a frame has at most that is no message.
const MOST_OF_CONTROL: usize = 125;

/// What a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole message. One of text is UTF-8.
    Message(Encoding, &'a [u8]),
    /// To be answered by a pong of the same bytes.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong,
    /// The end, and the code that says why, if it was said.
    Close(Option<u16>),
}

/// Why what a client has sent is no WebSocket. Nothing that comes behind it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not as the protocol has it.
    #[error("no WebSocket frame: {0}")]
    Protocol(&'static str),
    /// A text is not UTF-8.
    #[error("a text frame that is not UTF-8")]
    Text,
    /// A message is longer than may be.
    #[error("a message of more bytes than a frame may have")]
    TooLarge,
}

impl Broken {
    /// The code that the connection is closed with.
    pub fn code(self) -> u16 {
        match self {
            Broken::Protocol(_) => 1002,
            Broken::Text => 1007,
            Broken::TooLarge => 1009,
        }
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    More,
    Message(Encoding),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// What is before the payload of a frame.
struct Head {
    last: bool,
    opcode: Opcode,
    mask: [u8; 4],
    /// Its own length, and the payload's.
    length: usize,
    payload: u64,
}

impl Head {
    /// The head that some bytes begin with; none if there is more to come of it.
    fn read(bytes: &[u8]) -> Result<Option<Head>, Broken> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Broken::Protocol("reserved bits are set"));
        }
        let opcode = match first & 0x0f {
            0 => Opcode::More,
            1 => Opcode::Message(Encoding::Json),
            2 => Opcode::Message(Encoding::Cbor),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Broken::Protocol("an opcode that there is not")),
        };
        if second & 0x80 == 0 {
            return Err(Broken::Protocol("a client's frame without a mask"));
        }
        let (last, short) = (first & 0x80 != 0, second & 0x7f);
        if opcode.is_control() && !(last && usize::from(short) <= MOST_OF_CONTROL) {
            return Err(Broken::Protocol("a close, ping or pong in parts, or of more than 125 bytes"));
        }
        let (payload, least, rest) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((long, rest)) => (u64::from(u16::from_be_bytes(*long)), 126, rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((long, rest)) => (u64::from_be_bytes(*long), 1 << 16, rest),
                None => return Ok(None),
            },
            short => (u64::from(short), 0, rest),
        };
        if payload < least {
            return Err(Broken::Protocol("a length in more bytes than it takes"));
        }
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Head { last, opcode, mask: *mask, length: bytes.len() - rest.len(), payload }))
    }
}

/// Masks, or takes the mask away, which is the same.
#[inline]
fn mask(bytes: &mut [u8], mask: [u8; 4]) {
    // Twice.
    let mask = u64::from(u32::from_le_bytes(mask)) * 0x1_0000_0001;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ mask).to_le_bytes();
    }
    let rest = rest.len();
    match bytes.last_chunk_mut::<8>() {
        // The last eight bytes, with zeros for those of them that are done.
        Some(last) if rest > 0 => *last = (u64::from_le_bytes(*last) ^ mask << (64 - 8 * rest)).to_le_bytes(),
        Some(_) => {}
        None => bytes.iter_mut().zip(mask.to_le_bytes()).for_each(|(byte, mask)| *byte ^= mask),
    }
}

/// A whole message.
#[inline]
fn message(encoding: Encoding, bytes: &[u8]) -> Result<Frame<'_>, Broken> {
    if encoding == Encoding::Json && std::str::from_utf8(bytes).is_err() {
        return Err(Broken::Text);
    }
    Ok(Frame::Message(encoding, bytes))
}

/// The code in the payload of a close.
fn reason(payload: &[u8]) -> Result<Option<u16>, Broken> {
    let Some((code, text)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Broken::Protocol("half a code")) };
    };
    let code = u16::from_be_bytes(*code);
    // The others must not be sent, or mean nothing yet.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Broken::Protocol("a code that is none"));
    }
    std::str::from_utf8(text).map_err(|_| Broken::Text)?;
    Ok(Some(code))
}

/// Where a message is.
enum Place {
    Buffer(Range<usize>),
    Parts,
}

/// Takes frames out of the bytes that a client sends.
///
/// ```
/// use commy_wire::{Encoding, Frame, Frames};
///
/// let mut frames = Frames::new(1024);
/// frames.room().extend([0x82, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3, 0x89]);
/// assert_eq!(frames.next(), Ok(Some(Frame::Message(Encoding::Cbor, b"abc"))));
/// // Of the next one, more is to come.
/// assert_eq!(frames.next(), Ok(None));
/// ```
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where in it that begins which was not given out.
    begin: usize,
    /// What a message in parts is, of which the last is not there yet,
    open: Option<Encoding>,
    /// and the parts, until the next message.
    parts: Vec<u8>,
    /// Bytes that a message may have.
    limit: usize,
}

impl Frames {
    /// Nothing read yet, of a client whose messages may have so many bytes.
    pub fn new(limit: usize) -> Frames {
        Frames { buffer: Vec::new(), begin: 0, open: None, parts: Vec::new(), limit }
    }

    /// What is read next is to be put behind what is in this, for which there is room. It grows with what is read, not with
    /// what a head says will come.
    pub fn room(&mut self) -> &mut Vec<u8> {
        match std::mem::take(&mut self.begin) {
            all if all == self.buffer.len() => self.buffer.clear(),
            begin => drop(self.buffer.drain(..begin)),
        }
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(READ);
        &mut self.buffer
    }

    /// Takes the next frame, if it is a whole message of at most 125 bytes that is there and may be. Otherwise nothing is taken.
    #[inline]
    fn short(&mut self) -> Option<(Encoding, Range<usize>)> {
        let ([first, second], rest) = self.buffer.get_mut(self.begin..)?.split_first_chunk_mut::<2>()?;
        let (bits, rest) = rest.split_first_chunk_mut::<4>()?;
        let encoding = match *first {
            0x81 => Encoding::Json,
            0x82 => Encoding::Cbor,
            _ => return None,
        };
        let length @ 0..126 = usize::from(*second ^ 0x80) else { return None };
        if self.open.is_some() || length > self.limit {
            return None;
        }
        mask(rest.get_mut(..length)?, *bits);
        let from = self.begin + 6;
        self.begin = from + length;
        Some((encoding, from..self.begin))
    }

    /// Takes the next frame, whatever it is, or all of a message; none if there is more to come of it.
    #[inline(never)]
    fn any(&mut self) -> Result<Option<(Opcode, Place)>, Broken> {
        loop {
            let Some(head) = Head::read(&self.buffer[self.begin..])? else { return Ok(None) };
            let from = self.begin + head.length;
            let before = if self.open.is_some() { self.parts.len() } else { 0 };
            if !head.opcode.is_control() && head.payload > (self.limit - before) as u64 {
                return Err(Broken::TooLarge);
            }
            let to = from + head.payload as usize;
            let Some(payload) = self.buffer.get_mut(from..to) else { return Ok(None) };
            mask(payload, head.mask);
            self.begin = to;
            match (head.opcode, self.open) {
                (Opcode::Message(_), Some(_)) => return Err(Broken::Protocol("a message within another")),
                (Opcode::More, None) => return Err(Broken::Protocol("more of no message")),
                (Opcode::Message(encoding), None) if !head.last => {
                    self.parts.clear();
                    self.parts.shrink_to(KEPT);
                    self.parts.extend_from_slice(payload);
                    self.open = Some(encoding);
                }
                (Opcode::More, Some(encoding)) => {
                    self.parts.extend_from_slice(payload);
                    if head.last {
                        self.open = None;
                        return Ok(Some((Opcode::Message(encoding), Place::Parts)));
                    }
                }
                (opcode, _) => return Ok(Some((opcode, Place::Buffer(from..to)))),
            }
        }
    }

    /// The next frame that is whole, or message; none if there is more to come of it.
    ///
    /// # Errors
    /// [`Broken`]: it is the end.
    #[allow(clippy::should_implement_trait, reason = "what it gives is in it")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        if let Some((encoding, range)) = self.short() {
            return message(encoding, &self.buffer[range]).map(Some);
        }
        if self.begin == self.buffer.len() {
            return Ok(None);
        }
        let Some((opcode, place)) = self.any()? else { return Ok(None) };
        let bytes = match place {
            Place::Buffer(range) => &self.buffer[range],
            Place::Parts => &self.parts,
        };
        Ok(Some(match opcode {
            Opcode::Message(encoding) => message(encoding, bytes)?,
            Opcode::Close => Frame::Close(reason(bytes)?),
            Opcode::Ping => Frame::Ping(bytes),
            Opcode::Pong | Opcode::More => Frame::Pong,
        }))
    }
}

/// Writes a frame behind `out`, of what `write` writes behind it.
fn put(out: &mut Vec<u8>, opcode: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    out.extend([0x80 | opcode, 0]);
    write(out);
    let payload = out.len() - begin - 2;
    match payload {
        0..126 => out[begin + 1] = payload as u8,
        126..65536 => {
            out[begin + 1] = 126;
            out.splice(begin + 2..begin + 2, (payload as u16).to_be_bytes());
        }
        _ => {
            out[begin + 1] = 127;
            out.splice(begin + 2..begin + 2, (payload as u64).to_be_bytes());
        }
    }
}

/// Writes a message behind `out`, whose bytes `write` writes behind it: those of a text must be UTF-8.
pub fn put_message(out: &mut Vec<u8>, encoding: Encoding, write: impl FnOnce(&mut Vec<u8>)) {
    let opcode = match encoding {
        Encoding::Json => 1,
        Encoding::Cbor => 2,
    };
    put(out, opcode, write);
}

/// Writes a ping behind `out`, which the client is to answer.
pub fn put_ping(out: &mut Vec<u8>) {
    put(out, 9, |_| {});
}

/// Writes the answer to a ping behind `out`.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, 10, |out| out.extend_from_slice(&payload[..payload.len().min(MOST_OF_CONTROL)]));
}

/// Writes the end behind `out`: a code, if there is one to be told, and as much of a reason as there is room for.
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    put(out, 8, |out| {
        let Some(code) = code else { return };
        out.extend(code.to_be_bytes());
        let fits = |(at, one): (usize, char)| (at + one.len_utf8() <= MOST_OF_CONTROL - 2).then_some(one);
        out.extend(reason.char_indices().map_while(fits).collect::<String>().bytes());
    });
}

//! WebSocket frames as any client may send them, and as none may.

use commy_wire::{Broken, Encoding, Frame, Frames, put_close, put_message, put_ping, put_pong};
use proptest::prelude::*;

const LIMIT: usize = 100_000;

/// A client's frame.
fn frame(last: bool, opcode: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// What was taken out, with bytes of its own.
#[derive(Clone, Debug, PartialEq)]
enum Taken {
    Message(Encoding, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

fn owned(frame: Frame<'_>) -> Taken {
    match frame {
        Frame::Message(encoding, bytes) => Taken::Message(encoding, bytes.to_vec()),
        Frame::Ping(bytes) => Taken::Ping(bytes.to_vec()),
        Frame::Pong => Taken::Pong,
        Frame::Close(code) => Taken::Close(code),
    }
}

/// All that is in some bytes, which come in pieces of these lengths.
fn take(bytes: &[u8], mut lengths: impl Iterator<Item = usize>) -> Result<Vec<Taken>, Broken> {
    let (mut frames, mut all, mut rest) = (Frames::new(LIMIT), Vec::new(), bytes);
    loop {
        while let Some(frame) = frames.next()? {
            all.push(owned(frame));
        }
        if rest.is_empty() {
            return Ok(all);
        }
        let (piece, later) = rest.split_at(lengths.next().unwrap_or(usize::MAX).clamp(1, rest.len()));
        frames.room().extend_from_slice(piece);
        rest = later;
    }
}

fn whole(bytes: &[u8]) -> Result<Vec<Taken>, Broken> {
    take(bytes, std::iter::empty())
}

const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A message, the lengths of the parts that it comes in, and what comes before each.
fn message() -> impl Strategy<Value = (Encoding, Vec<u8>, Vec<usize>, Vec<Option<Vec<u8>>>)> {
    let text = prop_oneof![Just(String::new()), ".{0,40}", Just("\u{e4}\u{1f600}".repeat(3000))];
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 0..300), Just(vec![7; 65_535]), Just(vec![8; 65_536])];
    let content = prop_oneof![
        text.prop_map(|text| (Encoding::Json, text.into_bytes())),
        bytes.prop_map(|bytes| (Encoding::Cbor, bytes))
    ];
    let pings = prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..126)), 1..5);
    (content, prop::collection::vec(0..200usize, 0..4), pings)
        .prop_map(|((encoding, bytes), parts, pings)| (encoding, bytes, parts, pings))
}

proptest! {
    #[test]
    fn messages_come_whole_however_they_were_cut_and_whatever_came_in_between(
        messages in prop::collection::vec((message(), any::<[u8; 4]>()), 1..5),
        lengths in prop::collection::vec(1..5000usize, 1..20),
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for ((encoding, content, parts, pings), mask) in messages {
            let opcode = if encoding == Encoding::Json { 1 } else { 2 };
            let mut rest = &content[..];
            for number in 0..=parts.len() {
                if let Some(Some(ping)) = pings.get(number) {
                    bytes.extend(frame(true, 9, mask, ping));
                    bytes.extend(frame(true, 10, mask, b"late"));
                    expected.extend([Taken::Ping(ping.clone()), Taken::Pong]);
                }
                let length = parts.get(number).map_or(rest.len(), |length| rest.len().min(*length));
                let (part, later) = rest.split_at(length);
                bytes.extend(frame(number == parts.len(), if number == 0 { opcode } else { 0 }, mask, part));
                rest = later;
            }
            expected.push(Taken::Message(encoding, content));
        }
        prop_assert_eq!(take(&bytes, lengths.into_iter().cycle()), Ok(expected));
    }

    #[test]
    fn bytes_that_are_anything_neither_panic_nor_are_kept_beyond_what_came(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        lengths in prop::collection::vec(1..50usize, 1..5),
    ) {
        let _ = take(&bytes, lengths.into_iter().cycle());
    }
}

#[test]
fn what_the_protocol_forbids_ends_the_connection_with_the_code_that_it_has_for_that() {
    let open = frame(false, 1, MASK, b"a");
    let long = |short: u8, bytes: &[u8]| [&[0x82, 0x80 | short][..], bytes, &MASK].concat();
    let forbidden: [(&str, Vec<u8>); 17] = [
        ("reserved bits", frame(true, 0x42, MASK, b"")),
        ("an opcode for data that there is not", frame(true, 3, MASK, b"")),
        ("an opcode for control that there is not", frame(true, 11, MASK, b"")),
        ("no mask", vec![0x82, 0]),
        ("no mask, of a frame of which more is to come", vec![0x82, 126]),
        ("a ping in parts", frame(false, 9, MASK, b"")),
        ("a ping of 126 bytes", frame(true, 9, MASK, &[0; 126])),
        ("a close of 126 bytes", frame(true, 8, MASK, &[3; 126])),
        ("two bytes for a length of one", long(126, &125u16.to_be_bytes())),
        ("eight bytes for a length of two", long(127, &65_535u64.to_be_bytes())),
        ("more of no message", frame(true, 0, MASK, b"a")),
        ("more of a message that was whole", [frame(true, 1, MASK, b"a"), frame(true, 0, MASK, b"a")].concat()),
        ("a message within another", [open.clone(), frame(true, 1, MASK, b"a")].concat()),
        ("half a code", frame(true, 8, MASK, &[3])),
        ("a code that is not sent", frame(true, 8, MASK, &1005u16.to_be_bytes())),
        ("a code that means nothing", frame(true, 8, MASK, &999u16.to_be_bytes())),
        ("a code of nobody's", frame(true, 8, MASK, &5000u16.to_be_bytes())),
    ];
    for (what, bytes) in forbidden {
        // All at once, and byte by byte: then each frame is looked at by itself.
        for length in [usize::MAX, 1] {
            let found = take(&bytes, std::iter::repeat(length)).expect_err(what);
            assert_eq!(found.code(), 1002, "{what}: {found}");
        }
    }
    let cut = [open, frame(true, 0, MASK, "\u{e4}".as_bytes().split_at(1).0)].concat();
    for (what, bytes) in [
        ("a text that is not UTF-8", frame(true, 1, MASK, &[b'a', 0xff])),
        ("a text in parts that ends within a character", cut),
        ("a reason that is not UTF-8", frame(true, 8, MASK, &[3, 232, 0xff])),
    ] {
        assert_eq!(whole(&bytes), Err(Broken::Text), "{what}");
    }
    assert_eq!(Broken::Text.code(), 1007);
    // Said when the length is, before anything of it has come; and of the parts of a message together.
    let first = frame(false, 2, MASK, &[0; LIMIT]);
    assert_eq!(whole(&first), Ok(vec![]));
    for (what, bytes) in [
        ("a long message", long(127, &(LIMIT as u64 + 1).to_be_bytes())),
        ("the longest length", long(127, &u64::MAX.to_be_bytes())),
        ("a message in parts", [first, frame(true, 0, MASK, b"a")].concat()),
    ] {
        assert_eq!(whole(&bytes), Err(Broken::TooLarge), "{what}");
    }
    assert_eq!(Broken::TooLarge.code(), 1009);
    // What is just allowed.
    for code in [1000u16, 1011, 3000, 4999] {
        assert_eq!(whole(&frame(true, 8, MASK, &code.to_be_bytes())), Ok(vec![Taken::Close(Some(code))]));
    }
    assert_eq!(whole(&frame(true, 8, MASK, b"")), Ok(vec![Taken::Close(None)]));
    assert_eq!(whole(&frame(true, 2, MASK, &[7; LIMIT])), Ok(vec![Taken::Message(Encoding::Cbor, vec![7; LIMIT])]));
}

#[test]
fn a_head_that_promises_much_takes_up_no_memory_before_it_comes() {
    let mut frames = Frames::new(1 << 40);
    let head = [&[0x82, 0x80 | 127][..], &(1u64 << 39).to_be_bytes(), &MASK].concat();
    frames.room().extend_from_slice(&head);
    for _ in 0..1000 {
        assert_eq!(frames.next(), Ok(None));
        let room = frames.room();
        assert!(room.capacity() < 1 << 20, "{}", room.capacity());
    }
}

#[test]
fn the_buffer_is_given_back_after_a_large_message() {
    let mut frames = Frames::new(1 << 20);
    frames.room().extend_from_slice(&frame(true, 2, MASK, &vec![1; 1 << 20]));
    assert!(matches!(frames.next(), Ok(Some(Frame::Message(..)))));
    assert!(frames.room().capacity() < 1 << 17);
}

#[test]
fn frames_are_written_with_the_shortest_length_and_without_a_mask() {
    for (length, head) in [
        (0, vec![0x82, 0]),
        (125, vec![0x82, 125]),
        (126, vec![0x82, 126, 0, 126]),
        (65_535, vec![0x82, 126, 0xff, 0xff]),
        (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        // Behind what there is.
        let (mut out, payload) = (b"before".to_vec(), vec![9; length]);
        put_message(&mut out, Encoding::Cbor, |out| out.extend_from_slice(&payload));
        assert_eq!(out, [b"before", &head[..], &payload].concat());
    }
    let mut out = Vec::new();
    put_message(&mut out, Encoding::Json, |out| out.extend_from_slice(b"{}"));
    put_ping(&mut out);
    put_pong(&mut out, b"abc");
    put_close(&mut out, None, "nothing is told without a code");
    put_close(&mut out, Some(1001), "why");
    assert_eq!(out, [b"\x81\x02{}".as_slice(), b"\x89\0", b"\x8a\x03abc", b"\x88\0", b"\x88\x05\x03\xe9why"].concat());
    // A reason that is too long ends with a whole character.
    let mut out = Vec::new();
    put_close(&mut out, Some(1008), &"\u{20ac}".repeat(100));
    assert_eq!(out[1] as usize, out.len() - 2);
    assert!(out.len() <= 127 && std::str::from_utf8(&out[4..]).is_ok_and(|reason| reason.chars().count() == 41));
}

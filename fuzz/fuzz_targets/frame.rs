//! Bytes of strangers as what a client of the coordinator sends: as the payload of a frame, in both encodings, they are a
//! message, which then is written and read as the same, or an error; as frames they are messages, which come out the same
//! however the bytes are cut, or an error.
#![no_main]

use commy_wire::{Broken, Encoding, Frame, Frames, Message, Request, decode, encode};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes that a message may have.
const LIMIT: usize = 1000;

/// What is read is written, read and written as the same.
fn try_as<T: Serialize + DeserializeOwned>(encoding: Encoding, bytes: &[u8]) {
    let Ok(read) = decode::<T>(encoding, bytes) else { return };
    let written = encode(encoding, &read);
    let again = decode::<T>(encoding, &written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
    assert_eq!(encode(encoding, &again), written);
}

/// What the frames are in bytes that come in pieces of a length, and why there are no more.
fn taken(bytes: &[u8], length: usize) -> (Vec<String>, Option<Broken>) {
    let (mut frames, mut all) = (Frames::new(LIMIT), Vec::new());
    for piece in bytes.chunks(length) {
        frames.room().extend_from_slice(piece);
        loop {
            match frames.next() {
                Ok(Some(frame)) => {
                    if let Frame::Message(encoding, bytes) = frame {
                        assert!(bytes.len() <= LIMIT);
                        try_as::<Request>(encoding, bytes);
                    }
                    all.push(format!("{frame:?}"));
                }
                Ok(None) => break,
                Err(broken) => return (all, Some(broken)),
            }
        }
    }
    (all, None)
}

fuzz_target!(|bytes: &[u8]| {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        try_as::<Request>(encoding, bytes);
        try_as::<Message>(encoding, bytes);
    }
    let whole = taken(bytes, usize::MAX);
    for length in [1, 3, 64] {
        assert_eq!(taken(bytes, length), whole);
    }
});

//! Bytes of strangers as frames of the coordinator, in both encodings: they are a message, which then is written and read
//! as the same, or an error.
#![no_main]

use commy_wire::{Encoding, Message, Request, decode, encode};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

/// What is read is written, read and written as the same.
fn try_as<T: Serialize + DeserializeOwned>(encoding: Encoding, bytes: &[u8]) {
    let Ok(read) = decode::<T>(encoding, bytes) else { return };
    let written = encode(encoding, &read);
    let again = decode::<T>(encoding, &written).unwrap_or_else(|error| panic!("{written:?}: {error}"));
    assert_eq!(encode(encoding, &again), written);
}

fuzz_target!(|bytes: &[u8]| {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        try_as::<Request>(encoding, bytes);
        try_as::<Message>(encoding, bytes);
    }
});

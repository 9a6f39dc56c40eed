//! Bytes of strangers as frames of the coordinator, in both encodings: they are a message, which then is written and read
//! as the same, or an error.
//!
//! `cargo +nightly fuzz run frame`

#![no_main]

use commy_wire::{Encoding, Message, Request, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        if let Ok(request) = decode::<Request>(encoding, bytes) {
            let again = encode(encoding, &request);
            assert_eq!(encode(encoding, &decode::<Request>(encoding, &again).unwrap()), again);
        }
        let _ = decode::<Message>(encoding, bytes);
    }
});

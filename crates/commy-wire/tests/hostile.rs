//! Bytes of strangers: any bytes are a message or an error, never a panic, and never much memory.

use commy_wire::{Encoding, Message, Request, decode, encode};
use proptest::prelude::*;

fn try_both(bytes: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let _ = decode::<Request>(encoding, bytes);
        let _ = decode::<Message>(encoding, bytes);
    }
}

/// A request in CBOR with some bytes changed: it goes further in than what is all random.
fn near_miss() -> impl Strategy<Value = Vec<u8>> {
    let text = include_str!("../vectors/requests.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
    let requests: Vec<Request> =
        vectors.iter().map(|vector| serde_json::from_value(vector["json"].clone()).unwrap()).collect();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(requests), any::<bool>(), changes).prop_map(|(request, cbor, changes)| {
        let mut bytes = encode(if cbor { Encoding::Cbor } else { Encoding::Json }, &request);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        try_both(&bytes);
    }

    #[test]
    fn damaged_requests_do_not_panic(bytes in near_miss()) {
        try_both(&bytes);
    }
}

#[test]
fn lengths_that_are_a_lie_and_nesting_without_end_are_errors() {
    // A text, an array and a map that say they have 2^62 parts, and a thousand arrays in each other.
    for head in [0x7b, 0x9b, 0xbb] {
        let mut bytes = vec![head];
        bytes.extend(1u64.wrapping_shl(62).to_be_bytes());
        assert!(decode::<Request>(Encoding::Cbor, &bytes).is_err());
    }
    let deep = vec![0x81; 100_000];
    assert!(decode::<Request>(Encoding::Cbor, &deep).is_err());
    let value = |depth: usize| format!(r#"{{"id":1,"call":{{"set":{{"object":"a","value":{}"#, "[".repeat(depth));
    assert!(decode::<Request>(Encoding::Json, value(100_000).as_bytes()).is_err());
}

#[test]
fn keys_as_long_as_a_frame_are_read_in_both_encodings() {
    let long = "k".repeat(100_000);
    let value = serde_json::json!({ long.as_str(): 1, "short": { long.as_str(): null } });
    let set = commy_wire::Set { object: "map".into(), path: String::new(), value, if_version: None };
    let request = Request { id: 1, service: Some("a/b".into()), call: commy_wire::Call::Set(set) };
    for encoding in [Encoding::Json, Encoding::Cbor] {
        assert_eq!(decode::<Request>(encoding, &encode(encoding, &request)).unwrap(), request);
    }
}

//! CBOR as others may write it - in longer heads, without lengths, with the fields in another order - is the same message as
//! ours; whatever is cut off of one is missed.

use commy_wire::{
    Batch, Call, Encoding, Get, Insert, Message, Operation, Pop, Push, Reply, Request, Scan, Set, decode, encode,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// Writes values as the bytes of a stranger tell it.
struct Stranger<'a> {
    out: Vec<u8>,
    whims: std::iter::Cycle<std::slice::Iter<'a, u8>>,
}

impl Stranger<'_> {
    fn whim(&mut self, of: u8) -> u8 {
        self.whims.next().map_or(0, |whim| whim % of)
    }

    /// A head in as many bytes as it takes, or more.
    fn head(&mut self, major: u8, number: u64) {
        let longer = self.whim(12).saturating_sub(7);
        let (first, bytes) = (major << 5, number.to_be_bytes());
        match number {
            0..24 if longer == 0 => self.out.push(first | number as u8),
            0..0x100 if longer <= 1 => self.out.extend([first | 24, bytes[7]]),
            0..0x1_0000 if longer <= 2 => self.out.extend([&[first | 25], &bytes[6..]].concat()),
            0..0x1_0000_0000 if longer <= 3 => self.out.extend([&[first | 26], &bytes[4..]].concat()),
            _ => self.out.extend([&[first | 27], &bytes[..]].concat()),
        }
    }

    /// What has a length, which is said beforehand or not.
    fn long(&mut self, major: u8, length: usize, write: impl FnOnce(&mut Self)) {
        if self.whim(5) == 0 {
            self.out.push(major << 5 | 31);
            write(self);
            self.out.push(0xff);
        } else {
            self.head(major, length as u64);
            write(self);
        }
    }

    fn text(&mut self, text: &str) {
        if self.whim(5) == 0 {
            self.out.push(0x7f);
            for one in text.chars() {
                self.head(3, one.len_utf8() as u64);
                self.out.extend(one.to_string().bytes());
            }
            self.out.push(0xff);
        } else {
            self.head(3, text.len() as u64);
            self.out.extend(text.bytes());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => {
                let null = 0xf6 + self.whim(2);
                self.out.push(null);
            }
            Value::Bool(value) => self.out.push(0xf4 + u8::from(*value)),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => self.head(0, number),
                (_, Some(number)) => self.head(1, !number as u64),
                _ => self.out.extend([&[0xfb], &number.as_f64().unwrap().to_be_bytes()[..]].concat()),
            },
            Value::String(text) => self.text(text),
            Value::Array(items) => self.long(4, items.len(), |this| items.iter().for_each(|item| this.value(item))),
            Value::Object(fields) => self.long(5, fields.len(), |this| {
                let mut fields: Vec<_> = fields.iter().collect();
                let first = usize::from(this.whim(4)) % fields.len().max(1);
                fields.rotate_left(first);
                for (name, value) in fields {
                    this.text(name);
                    this.value(value);
                }
            }),
        }
    }
}

/// The message is read as the same however it is written, and of what it is written as nothing can be missing.
fn hold<T: Serialize + DeserializeOwned + PartialEq + Debug>(message: &T, whims: &[u8]) {
    let mut stranger = Stranger { out: Vec::new(), whims: whims.iter().cycle() };
    stranger.value(&serde_json::to_value(message).unwrap());
    for bytes in [encode(Encoding::Cbor, message), stranger.out] {
        assert_eq!(decode::<T>(Encoding::Cbor, &bytes).unwrap(), *message, "{bytes:02x?}");
        // All of short ones, and some of long ones.
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            assert!(decode::<T>(Encoding::Cbor, &bytes[..length]).is_err(), "{:02x?}", &bytes[..length]);
        }
        assert!(decode::<T>(Encoding::Cbor, &[&bytes[..], &[0]].concat()).is_err());
    }
    assert_eq!(decode::<T>(Encoding::Json, &encode(Encoding::Json, message)).unwrap(), *message);
}

/// A text: of no length, just short of a head's next size, beyond it, of any characters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,8}", "[a-z/]{20,26}", "[a-z]{250,260}", "\\PC{0,300}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300i64..300).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 26, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..30).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let version = || prop::option::of(any::<u64>());
    prop_oneof![
        (text(), text(), version()).prop_map(|(object, path, if_version)| Operation::Get(Get {
            object,
            path,
            if_version
        })),
        (text(), text(), value(), version()).prop_map(|(object, path, value, if_version)| Operation::Set(Set {
            object,
            path,
            value,
            if_version
        })),
        (text(), text(), value(), version()).prop_map(|(object, path, value, if_version)| Operation::Insert(Insert {
            object,
            path,
            value,
            if_version
        })),
        (text(), value(), any::<bool>())
            .prop_map(|(object, value, front)| { Operation::Push(Push { object, value, front, ..Push::default() }) }),
        (text(), any::<bool>(), version()).prop_map(|(object, front, wait_ms)| Operation::Pop(Pop {
            object,
            front,
            wait_ms,
            ..Pop::default()
        })),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => operation().prop_map(|operation| match operation {
            Operation::Get(get) => Call::Get(get),
            Operation::Set(set) => Call::Set(set),
            operation => Call::Batch(Batch { operations: vec![operation] }),
        }),
        1 => prop::collection::vec(operation(), 0..30).prop_map(|operations| Call::Batch(Batch { operations })),
        1 => (text(), text(), prop::option::of(text()), any::<Option<u32>>())
            .prop_map(|(object, path, cursor, limit)| Call::Scan(Scan { object, path, cursor, limit })),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    let entries = prop::collection::vec((value(), value()), 0..5);
    let one = prop_oneof![
        Just(Reply::Done {}),
        any::<u64>().prop_map(|version| Reply::Changed { version }),
        (any::<bool>(), value(), any::<u64>()).prop_map(|(found, value, version)| Reply::Value {
            found,
            value,
            version
        }),
        (any::<Option<u64>>(), any::<u64>()).prop_map(|(length, version)| Reply::Length { length, version }),
        (entries, prop::option::of(text()), any::<u64>()).prop_map(|(entries, cursor, version)| Reply::Page {
            entries,
            cursor,
            version
        }),
        prop::collection::vec(text(), 0..30).prop_map(Reply::Objects),
    ];
    one.prop_recursive(1, 8, 8, |one| prop::collection::vec(one, 0..8).prop_map(|results| Reply::Batch { results }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests_are_the_same_however_they_are_written(
        id in any::<u64>(),
        service in prop::option::of(text()),
        call in call(),
        whims in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        hold(&Request { id, service, call }, &whims);
    }

    #[test]
    fn messages_are_the_same_however_they_are_written(
        id in any::<u64>(),
        result in reply(),
        whims in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        hold(&Message::Reply { id, result }, &whims);
    }
}

/// A request to set a value that is a list: of many lists beside each other, then so many in each other.
fn nested(lists: usize, head: &[u8], end: &[u8]) -> Vec<u8> {
    let set = Set { object: "a".into(), value: 7.into(), ..Set::default() };
    let mut bytes = encode(Encoding::Cbor, &Request { id: 1, service: None, call: Call::Set(set) });
    assert_eq!(bytes.pop(), Some(7), "the value is the last in it");
    bytes.extend([0x98, 201]);
    bytes.extend([0x80; 200]);
    (1..lists).for_each(|_| bytes.extend(head));
    bytes.push(7);
    (1..lists).for_each(|_| bytes.extend(end));
    bytes
}

#[test]
fn items_may_be_as_deep_in_each_other_as_ever_and_no_deeper_whatever_is_beside_them() {
    // The request, its call and what is set are three.
    for (head, end) in [(&[0x81][..], &[][..]), (&[0x98, 1], &[]), (&[0x99, 0, 1], &[]), (&[0x9f], &[0xff])] {
        assert!(decode::<Request>(Encoding::Cbor, &nested(125, head, end)).is_ok(), "{head:02x?}");
        let error = decode::<Request>(Encoding::Cbor, &nested(126, head, end)).unwrap_err();
        assert_eq!(error.to_string(), "no message: it is nested too deep", "{head:02x?}");
    }
}

#[test]
fn what_is_wrong_is_told_as_ever() {
    for (bytes, reason) in [
        (&b""[..], "it ends too soon"),
        (b"\xa1", "it ends too soon"),
        (b"\xa1\x62id\x1c", "no CBOR that is known here"),
        (b"\xa1\x62id\xc0", "no CBOR that is known here"),
        (b"\xa1\x62id\x20", "invalid value: integer `-1`, expected u64"),
        (b"\xa1\x62id\x61a", "invalid type: string \"a\", expected u64"),
        (b"\xa1\x01\x01", "invalid type: something else, expected a name"),
        (b"\xa1\x62\xff\xff\x01", "unknown field `\u{fffd}\u{fffd}`, expected one of `id`, `service`, `call`"),
        (b"\xa1\x67service\x62\xff\xff", "a text that is not UTF-8"),
        (b"\xa1\x67service\x01", "invalid type: integer `1`, expected a string"),
        (b"\xa1\x64call\xa2", "invalid type: something else, expected a variant"),
        (b"\xa1\x64call\xa1\x64ping\xa1\x61a\x01", "unknown field `a`, there are no fields"),
        (b"\xa1\x64call\xbf\x64ping\xa0\x01", "no CBOR that is known here"),
        (b"\xa1\x64call\x64ping", "no CBOR that is known here"),
        (b"\x84\x01\xf6\xa1\x64ping\xa0\x01", "there is more in it than there may be"),
        (b"\xa2\x62id\x01\x64call\xa1\x64ping\xa0\x00", "there is something behind it"),
        (b"\xa0", "missing field `id`"),
        (b"\x01", "invalid type: integer `1`, expected struct Request"),
    ] {
        let error = decode::<Request>(Encoding::Cbor, bytes).unwrap_err();
        assert_eq!(error.to_string(), format!("no message: {reason}"), "{bytes:02x?}");
    }
}

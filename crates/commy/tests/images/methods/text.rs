//! What changes strings.

use crate::scenarios::{changed, text};

#[test]
fn text_added_to() {
    changed::<String>(
        "text: added to",
        || "a few words".into(),
        |mut v| {
            v.push('!').unwrap();
            v.push_str(" and more").unwrap();
            v.insert(2, 'x').unwrap();
            v.insert_str(0, "yes, ").unwrap();
            v.extend(['a', 'b']).unwrap();
            v.extend_from_within(0..3).unwrap();
        },
        text::<String>,
    );
}

#[test]
fn text_taken_from() {
    changed::<String>(
        "text: taken from",
        || "quite a few words, and more of them".into(),
        |mut v| {
            v.pop().unwrap();
            v.remove(3).unwrap();
            v.drain(2..5).unwrap();
            v.split_off(20).unwrap();
            v.truncate(18).unwrap();
            v.retain(|c| c != 'e').unwrap();
        },
        text::<String>,
    );
}

#[test]
fn text_exchanged() {
    changed::<String>(
        "text: exchanged",
        || "quite a few words".into(),
        |mut v| {
            v.replace_range(0..5, "some").unwrap();
            v.make_ascii_uppercase().unwrap();
            v.make_ascii_lowercase().unwrap();
            v.set("another text").unwrap();
        },
        text::<String>,
    );
}

#[test]
fn text_room() {
    changed::<String>(
        "text: room",
        || "quite a few words".into(),
        |mut v| {
            v.reserve(40).unwrap();
            v.shrink_to(30).unwrap();
            v.reserve_exact(100).unwrap();
            v.shrink_to_fit().unwrap();
            v.clear().unwrap();
        },
        text::<String>,
    );
}

//! What changes strings.

use super::stored;
use crate::scenarios::{run, text, x};

#[test]
fn text_added_to() {
    run(
        "text: added to",
        |s| stored::<String>(s, "a few words".into()),
        |s| {
            let v = x::<String>(s);
            let mut v = v.write().unwrap();
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
    run(
        "text: taken from",
        |s| stored::<String>(s, "quite a few words, and more of them".into()),
        |s| {
            let v = x::<String>(s);
            let mut v = v.write().unwrap();
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
    run(
        "text: exchanged",
        |s| stored::<String>(s, "quite a few words".into()),
        |s| {
            let v = x::<String>(s);
            let mut v = v.write().unwrap();
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
    run(
        "text: room",
        |s| stored::<String>(s, "quite a few words".into()),
        |s| {
            let v = x::<String>(s);
            let mut v = v.write().unwrap();
            v.reserve(40).unwrap();
            v.shrink_to(30).unwrap();
            v.reserve_exact(100).unwrap();
            v.shrink_to_fit().unwrap();
            v.clear().unwrap();
        },
        text::<String>,
    );
}

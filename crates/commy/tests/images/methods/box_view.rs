//! What changes boxes.

use super::stored;
use crate::scenarios::{run, text, x};

#[test]
fn box_content() {
    run(
        "box: content",
        |s| stored::<Box<String>>(s, Box::new("one".into())),
        |s| {
            let v = x::<Box<String>>(s);
            let mut v = v.write().unwrap();
            v.content_mut().push_str(" more").unwrap();
            v.try_content_mut().unwrap().push_str(" and more").unwrap();
            v.set_content("two".repeat(20)).unwrap();
        },
        text::<Box<String>>,
    );
}

//! What changes boxes.

use crate::scenarios::{changed, text};

#[test]
fn box_content() {
    changed::<Box<String>>(
        "box: content",
        || Box::new("one".into()),
        |mut v| {
            v.content_mut().push_str(" more").unwrap();
            v.try_content_mut().unwrap().push_str(" and more").unwrap();
            v.set_content("two".repeat(20)).unwrap();
        },
        text::<Box<String>>,
    );
}

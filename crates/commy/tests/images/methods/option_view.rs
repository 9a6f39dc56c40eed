//! What changes options.

use crate::scenarios::{changed, text};

type Text = Option<String>;

#[test]
fn option_exchanged() {
    changed::<Text>(
        "option: exchanged",
        || Some("one".into()),
        |mut v| {
            v.set(Some("two".repeat(9))).unwrap();
            v.replace("three".into()).unwrap();
            v.insert("four".into()).unwrap();
            v.take().unwrap();
            v.get_or_insert("five".into()).unwrap().push('!').unwrap();
            v.take_if(|text| text.len() == 5).unwrap();
            v.get_or_insert_with(|| "six".into()).unwrap();
        },
        text::<Text>,
    );
}

#[test]
fn option_lent() {
    changed::<Text>(
        "option: lent",
        || None,
        |mut v| {
            v.get_or_insert_default().unwrap().push('1').unwrap();
            v.get_mut().unwrap().push('2').unwrap();
            v.try_get_mut().unwrap().unwrap().push('3').unwrap();
            v.iter_mut().for_each(|text| text.push('4').unwrap());
        },
        text::<Text>,
    );
}

//! `SharedString`.

use super::fresh;
use commy::SharedString;
use std::fmt::Write;

#[test]
fn a_string_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut text = SharedString::named_in(&allocator, "text");
    text.push_str("gr").expect("room");
    text.push('ü').expect("room");
    text.insert_str(0, "sehr ").expect("room");
    write!(text, "{:n<1}", "").expect("room");
    assert_eq!((text.len(), &*text, text.to_uppercase()), (10, "sehr grün", "SEHR GRÜN".to_string()));
    assert_eq!((text.pop(), text.as_str()), (Some('n'), "sehr grü"));
    assert!(text.truncate(8).is_err() && text.truncate(7).is_ok());
    text.extend(["a", "b"]);
    assert_eq!(
        (text.load().expect("a copy"), format!("{text} {text:?}")),
        ("sehr grab".into(), "sehr grab \"sehr grab\"".into())
    );
    text.reserve(100).expect("room");
    assert!(text.capacity() >= 109);
    text.shrink_to_fit().expect("smaller");
    assert_eq!(text.capacity(), 9);
    text.store("other").expect("room");
    assert!(text == "other" && text == *"other" && text == String::from_iter(["oth", "er"]));
    text.clear();
    assert!(text.is_empty());
    assert_eq!(SharedString::from_iter_in(["a", "b"], &allocator).into_inner().expect("text"), "ab");
}

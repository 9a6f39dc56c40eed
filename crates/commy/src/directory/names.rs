//! What a name of an object may look like: `/`-separated parts of UTF-8, at most 255 bytes in all.

use crate::error::{Error, Result};

/// Longest name, in bytes.
const LONGEST: usize = 255;

/// Checks a name against the rules.
pub(crate) fn check(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 255 bytes"
    } else if name.starts_with('/') {
        "it begins with a slash"
    } else if name.chars().any(char::is_control) {
        "it has a control character"
    } else if name.split('/').any(str::is_empty) {
        "a part of it is empty"
    } else if name.split('/').any(|part| part == "." || part == "..") {
        "a part of it is . or .."
    } else {
        return Ok(());
    };
    let name = name.chars().take(LONGEST).collect();
    Err(Error::BadName { name, reason })
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_names_that_look_like_relative_paths_are_allowed() {
        for good in ["a", "jobs/waiting", "ä/ö ü", "a.b/.hidden", &"x".repeat(255)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "a/../b", "a\nb", "a\0", &"x".repeat(256)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}

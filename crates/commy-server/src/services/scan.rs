//! Reading a container page by page.
//!
//! A cursor is the library's bookmark, as text: so a page takes as long as what is in it, wherever it begins.
//!
//! ```text
//! i1000          a sequence, from that index on
//! k"apples"      an ordered map or set, behind that key, in JSON
//! g7000000000000000    a hash map or set, before that group, in hexadecimal digits
//! ```

use super::Service;
use super::operations::at_version;
use crate::failure::{Result, fail};
use commy::dynamic::{Bookmark, Dynamic, Path};
use commy_wire::{Code, Reply, Scan};

/// Entries of a page, at most.
pub const LONGEST_PAGE: u32 = 1000;

fn to_text(bookmark: &Bookmark) -> Option<String> {
    match bookmark {
        Bookmark::Index(index) => Some(format!("i{index}")),
        Bookmark::After(key) => Some(format!("k{}", key.to_json())),
        Bookmark::Group(group) => Some(format!("g{group:x}")),
        _ => None,
    }
}

fn from_text(dynamic: &Dynamic, path: &Path, text: &str) -> Option<Bookmark> {
    let rest = text.get(1..)?;
    match text.as_bytes()[0] {
        b'i' => rest.parse().ok().map(Bookmark::Index),
        b'k' => dynamic.key_from_json(path, &serde_json::from_str(rest).ok()?).ok().map(Bookmark::After),
        b'g' => u64::from_str_radix(rest, 16).ok().map(Bookmark::Group),
        _ => None,
    }
}

impl Service {
    /// Reads a page.
    ///
    /// # Errors
    /// [`Code::BadRequest`] for a cursor that is none; [`Code::BadPath`] for what has no entries.
    pub fn scan(&self, scan: &Scan) -> Result<Reply> {
        let limit = scan.limit.unwrap_or(LONGEST_PAGE).clamp(1, LONGEST_PAGE) as usize;
        let path = Path::from(&scan.path);
        self.with(&mut None, &scan.object, |object| {
            let dynamic = object.dynamic();
            let none = || commy::Error::other(fail(Code::BadRequest, "the cursor is none of this server's"));
            let from = scan.cursor.as_deref();
            let from = from.map(|text| from_text(dynamic, &path, text).ok_or_else(none)).transpose()?;
            let ((entries, next), version) = at_version(dynamic, || dynamic.scan(&path, from.as_ref(), limit))?;
            let entries = entries.iter().map(|(key, value)| (key.to_json(), value.to_json())).collect();
            Ok(Reply::Page { entries, cursor: next.as_ref().and_then(to_text), version })
        })
    }
}

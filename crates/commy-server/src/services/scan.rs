//! Reading a container page by page.
//!
//! A cursor says how many entries were told, and at which version of the object. While that stays, pages follow each
//! other exactly. If the object was changed meanwhile, a sequence goes on at the index; in a map or set, where entries
//! may have moved, what was there all the time can come twice or not at all: the version in each page tells.

use super::Service;
use super::operations::at_version;
use crate::failure::{Result, fail};
use commy::dynamic::{Path, Value};
use commy_wire::{Code, Reply, Scan};

/// Entries of a page, at most.
pub const LONGEST_PAGE: u32 = 1000;

impl Service {
    /// Reads a page.
    ///
    /// # Errors
    /// [`Code::BadRequest`] for a cursor that is none; [`Code::BadPath`] for what has no entries.
    pub fn scan(&self, scan: &Scan) -> Result<Reply> {
        let skip = match &scan.cursor {
            None => 0,
            Some(cursor) => {
                let number = cursor.strip_prefix('n').and_then(|number| number.parse::<usize>().ok());
                number.ok_or_else(|| fail(Code::BadRequest, "the cursor is none of this server's"))?
            }
        };
        let limit = scan.limit.unwrap_or(LONGEST_PAGE).clamp(1, LONGEST_PAGE) as usize;
        let path = Path::from(&scan.path);
        self.with(&scan.object, |object| {
            let dynamic = object.dynamic();
            let page = || {
                let view = dynamic.read()?;
                view.entries(&path)?.skip(skip).take(limit + 1).collect::<commy::Result<Vec<(Value, Value)>>>()
            };
            let (mut entries, version) = at_version(dynamic, page)?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let entries = entries.iter().map(|(key, value)| (key.to_json(), value.to_json())).collect();
            Ok(Reply::Page { entries, cursor: more.then(|| format!("n{}", skip + limit)), version })
        })
    }
}

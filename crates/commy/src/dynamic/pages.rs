//! The entries of a container page by page, each copied by itself: for what is too large to be copied at once.
//!
//! Between two pages nobody is locked out. All pages are of one version of the object: where one was changed meanwhile,
//! that is an error, for what is left of the walk may lead anywhere. So the cursor of one page is good for the next.

use super::view::Cursor;
use super::{Dynamic, Path, Value};
use crate::error::{Error, Result};

impl Dynamic {
    /// The elements or entries of the container at a path, up to so many at a time, as
    /// [`View::entries`](super::View::entries) gives them. Through read-only attachments, too.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("numbers", || (0..2500u64).collect::<Vec<_>>())?;
    /// let mut sum = 0;
    /// for page in segment.dynamic("numbers")?.pages("", 1000) {
    ///     sum += page?.len();
    /// }
    /// assert_eq!(sum, 2500);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// Each page may be one: [`Error::Other`] if the object was changed since the first; as
    /// [`View::entries`](super::View::entries); as [`load`](Dynamic::load).
    ///
    /// # Panics
    /// If `at_most` is 0.
    pub fn pages<'p>(&self, path: impl Into<Path<'p>>, at_most: usize) -> Pages {
        assert!(at_most > 0, "a page has at least one entry");
        let path = path.into().into_owned();
        Pages { object: self.clone(), path, at_most, version: self.version(), cursor: None, ended: false }
    }
}

/// The entries of a container page by page; see [`Dynamic::pages`].
#[derive(Debug)]
pub struct Pages {
    object: Dynamic,
    path: Path<'static>,
    at_most: usize,
    version: u64,
    cursor: Option<Cursor>,
    ended: bool,
}

impl Pages {
    fn page(&self) -> Result<(Vec<(Value, Value)>, Cursor)> {
        self.object.at_one_moment(|view| {
            if self.object.version() != self.version {
                let name = self.object.name();
                return Err(Error::other(format!(
                    "object \"{name}\" was changed while it was read page by page; read a snapshot"
                )));
            }
            let mut entries = view.entries_from(&self.path, self.cursor.clone())?;
            let page = entries.by_ref().take(self.at_most).collect::<Result<_>>()?;
            Ok((page, entries.into_cursor()))
        })
    }
}

impl Iterator for Pages {
    type Item = Result<Vec<(Value, Value)>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let page = self.page().map(|(page, cursor)| {
            self.cursor = Some(cursor);
            page
        });
        self.ended = page.as_ref().map_or(true, |page| page.len() < self.at_most);
        Some(page).filter(|page| page.as_ref().map_or(true, |page| !page.is_empty()))
    }
}

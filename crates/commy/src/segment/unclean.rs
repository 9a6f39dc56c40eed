//! Whether a file may be opened that was in use when the machine went down.
//!
//! The pages of such a file may be of different moments. It is opened only if it is shown to be whole, and else left
//! as it is: `Error::Unclean` with what was found.

use crate::error::{Error, Result};
use crate::layout::{MIN_SIZE, PAGE, Word};
use crate::map::Map;

/// Refuses a file that is not whole. Changes nothing. The caller has passed the gate, and nobody has it open.
pub(super) fn examine(map: &Map) -> Result<()> {
    match header(map).and_then(|()| structure(map)) {
        Ok(()) => Ok(()),
        Err(finding) => Err(Error::Unclean { path: map.path().to_path_buf(), finding }),
    }
}

/// The header's own facts: sizes in order, tables of pages that are in the file.
fn header(map: &Map) -> Result<(), String> {
    let (header, size) = (map.header(), map.size());
    let limit = header.limit.get();
    if limit < MIN_SIZE || limit > header.maximum.get() || !limit.is_multiple_of(PAGE) {
        return Err(format!("its header names a limit of {limit} bytes"));
    }
    let tables: [(&str, &[Word]); 4] = [
        ("process slots", &header.process_pages),
        ("thread slots", &header.thread_pages),
        ("the page bitmap", &header.bitmap_chunks),
        ("the list of holes", std::slice::from_ref(&header.holes)),
    ];
    for (what, table) in tables {
        let wrong = |page: &u64| *page != 0 && (*page >= size || !page.is_multiple_of(PAGE));
        if let Some(page) = table.iter().map(Word::get).find(wrong) {
            return Err(format!("its header says that {what} are at {page}"));
        }
    }
    Ok(())
}

/// Everything else: the allocator's records, all objects, that nothing belongs to two. As long as not all of that can
/// be shown, nothing is taken for whole.
fn structure(_map: &Map) -> Result<(), String> {
    Err("it was not closed in order before the machine restarted".into())
}

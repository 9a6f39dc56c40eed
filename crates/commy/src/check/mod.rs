//! Whether a segment that stands still is whole: every object, and that what is handed out is what belongs to something.
//!
//! ```text
//! header       sizes in order, tables of pages that are in the file
//! slots        nothing half done; records, logs, lists of slabs                                     slots
//! directory    names, control blocks and their lists, descriptions, values, orphans        directory::audit
//! pages        slabs, and the balance                                                               pages
//!
//! pages taken      = header, slots, records, logs, bitmap, slab meta, holes + slabs + spans of objects
//! blocks of slabs  = free + blocks of objects: live, kept out of use, orphaned
//! ```
//!
//! Whatever is found to be used is claimed (`walk::Claims`), which fails where the allocator does not know it as handed
//! out, or where it was claimed before. In the end what is handed out and was not claimed belongs to nothing.
//!
//! The bytes may be anything: all offsets are checked, chains are followed no further than there is room in the file,
//! and what has been claimed is not looked at again. So this ends, after time in proportion to the file, and changes
//! nothing. Nobody else may change anything meanwhile: see `segment::check` for how that is had.

mod pages;
mod slots;

use crate::directory;
use crate::layout::{FIRST_FREE_PAGE, MIN_SIZE, PAGE, Word};
use crate::map::Map;
use crate::walk::{Block, Claims, Finding};
use std::collections::HashSet;

/// More findings than these are of no use to anybody.
const MOST_FINDINGS: usize = 1000;

/// Looks at everything in a segment that stands still, in which nothing is left to be recovered. `told` are the bytes that
/// have been found to belong to something so far, of as many as the file has or somewhat less.
pub(crate) fn check(map: &Map, told: &mut dyn FnMut(u64)) -> Vec<Finding> {
    let claims = Claims::telling(map, told);
    let mut audit = Audit { map, claims, findings: Vec::new(), listed: HashSet::new() };
    audit.header();
    // Where even the tables are not to be trusted, the rest would be noise.
    if audit.findings.is_empty() {
        audit.fixed_pages();
        audit.slots();
        let (claims, findings) = (&mut audit.claims, &mut audit.findings);
        directory::audit(map, claims, findings);
        audit.pages();
    }
    audit.findings.truncate(MOST_FINDINGS);
    audit.findings
}

/// What is known so far.
struct Audit<'a> {
    map: &'a Map,
    claims: Claims<'a>,
    findings: Vec<Finding>,
    /// The slabs that are in somebody's list.
    listed: HashSet<u64>,
}

impl Audit<'_> {
    fn found(&mut self, place: &str, offset: u64, what: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { place: place.into(), offset, what: what.into() });
        }
    }

    /// Claims pages. Tells whether they could be had.
    fn claim_pages(&mut self, place: &str, offset: u64, pages: u64) -> bool {
        let claimed = match Block::checked(self.map, offset, pages.saturating_mul(PAGE), PAGE) {
            Ok(block) => self.claims.claim(block),
            Err(_) => Err("pages outside the file"),
        };
        if let Err(what) = claimed {
            self.found(place, offset, what);
        }
        claimed.is_ok()
    }

    /// The header's own facts: sizes in order, tables of pages that are in the file.
    fn header(&mut self) {
        let (header, size) = (self.map.header(), self.map.size());
        let limit = header.limit.get();
        if limit < MIN_SIZE || limit > header.maximum.get() || !limit.is_multiple_of(PAGE) {
            let what = format!("its header names a limit of {limit} bytes");
            self.found("(the header)", self.map.offset_of(&header.limit), what);
        }
        let tables: [(&str, &[Word]); 4] = [
            ("process slots", &header.process_pages),
            ("thread slots", &header.thread_pages),
            ("the page bitmap", &header.bitmap_chunks),
            ("the list of holes", std::slice::from_ref(&header.holes)),
        ];
        for (what, table) in tables {
            let wrong = |page: u64| page != 0 && (page >= size || !page.is_multiple_of(PAGE));
            for word in table.iter().filter(|word| wrong(word.get())) {
                let what = format!("its header says that {what} are at {}", word.get());
                self.found("(the header)", self.map.offset_of(word), what);
            }
        }
    }

    /// The pages that are at fixed places.
    fn fixed_pages(&mut self) {
        for page in 1..FIRST_FREE_PAGE {
            self.claim_pages("(the header)", page * PAGE, 1);
        }
    }
}

#[cfg(test)]
mod tests;

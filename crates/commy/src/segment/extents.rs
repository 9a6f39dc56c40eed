//! Which part of the file is whose: for pictures of a segment.
//!
//! ```text
//! page bitmap     free or taken, a bit a page; holes are taken, too
//! slab            its pages are of the object that has most of the bytes in them
//! span            its pages are of the object whose block it is
//! all else        of the segment itself: header, slots, logs, bitmaps, slab meta, slabs in which nothing is
//! ```
//!
//! Each object is looked at for itself, at one moment of its own; between them others may work. So this is a picture,
//! and no account of each byte: that is `check`.

use super::Segment;
use crate::alloc::heap::{bitmap_word, regions};
use crate::alloc::{classes::class_of, footprint, holes, slab::Slab};
use crate::directory;
use crate::error::{Error, Result};
use crate::layout::{PAGE, REGION_PAGES};
use std::collections::HashMap;

/// Whose a part of the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// The segment's own: header, records of who is attached, logs, records of what is free.
    Segment,
    /// An object's. Where small blocks of several lie together, that of which most is there.
    Object(String),
    /// Nobody's, with storage behind it.
    Free,
    /// Nobody's, given back to the disk.
    Hole,
}

/// A part of the file; see [`Segment::extents`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Where it begins, in bytes from the start of the file; a multiple of 4096.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Whose it is.
    pub holder: Holder,
}

const FREE: u32 = 0;
const HOLE: u32 = 1;
const OWN: u32 = 2;
/// The first object; from here on each has a number.
const OBJECTS: u32 = 3;

/// What is known of the pages so far.
struct Pages {
    holder: Vec<u32>,
    /// Of a slab, by its first page: who has most of the bytes there, as far as can be told in one pass, and by how much.
    slabs: HashMap<u64, (u64, u32, u64)>,
}

impl Pages {
    fn set(&mut self, first: u64, count: u64, holder: u32) {
        let end = (first.saturating_add(count)).min(self.holder.len() as u64);
        if first < end {
            self.holder[first as usize..end as usize].fill(holder);
        }
    }

    /// A block of a slab counts for one object against the others.
    fn weigh(&mut self, (start, pages): (u64, u64), bytes: u64, object: u32) {
        let (_, holder, lead) = self.slabs.entry(start / PAGE).or_insert((pages, object, 0));
        if *holder == object {
            *lead += bytes;
        } else if *lead >= bytes {
            *lead -= bytes;
        } else {
            (*holder, *lead) = (object, bytes - *lead);
        }
    }
}

impl Segment {
    /// Which part of the file is whose, from its start to its end. Looks at all blocks of all objects, without a lock unless
    /// others change one all the time: some hundred megabytes a second.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// use commy::Holder;
    /// segment.open_or_create_with("numbers", || vec![7u64; 100_000])?;
    /// let extents = segment.extents()?;
    /// let of_numbers = extents.iter().filter(|extent| extent.holder == Holder::Object("numbers".into()));
    /// assert!(of_numbers.map(|extent| extent.bytes).sum::<u64>() >= 800_000);
    /// assert_eq!(extents.iter().map(|extent| extent.bytes).sum::<u64>(), segment.size());
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LockTimeout`]; [`Error::Corrupt`] if an object contradicts itself.
    pub fn extents(&self) -> Result<Vec<Extent>> {
        let map = self.map();
        let count = map.size() / PAGE;
        let mut pages = Pages { holder: vec![FREE; count as usize], slabs: HashMap::new() };
        for region in 0..regions(map) {
            let taken = bitmap_word(map, region).map_or(0, |word| word.get());
            (0..REGION_PAGES)
                .filter(|page| taken >> page & 1 == 1)
                .for_each(|page| pages.set(region * REGION_PAGES + page, 1, OWN));
        }
        holes::holes(map).for_each(|(_, hole)| pages.set(hole.start, hole.count, HOLE));
        let mut names = Vec::new();
        for name in self.objects()? {
            let number = OBJECTS + names.len() as u32;
            let blocks = match directory::blocks(self, &name) {
                // Removed meanwhile.
                Err(Error::NotFound { .. } | Error::Removed { .. }) => continue,
                blocks => blocks?,
            };
            for (offset, bytes, align) in blocks {
                match class_of(bytes, align) {
                    None => pages.set(offset / PAGE, bytes.div_ceil(PAGE), number),
                    Some(class) => {
                        if let Ok((slab, _)) = Slab::of_block(map, offset, class) {
                            pages.weigh((slab.start, u64::from(slab.info.pages)), footprint(bytes, align), number);
                        }
                    }
                }
            }
            names.push(name);
        }
        for (first, (count, holder, _)) in std::mem::take(&mut pages.slabs) {
            pages.set(first, count, holder);
        }
        Ok(runs(&pages.holder, &names))
    }
}

/// Pages in a row with the same holder.
fn runs(pages: &[u32], names: &[String]) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut first = 0;
    for run in pages.chunk_by(|a, b| a == b) {
        let holder = match run[0] {
            FREE => Holder::Free,
            HOLE => Holder::Hole,
            OWN => Holder::Segment,
            object => Holder::Object(names.get((object - OBJECTS) as usize).cloned().unwrap_or_default()),
        };
        let (offset, bytes) = (first * PAGE, run.len() as u64 * PAGE);
        extents.push(Extent { offset, bytes, holder });
        first += run.len() as u64;
    }
    extents
}

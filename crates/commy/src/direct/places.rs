//! Which element of the table of blocks has the block at an offset, in the process.
//!
//! ```text
//! offset:   region | page 6 | slot 7 | 5 bits
//! regions -> pages of one -> slots of one: element + 1, or 0
//! ```
//!
//! No two blocks begin within the same [`LEAST`] bytes, so each has a slot of its own; whether one begins just there says
//! what is noted of the element. Neighbouring blocks have neighbouring slots: who frees many in a row looks at little
//! memory, and nothing is ever hashed or moved.

/// The least bytes that a block has.
const LEAST: u64 = 32;
const SLOTS: u64 = 128;
const PAGES: u64 = 64;

type Page = Box<[u32; SLOTS as usize]>;
type Region = Box<[Option<Page>; PAGES as usize]>;

/// See the module.
#[derive(Default)]
pub(super) struct Places {
    regions: Vec<Option<Region>>,
}

impl Places {
    /// The most elements that there can be.
    pub(super) const MOST: usize = u32::MAX as usize - 1;

    /// The element whose block may begin at an offset; if one does, it is this.
    #[inline(always)]
    pub(super) fn get(&self, offset: u64) -> Option<usize> {
        let [region, page, slot] = parts(offset);
        let page = self.regions.get(region)?.as_ref()?[page].as_ref()?;
        (page[slot] as usize).checked_sub(1)
    }

    /// Notes the element, below [`MOST`](Places::MOST), whose block begins at an offset in the file.
    pub(super) fn put(&mut self, offset: u64, element: usize) {
        let [region, page, slot] = parts(offset);
        if self.regions.len() <= region {
            self.regions.resize_with(region + 1, || None);
        }
        let pages = self.regions[region].get_or_insert_with(|| Box::new([const { None }; PAGES as usize]));
        let page = pages[page].get_or_insert_with(|| Box::new([0; SLOTS as usize]));
        page[slot] = element as u32 + 1;
    }

    /// Notes that no block begins there any more.
    pub(super) fn clear(&mut self, offset: u64) {
        let [region, page, slot] = parts(offset);
        let pages = self.regions.get_mut(region).and_then(Option::as_mut);
        if let Some(page) = pages.and_then(|pages| pages[page].as_mut()) {
            page[slot] = 0;
        }
    }
}

#[inline(always)]
fn parts(offset: u64) -> [usize; 3] {
    let slot = offset / LEAST;
    [slot / SLOTS / PAGES, slot / SLOTS % PAGES, slot % SLOTS].map(|part| part as usize)
}

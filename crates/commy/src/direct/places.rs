//! What is noted of the block at an address, in the process.
//!
//! ```text
//! address - base:   region | page 6 | slot 7 | 5 bits
//! regions -> pages of one -> number of the slots of one, 0: none; slots: places, of page after page
//! place:  element + 1, or 0: no block 32 | form 32
//! form:   taken 1 | span 1 | - | the 5 bits | log2 of the alignment 4 | low bits of the size 12     0: not handed out
//! ```
//!
//! No two blocks begin within the same [`LEAST`] bytes, so each has a slot of its own. The form says whether it is handed
//! out, where in the slot it begins, and as what layout: of a slab's block exactly, of a span together with its pages. So
//! one comparison tells whether a block may be given back. Neighbouring blocks have neighbouring slots: who frees many in
//! a row looks at little memory, and nothing is ever hashed or moved.

use std::alloc::Layout;
use std::ptr::NonNull;

/// The least bytes that a block has.
const LEAST: usize = 32;
const SLOTS: usize = 128;
const PAGES: usize = 64;

type Region = Box<[u32; PAGES]>;

/// What is noted of a block.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    element: u32,
    form: u32,
}

impl Place {
    /// The element of the table that has the block, if there is one.
    pub(super) fn element(self) -> Option<usize> {
        (self.element as usize).checked_sub(1)
    }

    /// Whether it is handed out.
    pub(super) fn is_taken(self) -> bool {
        self.form != 0
    }

    /// Whether the block that begins at this address is handed out as that layout; of a span the number of pages is
    /// not compared.
    #[inline(always)]
    pub(super) fn is(self, block: NonNull<u8>, layout: Layout, span: bool) -> bool {
        self.form == form(block, layout, span)
    }

    /// Notes that the block that begins at this address is handed out.
    #[inline(always)]
    pub(super) fn take(&mut self, block: NonNull<u8>, layout: Layout, span: bool) {
        self.form = form(block, layout, span);
    }

    /// Notes that it is not handed out any more.
    #[inline(always)]
    pub(super) fn give_back(&mut self) {
        self.form = 0;
    }
}

/// The form of a block that is handed out. An alignment above that of all blocks has bits where their addresses have
/// none.
#[inline(always)]
fn form(block: NonNull<u8>, layout: Layout, span: bool) -> u32 {
    let (within, align) = (block.as_ptr() as u32 % LEAST as u32, layout.align().trailing_zeros());
    1 << 31 | u32::from(span) << 30 | within << 16 | align << 12 | (layout.size() & 0xfff) as u32
}

/// See the module.
#[derive(Default)]
pub(super) struct Places {
    /// The address of the beginning of the file.
    base: usize,
    regions: Vec<Option<Region>>,
    /// The first page is that of all where no block is.
    slots: Vec<[Place; SLOTS]>,
}

impl Places {
    /// The most elements that there can be.
    pub(super) const MOST: usize = u32::MAX as usize - 1;

    /// For blocks in a file that is mapped from this address on.
    pub(super) fn from(base: *const u8) -> Places {
        Places { base: base as usize, regions: Vec::new(), slots: vec![[Place::default(); SLOTS]] }
    }

    #[inline(always)]
    fn parts(&self, block: NonNull<u8>) -> [usize; 3] {
        let slot = (block.as_ptr() as usize).wrapping_sub(self.base) / LEAST;
        [slot / SLOTS / PAGES, slot / SLOTS % PAGES, slot % SLOTS]
    }

    /// The number of the slot of the block that may begin at an address, which stays the same.
    #[inline(always)]
    pub(super) fn find(&self, block: NonNull<u8>) -> Option<usize> {
        let [region, page, slot] = self.parts(block);
        let page = self.regions.get(region)?.as_ref()?[page];
        Some(page as usize * SLOTS + slot)
    }

    /// What is noted in the slot of that number.
    #[inline(always)]
    pub(super) fn at(&mut self, slot: usize) -> Option<&mut Place> {
        self.slots.as_flattened_mut().get_mut(slot)
    }

    /// What is noted of the block that may begin at an address.
    #[inline(always)]
    pub(super) fn get(&mut self, block: NonNull<u8>) -> Option<&mut Place> {
        self.at(self.find(block)?)
    }

    /// Notes the element, below [`MOST`](Places::MOST), whose block begins at an address in the file.
    pub(super) fn put(&mut self, block: NonNull<u8>, element: usize) {
        let [region, page, slot] = self.parts(block);
        if self.regions.len() <= region {
            self.regions.resize_with(region + 1, || None);
        }
        let number = &mut self.regions[region].get_or_insert_with(|| Box::new([0; PAGES]))[page];
        if *number == 0 {
            *number = self.slots.len() as u32;
            self.slots.push([Place::default(); SLOTS]);
        }
        self.slots[*number as usize][slot] = Place { element: element as u32 + 1, form: 0 };
    }

    /// Notes that no block begins there any more.
    pub(super) fn clear(&mut self, block: NonNull<u8>) {
        if let Some(place) = self.get(block) {
            *place = Place::default();
        }
    }
}

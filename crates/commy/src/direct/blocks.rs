//! Raw blocks: memory that is handed out without a type, and belongs to the attachment that took it.
//!
//! ```text
//! in the file, .direct/blocks/OWNER:            in the process:
//!   a vector of vectors of bytes, each of        offset of a block -> its element, its layout
//!   them empty, its capacity being a block       elements that have no block
//!   [ |block| |block| |-| |block| ... ]
//! ```
//!
//! So a block is what a vector of bytes has, and whoever removes the object, in the name of a dead owner too, gives the
//! blocks back with it; nobody needs to know more of it. Taking and giving back are each one transaction of that
//! object. What is noted in the process only says where to look: of a forked child's parent it knows nothing.

use super::home::Home;
use crate::alloc::footprint;
use crate::containers::VecHeader;
use crate::error::{Error, Result};
use crate::schema::{Registry, Share};
use crate::shared::Shared;
use crate::tx::{Cx, Spread};
use std::alloc::Layout;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// The largest alignment of a block.
const MOST_ALIGN: usize = 4096;

/// A block as a value: the memory of a vector of bytes that has no elements.
struct Block {
    bytes: u64,
    align: u64,
}

impl Block {
    const NONE: Block = Block { bytes: 0, align: 1 };
}

/// The offset of a block.
struct Place<'a>(u64, PhantomData<&'a ()>);

impl Share for Block {
    type Stored = VecHeader;
    type Ref<'a> = Place<'a>;
    type Mut<'a> = Place<'a>;
    const OWNS: bool = true;

    fn store(self, cx: Cx) -> Result<VecHeader> {
        // The bytes that it takes lead to the same size class again, without the alignment.
        let room = if self.bytes == 0 { 0 } else { footprint(self.bytes, self.align) };
        Ok(VecHeader::empty_block(cx.alloc(self.bytes, self.align)?, room))
    }

    unsafe fn view<'a>(stored: *const VecHeader, _: Cx) -> Place<'a> {
        // SAFETY: the caller's promise; a header is all words.
        Place(unsafe { (*stored).block() }, PhantomData)
    }

    unsafe fn view_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<Place<'a>> {
        // SAFETY: the caller's promise.
        Ok(unsafe { Self::view(stored, cx) })
    }

    unsafe fn load(stored: *const VecHeader, cx: Cx) -> Result<Block> {
        // Only in the segment it is a block.
        Err(Error::corrupt(cx.offset_of(stored), "a raw block, which cannot be copied"))
    }

    unsafe fn drop_stored(stored: *mut VecHeader, cx: Cx) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { <Vec<u8> as Share>::drop_stored(stored, cx) }
    }

    fn describe(registry: &mut Registry) -> usize {
        <Vec<u8> as Share>::describe(registry)
    }
}

/// What is noted of a block.
struct Note {
    element: usize,
    layout: Layout,
}

/// The blocks of an attachment.
#[derive(Default)]
pub(super) struct Blocks {
    table: Option<Shared<Vec<Block>>>,
    notes: HashMap<u64, Note, BuildHasherDefault<Spread>>,
    vacant: Vec<usize>,
}

impl Blocks {
    pub(super) fn is_used(&self) -> bool {
        self.table.is_some()
    }

    /// Takes a block.
    #[inline]
    pub(super) fn take(&mut self, home: &Home, layout: Layout) -> Result<NonNull<u8>> {
        if layout.align() > MOST_ALIGN {
            return Err(Error::BadArgument { what: "alignment", value: layout.align() as u64, rule: "at most 4096" });
        }
        if self.table.is_none() {
            self.table = Some(home.segment.open_or_create_with(&home.blocks_name()?, Vec::new)?);
        }
        let Some(table) = &self.table else { return Err(Error::Forked) };
        let block = Block { bytes: layout.size() as u64, align: layout.align() as u64 };
        let vacant = self.vacant.last().copied();
        let (element, offset) = table.change(|view| {
            let element = vacant.unwrap_or(view.len());
            match vacant {
                Some(element) => view.set(element, block)?,
                None => view.push(block)?,
            }
            Ok((element, view.get(element).map_or(0, |place| place.0)))
        })?;
        let place = home.segment.map().at(offset, layout.size() as u64, layout.align() as u64).and_then(NonNull::new);
        let place = place.ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
        self.vacant.truncate(self.vacant.len() - usize::from(vacant.is_some()));
        self.notes.insert(offset, Note { element, layout });
        Ok(place)
    }

    /// Gives a block back that `take` gave for this layout.
    #[inline]
    pub(super) fn give_back(&mut self, home: &Home, address: NonNull<u8>, layout: Layout) -> Result<()> {
        let (size, align) = (layout.size(), layout.align());
        let no = |reason| Err(Error::NotABlock { address: address.as_ptr() as usize, size, align, reason });
        let offset = (address.as_ptr() as u64).wrapping_sub(home.segment.map().base() as u64);
        let (Some(table), Some(note)) = (&self.table, self.notes.get(&offset)) else {
            return no("it was not taken here, or is freed already");
        };
        if note.layout != layout {
            return no("it was taken with another layout");
        }
        let element = note.element;
        table.change(|view| view.set(element, Block::NONE))?;
        self.notes.remove(&offset);
        self.vacant.push(element);
        Ok(())
    }
}

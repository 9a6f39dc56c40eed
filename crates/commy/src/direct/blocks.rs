//! Raw blocks: memory that is handed out without a type, and belongs to the attachment that took it.
//!
//! ```text
//! in the file, .direct/blocks/OWNER/1:                in the process:
//!   tally: bytes in stock; table: a vector of           notes: address and room of each element's block
//!   chunks of 64 vectors of bytes, each with            places: address -> its element, and as what it is handed out
//!   the capacity of one block, or without               stock: blocks by size class
//!   (tally, [[ |block| |-| |block| ...][...]])          chunks: which elements have blocks
//! ```
//!
//! Chunks, so that the table needs no room for itself once more in order to grow, and goes where there are no blocks: one
//! of 32 bytes costs 24 more.
//!
//! So a block is what a vector of bytes has, and whoever removes the object, in the name of a dead owner too, gives the
//! blocks back with it; nobody needs to know more of it. Small blocks are taken, and given back, several at a time, in
//! one transaction of that object. In between they are in stock: handing one out is a note in the process, and a store
//! of one word, the tally, by which others know how much is in stock.
//!
//! What is noted in the process is of this process: a forked child knows nothing of its parent's.

use super::chunks::{CHUNK, Chunks};
use super::home::Home;
use super::places::Places;
use crate::alloc::classes::{CLASSES, class_of, size_of_class};
use crate::alloc::footprint;
use crate::containers::{VecHeader, VecView};
use crate::error::{Error, Result};
use crate::layout::Word;
use crate::schema::{Registry, Share};
use crate::shared::{Shared, close};
use crate::tx::Cx;
use std::alloc::Layout;
use std::ptr::NonNull;

/// The largest alignment of a block.
const MOST_ALIGN: usize = 4096;
/// Blocks that are taken at once, at most.
const MOST_AT_ONCE: usize = 32;
/// Of the limit, the part that the blocks taken at once may be.
const PART: u64 = 1024;

/// A block as a value: the memory of a vector of bytes.
struct Block {
    room: u64,
    align: u64,
}

/// The header of a block; for whom it may be changed, by what.
struct Place<'a>(&'a VecHeader, Cx);

impl Share for Block {
    type Stored = VecHeader;
    type Ref<'a> = Place<'a>;
    type Mut<'a> = Place<'a>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<VecHeader> {
        // The room leads to the same size class again, without the alignment.
        Ok(VecHeader::empty_block(cx.alloc(self.room, self.align)?, self.room))
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const VecHeader, cx: Cx) -> Place<'a> {
        // SAFETY: the caller's promise: it is there for `'a`; a header is all words.
        Place(unsafe { &*stored }, cx)
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut VecHeader, cx: Cx) -> Result<Place<'a>> {
        // SAFETY: the caller's promise; its words are logged when they are changed.
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

/// The tally as a value: a number that is lent without being logged.
#[derive(Default)]
struct Tally;

impl Share for Tally {
    type Stored = Word;
    type Ref<'a> = &'a Word;
    type Mut<'a> = &'a Word;
    const OWNS: bool = false;

    fn into_stored(self, _: Cx) -> Result<Word> {
        Ok(Word::default())
    }

    #[inline(always)]
    unsafe fn view<'a>(stored: *const Word, _: Cx) -> &'a Word {
        // SAFETY: the caller's promise: it is there for `'a`; a word is one atomic.
        unsafe { &*stored }
    }

    #[inline(always)]
    unsafe fn view_mut<'a>(stored: *mut Word, cx: Cx) -> Result<&'a Word> {
        // SAFETY: the caller's promise.
        Ok(unsafe { Self::view(stored, cx) })
    }

    unsafe fn load(stored: *const Word, cx: Cx) -> Result<Tally> {
        // Nobody keeps one elsewhere.
        Err(Error::corrupt(cx.offset_of(stored), "a tally of blocks, which cannot be copied"))
    }

    unsafe fn drop_stored(_: *mut Word, _: Cx) -> Result<()> {
        Ok(())
    }

    fn describe(registry: &mut Registry) -> usize {
        <u64 as Share>::describe(registry)
    }
}

/// The object that the blocks are in.
type Table = (Tally, Vec<Vec<Block>>);

/// What is noted of an element.
#[derive(Clone, Copy)]
struct Note {
    block: Option<NonNull<u8>>,
    room: u64,
}

impl Note {
    const NONE: Note = Note { block: None, room: 0 };
}

/// The blocks of a size class that are not handed out.
#[derive(Default)]
struct Stock {
    /// Each with its slot among the places. The last is handed out first.
    blocks: Vec<(NonNull<u8>, usize)>,
    /// If there are so many, the oldest are given back before there is one more.
    most: usize,
}

/// The blocks of an attachment.
#[derive(Default)]
pub(super) struct Blocks {
    table: Option<Shared<Table>>,
    /// In the file; changed by this attachment only.
    tally: Option<NonNull<Word>>,
    notes: Vec<Note>,
    chunks: Chunks,
    places: Places,
    stock: [Stock; CLASSES],
}

// SAFETY: the pointers are into the map, which lives as long as the table's handle; what is read through them is a word.
unsafe impl Send for Blocks {}

impl Blocks {
    /// The name of the object in the file, if there is one.
    pub(super) fn name(&self) -> Option<&str> {
        self.table.as_ref().map(Shared::name)
    }

    /// Takes a block that is in stock, if one is.
    #[inline(always)]
    pub(super) fn take_stocked(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return None;
        }
        let class = class_of(layout.size() as u64, layout.align() as u64)?;
        let (block, slot) = self.stock[class].blocks.pop()?;
        self.places.at(slot)?.take(block, layout, false);
        self.count(size_of_class(class).wrapping_neg());
        Some(block)
    }

    /// Puts a block that was handed out as this layout in stock, if it was and there is room.
    #[inline(always)]
    pub(super) fn put_in_stock(&mut self, block: NonNull<u8>, layout: Layout) -> bool {
        let Some(class) = class_of(layout.size() as u64, layout.align() as u64) else { return false };
        let Some(slot) = self.places.find(block) else { return false };
        let (stock, place) = (&mut self.stock[class], self.places.at(slot));
        let Some(place) = place.filter(|place| place.is(block, layout, false)) else { return false };
        if stock.blocks.len() >= stock.most {
            return false;
        }
        place.give_back();
        stock.blocks.push((block, slot));
        self.count(size_of_class(class));
        true
    }

    /// Notes that so many more bytes are in stock.
    #[inline(always)]
    fn count(&self, more: u64) {
        if let Some(tally) = self.tally {
            // SAFETY: in the file, a part of the table's value; a word is one atomic.
            let tally = unsafe { tally.as_ref() };
            tally.put(tally.get().wrapping_add(more));
        }
    }

    /// Takes a block, and others for the stock, if it is of a size of which blocks are kept there.
    #[cold]
    pub(super) fn fetch(&mut self, home: &Home, layout: Layout) -> Result<NonNull<u8>> {
        if let Some(block) = self.take_stocked(layout) {
            return Ok(block);
        }
        let (bytes, align) = (layout.size() as u64, layout.align() as u64);
        if align > MOST_ALIGN as u64 {
            return Err(Error::BadArgument { what: "alignment", value: align, rule: "which must be at most 4096" });
        }
        let room = footprint(bytes, align);
        let mut blocks = [NonNull::dangling(); MOST_AT_ONCE];
        let Some(class) = class_of(bytes, align) else {
            self.fill(home, Block { room, align }, 0, &mut blocks[..1])?;
            self.places.get(blocks[0]).ok_or_else(missing)?.take(blocks[0], layout, true);
            return Ok(blocks[0]);
        };
        let mut many = at_once(home, room);
        match self.fill(home, Block { room, align }, room, &mut blocks[..many]) {
            Err(Error::OutOfSpace { .. }) if many > 1 => {
                many = 1;
                self.fill(home, Block { room, align }, room, &mut blocks[..1])?;
            }
            filled => filled?,
        }
        let stock = &mut self.stock[class];
        let with_slot = |block: &NonNull<u8>| Some((*block, self.places.find(*block)?));
        stock.blocks.extend(blocks[..many].iter().rev().filter_map(with_slot));
        stock.most = 2 * at_once(home, room);
        self.take_stocked(layout).ok_or_else(missing)
    }

    /// Gives a block back that was handed out as this layout.
    pub(super) fn give_back(&mut self, home: &Home, block: NonNull<u8>, layout: Layout) -> Result<()> {
        if self.put_in_stock(block, layout) {
            return Ok(());
        }
        let (size, align) = (layout.size(), layout.align());
        let no = |reason| Err(Error::NotABlock { address: block.as_ptr() as usize, size, align, reason });
        let place = self.places.get(block).map_or_else(Default::default, |place| *place);
        let element = place.element().filter(|element| self.notes[*element].block == Some(block));
        let Some(element) = element else { return no("no block that was taken here begins there") };
        if !place.is_taken() {
            return no("it is freed already");
        }
        let (room, class) = (self.notes[element].room, class_of(size as u64, align as u64));
        if !place.is(block, layout, class.is_none()) || footprint(size as u64, align as u64) != room {
            return no("it was taken with another layout");
        }
        let Some(class) = class else { return self.empty(&[element], 0) };
        // What is handed back is given back with others, and these first. What cannot be given back stays in stock.
        let many = at_once(home, room);
        let _ = self.release(class, many);
        self.stock[class].most = (2 * many).max(self.stock[class].blocks.len() + 1);
        if self.put_in_stock(block, layout) { Ok(()) } else { Err(missing()) }
    }

    /// Gives everything back that is in stock. Gives whether there was anything.
    pub(super) fn clear_out(&mut self) -> Result<bool> {
        let any = self.stock.iter().any(|stock| !stock.blocks.is_empty());
        (0..CLASSES).try_for_each(|class| self.release(class, 0))?;
        Ok(any)
    }

    /// Takes so many such blocks, none of which is handed out yet. The tally counts each for `counted` bytes.
    fn fill(&mut self, home: &Home, block: Block, counted: u64, blocks: &mut [NonNull<u8>]) -> Result<()> {
        let map = home.segment.map();
        if self.table.is_none() {
            let table: Shared<Table> = home.segment.open_or_create(&home.blocks_name()?)?;
            self.tally = Some(NonNull::from(table.read()?.view().0));
            self.places = Places::from(map.base());
            self.table = Some(table);
        }
        let Some(table) = &self.table else { return Err(Error::Forked) };
        let mut elements = [0; MOST_AT_ONCE];
        let (elements, Block { room, align }) = (&mut elements[..blocks.len()], block);
        self.chunks.choose(elements);
        if self.chunks.room() + elements.len() > Places::MOST {
            return Err(Error::OutOfSpace { needed: room, reason: "an allocator has at most 2^32 blocks".into() });
        }
        change(table, counted * blocks.len() as u64, |view| {
            for (element, block) in elements.iter().zip(blocks.iter_mut()) {
                let (number, place) = (element / CHUNK, element % CHUNK);
                if number == view.len() {
                    view.push(Vec::new())?;
                }
                let chunk = view.try_get_mut(number)?.ok_or_else(missing)?;
                let offset = match chunk.try_get_mut(place)? {
                    Some(Place(header, cx)) => header.take_block(cx, room, align)?,
                    None => {
                        if place == chunk.capacity() {
                            chunk.reserve_exact((place / 2 + 1).min(CHUNK - place))?;
                        }
                        chunk.push(Block { room, align })?;
                        chunk.get(place).ok_or_else(missing)?.0.block()
                    }
                };
                let address = map.at(offset, room, align).and_then(NonNull::new);
                *block = address.ok_or_else(|| Error::corrupt(offset, "a block outside the file"))?;
            }
            Ok(())
        })?;
        for (element, block) in elements.iter().zip(blocks) {
            self.chunks.fill(*element);
            self.notes.resize(self.chunks.room(), Note::NONE);
            self.notes[*element] = Note { block: Some(*block), room };
            self.places.put(*block, *element);
        }
        Ok(())
    }

    /// Gives blocks in stock back, the oldest first, but for `keep` of them.
    #[cold]
    fn release(&mut self, class: usize, keep: usize) -> Result<()> {
        let blocks = &self.stock[class].blocks;
        let many = blocks.len().saturating_sub(keep);
        let mut elements = Vec::with_capacity(many);
        for (_, slot) in &blocks[..many] {
            elements.push(self.places.at(*slot).and_then(|place| place.element()).ok_or_else(missing)?);
        }
        self.empty(&elements, size_of_class(class))?;
        self.stock[class].blocks.drain(..many);
        Ok(())
    }

    /// Gives the blocks of these elements back, each of which the tally counted for so many bytes.
    fn empty(&mut self, elements: &[usize], counted: u64) -> Result<()> {
        let Some(table) = self.table.as_ref().filter(|_| !elements.is_empty()) else { return Ok(()) };
        // Room for a chunk's worth stays, for who takes and frees blocks in turn.
        let spare = self.chunks.vacancies() > CHUNK;
        let (chunks, notes) = (&mut self.chunks, &self.notes);
        elements.iter().for_each(|element| chunks.empty(*element));
        let bare = |number| spare && chunks.is_bare(number);
        let emptied = change(table, (counted * elements.len() as u64).wrapping_neg(), |view| {
            for element in elements {
                let (number, place) = (element / CHUNK, element % CHUNK);
                let chunk = view.try_get_mut(number)?.ok_or_else(missing)?;
                if !bare(number) {
                    let (Place(header, cx), note) = (chunk.try_get_mut(place)?.ok_or_else(missing)?, notes[*element]);
                    let block = note.block.ok_or_else(missing)?;
                    header.drop_block(cx, cx.offset_of(block.as_ptr()), note.room)?;
                } else if !chunk.is_empty() {
                    view.set(number, Vec::new())?;
                }
            }
            Ok(())
        });
        if emptied.is_err() {
            elements.iter().for_each(|element| chunks.fill(*element));
            return emptied;
        }
        for element in elements {
            if spare && chunks.is_bare(element / CHUNK) {
                chunks.clear(element / CHUNK);
            }
            let note = std::mem::replace(&mut self.notes[*element], Note::NONE);
            note.block.into_iter().for_each(|block| self.places.clear(block));
        }
        Ok(())
    }
}

fn missing() -> Error {
    Error::corrupt(0, "a table of blocks that lost some")
}

/// How many blocks are taken at once: few where there is little room.
fn at_once(home: &Home, room: u64) -> usize {
    (home.segment.limit() / PART / room.max(1)).clamp(1, MOST_AT_ONCE as u64) as usize
}

/// Changes the table, wholly or not at all, and has its tally count so many more bytes.
fn change(
    table: &Shared<Table>,
    more: u64,
    operation: impl FnOnce(&mut VecView<Vec<Block>>) -> Result<()>,
) -> Result<()> {
    let mut guard = table.write()?;
    let cx = guard.cx();
    let done = guard.try_view_mut().and_then(|(tally, view)| {
        if more != 0 {
            cx.keep(tally, 1)?;
            tally.put(tally.get().wrapping_add(more));
        }
        operation(view)
    });
    close(done, guard)
}

/// Bytes that an attachment has in stock, by its tally.
pub(super) fn in_stock(home: &Home, name: &str) -> Result<u64> {
    let (table, map): (Shared<(u64, Vec<Vec<Vec<u8>>>)>, _) = (home.segment.open(name)?, home.segment.map());
    let table = table.read()?;
    // Its owner may be changing it.
    Ok(map.word(map.offset_of(table.view().0))?.get())
}

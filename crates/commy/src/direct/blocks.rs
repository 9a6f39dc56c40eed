//! Raw blocks: memory that is handed out without a type, and belongs to the attachment that took it.
//!
//! ```text
//! in the file, .direct/blocks/OWNER/1:                in the process:
//!   a vector of chunks of 64 vectors of bytes, each     what is noted of each element: offset, layout, whether
//!   having one block: full if it is handed out,           it is handed out, in stock, or without a block
//!   empty if it is in stock                             offset of a block -> its element
//!   [[ |full| |full| |empty| |-| ...][...]]             stock: elements by size class; chunks: where each is
//! ```
//!
//! Chunks, so that the table needs no room for itself once more in order to grow, and goes where there are no blocks: one
//! of 32 bytes costs 24 more.
//!
//! So a block is what a vector of bytes has, and whoever removes the object, in the name of a dead owner too, gives the
//! blocks back with it; nobody needs to know more of it. Small blocks are taken, and given back, several at a time, in
//! one transaction of that object. In between they are in stock: handing one out is a note, and a store of one word,
//! the length of its vector, by which others know how much is in stock.
//!
//! What is noted in the process is of this process: a forked child knows nothing of its parent's.

use super::home::Home;
use super::places::Places;
use crate::alloc::classes::{CLASSES, class_of};
use crate::alloc::footprint;
use crate::containers::VecHeader;
use crate::error::{Error, Result};
use crate::schema::{Registry, Share};
use crate::shared::Shared;
use crate::tx::Cx;
use std::alloc::Layout;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// The largest alignment of a block.
const MOST_ALIGN: usize = 4096;
/// Blocks that are taken at once, at most.
const MOST_AT_ONCE: u64 = 32;
/// Of the limit, the part that the blocks taken at once may be.
const PART: u64 = 1024;
/// Elements of a chunk: their headers are a block of a slab, and which of them have blocks is a word.
const CHUNK: usize = u64::BITS as usize;

/// A block as a value: the memory of a vector of bytes.
struct Block {
    room: u64,
    align: u64,
}

/// Where the header of a block is.
struct Place<'a>(*const VecHeader, PhantomData<&'a ()>);

impl Share for Block {
    type Stored = VecHeader;
    type Ref<'a> = Place<'a>;
    type Mut<'a> = Place<'a>;
    const OWNS: bool = true;

    fn into_stored(self, cx: Cx) -> Result<VecHeader> {
        // The room leads to the same size class again, without the alignment.
        Ok(VecHeader::empty_block(cx.alloc(self.room, self.align)?, self.room))
    }

    unsafe fn view<'a>(stored: *const VecHeader, _: Cx) -> Place<'a> {
        Place(stored, PhantomData)
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

/// What is noted of an element.
#[derive(Clone, Copy)]
struct Note {
    /// 0: it has no block.
    offset: u64,
    room: u64,
    /// As what it is handed out.
    layout: Option<Layout>,
}

impl Note {
    const NONE: Note = Note { offset: 0, room: 0, layout: None };
}

/// The blocks of an attachment.
#[derive(Default)]
pub(super) struct Blocks {
    table: Option<Shared<Vec<Vec<Block>>>>,
    chunks: Vec<Chunk>,
    notes: Vec<Note>,
    by_offset: Places,
    stock: [Vec<usize>; CLASSES],
    /// Chunks with elements without a block. The first are taken first, so that other chunks become empty.
    vacant: BTreeSet<usize>,
    /// How many such elements there are.
    vacancies: usize,
    /// Chunks with fewer elements than there may be; those that became empty have none.
    growing: BTreeSet<usize>,
}

/// What is known of a chunk.
#[derive(Clone, Copy)]
struct Chunk {
    /// The header of the first element.
    first: NonNull<VecHeader>,
    /// Elements that it has.
    len: usize,
    /// A bit for each element, the lowest for the first: whether it has a block.
    used: u64,
}

impl Chunk {
    /// How many elements without a block it has.
    fn vacancies(self) -> usize {
        self.len - self.used.count_ones() as usize
    }

    /// The places of these elements.
    fn vacant(self) -> impl Iterator<Item = usize> {
        (0..self.len).filter(move |place| self.used >> place & 1 == 0)
    }
}

// SAFETY: the pointers are into the map, which lives as long as the table's handle, and what is there is all words.
unsafe impl Send for Blocks {}

impl Blocks {
    /// The name of the object in the file, if there is one.
    pub(super) fn name(&self) -> Option<&str> {
        self.table.as_ref().map(Shared::name)
    }

    /// Takes a block.
    #[inline]
    pub(super) fn take(&mut self, home: &Home, layout: Layout) -> Result<NonNull<u8>> {
        let (bytes, align) = (layout.size() as u64, layout.align() as u64);
        let stocked = class_of(bytes, align).and_then(|class| self.stock[class].pop());
        let element = match stocked {
            Some(element) => element,
            None => self.fetch(home, bytes, align)?,
        };
        let note = &mut self.notes[element];
        let place = home.segment.map().at(note.offset, bytes, align).and_then(NonNull::new);
        let place = place.ok_or_else(|| Error::corrupt(note.offset, "a block outside the file"))?;
        note.layout = Some(layout);
        let room = note.room;
        self.mark(element, room);
        Ok(place)
    }

    /// Gives a block back that `take` gave for this layout.
    #[inline]
    pub(super) fn give_back(&mut self, home: &Home, address: NonNull<u8>, layout: Layout) -> Result<()> {
        let (size, align) = (layout.size(), layout.align());
        let no = |reason| Err(Error::NotABlock { address: address.as_ptr() as usize, size, align, reason });
        let offset = (address.as_ptr() as u64).wrapping_sub(home.segment.map().base() as u64);
        let element = self.by_offset.get(offset).filter(|element| self.notes[*element].offset == offset);
        let Some(element) = element else { return no("no block that was taken here begins there") };
        match self.notes[element].layout {
            None => return no("it is freed already"),
            Some(taken) if taken != layout => return no("it was taken with another layout"),
            Some(_) => {}
        }
        match class_of(size as u64, align as u64) {
            Some(class) => {
                self.notes[element].layout = None;
                self.mark(element, 0);
                self.stock[class].push(element);
                let most = at_once(home, self.notes[element].room) as usize;
                // What is handed back is given back with others, and these first.
                if self.stock[class].len() > 2 * most {
                    let _ = self.release(class, most);
                }
                Ok(())
            }
            None => self.empty(&[element]),
        }
    }

    /// Gives everything back that is in stock. Gives whether there was anything.
    pub(super) fn clear_out(&mut self) -> Result<bool> {
        let any = self.stock.iter().any(|stock| !stock.is_empty());
        (0..CLASSES).try_for_each(|class| self.release(class, 0))?;
        Ok(any)
    }

    /// Notes in the file that a block is handed out, or in stock.
    #[inline]
    fn mark(&self, element: usize, len: u64) {
        if let Some(chunk) = self.chunks.get(element / CHUNK) {
            // SAFETY: an element of the chunk, which is changed by this attachment only; a header is all words.
            unsafe { chunk.first.add(element % CHUNK).as_ref() }.len.put(len);
        }
    }

    /// Makes a new element with a block, and others for the stock.
    #[cold]
    fn fetch(&mut self, home: &Home, bytes: u64, align: u64) -> Result<usize> {
        if align > MOST_ALIGN as u64 {
            return Err(Error::BadArgument { what: "alignment", value: align, rule: "which must be at most 4096" });
        }
        let room = footprint(bytes, align);
        let class = class_of(bytes, align);
        let many = if class.is_some() { at_once(home, room) } else { 1 };
        let elements = match self.fill(home, Block { room, align }, many) {
            Err(Error::OutOfSpace { .. }) if many > 1 => self.fill(home, Block { room, align }, 1)?,
            filled => filled?,
        };
        let Some((first, others)) = elements.split_first() else { return Err(Error::Forked) };
        if let Some(class) = class {
            self.stock[class].extend(others);
        }
        Ok(*first)
    }

    /// Makes elements with blocks of that kind.
    fn fill(&mut self, home: &Home, block: Block, many: u64) -> Result<Vec<usize>> {
        if self.table.is_none() {
            self.table = Some(home.segment.open_or_create_with(&home.blocks_name()?, Vec::new)?);
        }
        let Some(table) = &self.table else { return Err(Error::Forked) };
        let Block { room, align } = block;
        if self.notes.len() + many as usize > Places::MOST {
            return Err(Error::OutOfSpace { needed: room, reason: "an allocator has at most 2^32 blocks".into() });
        }
        let vacant = |chunk: usize| self.chunks[chunk].vacant().map(move |place| chunk * CHUNK + place);
        let mut elements: Vec<usize> = self.vacant.iter().copied().flat_map(vacant).take(many as usize).collect();
        let growing = self.growing.iter().map(|chunk| (*chunk, self.chunks[*chunk].len));
        let all = growing.chain((self.chunks.len()..).map(|chunk| (chunk, 0)));
        let new = all.flat_map(|(chunk, len)| chunk * CHUNK + len..(chunk + 1) * CHUNK);
        elements.extend(new.take(many as usize - elements.len()));
        let places = table.change(|view| {
            let mut places = Vec::with_capacity(elements.len());
            for element in &elements {
                let (number, place) = (element / CHUNK, element % CHUNK);
                if number == view.len() {
                    view.push(Vec::new())?;
                }
                let chunk = view.try_get_mut(number)?.ok_or_else(missing)?;
                if place < chunk.len() {
                    chunk.set(place, Block { room, align })?;
                } else {
                    if place == chunk.capacity() {
                        chunk.reserve_exact((place / 2 + 1).min(CHUNK - place))?;
                    }
                    chunk.push(Block { room, align })?;
                }
                let header = |place| chunk.get(place).and_then(|place| NonNull::new(place.0.cast_mut()));
                // SAFETY: an element of the table, which is locked; a header is all words.
                let offset = unsafe { header(place).ok_or_else(missing)?.as_ref() }.block();
                places.push((offset, header(0).ok_or_else(missing)?));
            }
            Ok(places)
        })?;
        for (element, (offset, first)) in elements.iter().zip(places) {
            let number = element / CHUNK;
            if number == self.chunks.len() {
                self.chunks.push(Chunk { first, len: 0, used: 0 });
                self.growing.insert(number);
                self.notes.resize(self.chunks.len() * CHUNK, Note::NONE);
            }
            let (Chunk { len, used, .. }, place) = (self.chunks[number], element % CHUNK);
            // One that grew is elsewhere; the last of its elements tells where.
            self.become_of(number, Chunk { first, len: len.max(place + 1), used: used | 1 << place });
            self.notes[*element] = Note { offset, room, layout: None };
            self.by_offset.put(offset, *element);
        }
        Ok(elements)
    }

    /// Notes what has become of a chunk.
    fn become_of(&mut self, number: usize, now: Chunk) {
        let before = std::mem::replace(&mut self.chunks[number], now);
        self.vacancies = self.vacancies + now.vacancies() - before.vacancies();
        let sort = |chunks: &mut BTreeSet<usize>, was: bool, is: bool| match (was, is) {
            (false, true) => drop(chunks.insert(number)),
            (true, false) => drop(chunks.remove(&number)),
            _ => {}
        };
        sort(&mut self.vacant, before.vacancies() > 0, now.vacancies() > 0);
        sort(&mut self.growing, before.len < CHUNK, now.len < CHUNK);
    }

    /// Gives blocks in stock back, the oldest first, but for `keep` of them.
    #[cold]
    fn release(&mut self, class: usize, keep: usize) -> Result<()> {
        let many = self.stock[class].len().saturating_sub(keep);
        if many == 0 {
            return Ok(());
        }
        let elements: Vec<usize> = self.stock[class][..many].to_vec();
        self.empty(&elements)?;
        self.stock[class].drain(..many);
        Ok(())
    }

    /// Gives the blocks of these elements back.
    fn empty(&mut self, elements: &[usize]) -> Result<()> {
        let Some(table) = &self.table else { return Ok(()) };
        let mut left = BTreeMap::new();
        for element in elements {
            *left.entry(element / CHUNK).or_insert(self.chunks[element / CHUNK].used) &= !(1 << (element % CHUNK));
        }
        // Room for a chunk's worth stays, for who takes and frees blocks in turn.
        let spare = self.vacancies > CHUNK;
        let bare = |number: usize| spare && left[&number] == 0;
        table.change(|view| {
            for element in elements.iter().filter(|element| !bare(*element / CHUNK)) {
                let chunk = view.try_get_mut(element / CHUNK)?.ok_or_else(missing)?;
                chunk.set(element % CHUNK, Block { room: 0, align: 1 })?;
            }
            left.keys().filter(|number| bare(**number)).try_for_each(|number| view.set(*number, Vec::new()))
        })?;
        for element in elements {
            self.by_offset.clear(self.notes[*element].offset);
            self.notes[*element] = Note::NONE;
        }
        for (number, used) in &left {
            let Chunk { first, len, .. } = self.chunks[*number];
            self.become_of(*number, Chunk { first, len: if bare(*number) { 0 } else { len }, used: *used });
        }
        Ok(())
    }
}

fn missing() -> Error {
    Error::corrupt(0, "a table of blocks that lost some")
}

/// How many blocks are taken at once: few where there is little room.
fn at_once(home: &Home, room: u64) -> u64 {
    (home.segment.limit() / PART / room.max(1)).clamp(1, MOST_AT_ONCE)
}

/// Bytes that an attachment has in stock, by its table.
pub(super) fn in_stock(home: &Home, name: &str) -> Result<u64> {
    let table: Shared<Vec<Vec<Vec<u8>>>> = home.segment.open(name)?;
    let table = table.read()?;
    Ok(table.iter().flatten().filter(|block| block.is_empty()).map(|block| block.capacity() as u64).sum())
}

//! Control blocks: their layout, and those that have no object.
//!
//! ```text
//! control block, 192 B
//!   0 state: 1 live, 2 free, 3 kept out of use, 4 orphaned, 5 an orphan that is being freed
//!   8 description: offset, bytes
//!  24 value: offset; bytes and alignment
//!  40 list: of a block without a live object the next one of its list; of the directory the first free one
//!  48 kept: of a kept block the last attachment that may know it; of the directory the first kept one
//!  56 orphans: of an orphan that is being freed see `orphans`; of the directory the first orphan; of a live object
//!     with a ring of changes (`tx::ring`) that
//!  64 lock word          <- object
//!  72 waiters, sleepers (u32 each)
//!  80 version
//!  88 generation; odd: with a ring
//!  96 value, if it has 96 B or less; else it has a block of its own
//! ```
//!
//! Handles keep the offset of a control block, and may do so after the object was removed. So a control block is
//! never anything else, and what is from the lock word to the generation is never set back: it is the lock of all
//! objects that are there in turn. A handle looks at the generation under the lock: if it is another than when the
//! handle was made, its object is gone.
//!
//! Whether an object has a ring of changes is decided when it is made, and so handles know it by their generation.
//!
//! Atomics are used without the lock, so nobody can be told that they are gone. Their control block, and their value's
//! block, are *kept* out of use until all attachments have ended that there were when they were removed. Attachments
//! are numbered: a kept block notes the number that was the last one then.
//!
//! All this is changed under the directory's lock, in its transaction.

use super::Names;
use crate::containers::untyped::Block;
use crate::error::{Error, Result};
use crate::layout::{VALUE_AT, Word};
use crate::map::Map;
use crate::participant::Attachment;
use crate::schema::Share;
use crate::tx::{Cx, Ring, pack_size, unpack_size};
use crate::walk::free_block;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Offset of the directory's control block.
pub(super) const DIRECTORY: u64 = crate::layout::DIRECTORY.start;
/// Distance of the lock word from the control block's beginning.
pub(super) const OBJECT_AT: u64 = 64;
/// Bytes of a control block, and what it is aligned to: a cache line.
pub(super) const CONTROL: (u64, u64) = (192, 64);
/// Bytes of the largest value that lies in the control block, and what such a one may be aligned to.
const INLINE: (usize, usize) = ((CONTROL.0 - OBJECT_AT - VALUE_AT) as usize, 32);
/// The bit of a generation that tells that its object has a ring of changes.
const WITH_RING: u64 = 1;
/// `state` of a live object.
pub(super) const LIVE: u64 = 1;
/// `state` of a block without an object.
pub(super) const FREE: u64 = 2;
/// `state` of a block whose object was removed, but may still be looked at.
pub(super) const KEPT: u64 = 3;
/// `state` of a block whose object was removed, with a value that is yet to be freed.
pub(super) const ORPHANED: u64 = 4;
/// The same, when that has begun.
pub(super) const DYING: u64 = 5;

/// A control block, up to the value.
#[repr(C)]
pub(crate) struct Control {
    pub(super) state: Word,
    description: Word,
    description_len: Word,
    value: Word,
    value_size: Word,
    pub(super) list: Word,
    kept: Word,
    pub(super) orphans: Word,
    pub(crate) lock: AtomicU64,
    pub(crate) waiters: AtomicU32,
    pub(crate) sleepers: AtomicU32,
    pub(crate) version: Word,
    pub(crate) generation: Word,
}

const _: () = {
    assert!(size_of::<Control>() as u64 == OBJECT_AT + VALUE_AT);
    assert!(std::mem::offset_of!(Control, lock) as u64 == OBJECT_AT);
    assert!(std::mem::offset_of!(Control, waiters) as u64 == OBJECT_AT + crate::layout::WAITERS_AT);
    assert!(std::mem::offset_of!(Control, sleepers) as u64 == OBJECT_AT + crate::layout::SLEEPERS_AT);
    assert!(std::mem::offset_of!(Control, version) as u64 == OBJECT_AT + crate::layout::VERSION_AT);
    assert!(std::mem::offset_of!(Control, generation) as u64 == OBJECT_AT + crate::layout::GENERATION_AT);
    assert!((OBJECT_AT + VALUE_AT).is_multiple_of(INLINE.1 as u64));
};

/// Whether objects of this generation have a ring of changes.
#[inline(always)]
pub(crate) fn has_ring(generation: u64) -> bool {
    generation & WITH_RING != 0
}

/// The control block of an object.
pub(crate) fn control(map: &Map, object: u64) -> Result<&Control> {
    let offset = object.checked_sub(OBJECT_AT).ok_or_else(|| Error::corrupt(object, "no object is here"))?;
    // SAFETY: a control block is all atomics.
    unsafe { map.get::<Control>(offset) }
}

/// Whether values with a stored form of this size and alignment lie in their control blocks.
pub(super) const fn is_inline(bytes: u64, align: u64) -> bool {
    bytes <= INLINE.0 as u64 && align <= INLINE.1 as u64
}

/// Whether a value of so many bytes can lie in its control block.
pub(super) fn fits_inline(bytes: usize) -> bool {
    bytes <= INLINE.0
}

/// Sets up the directory in a file that is being formatted: zeros are an empty map.
pub(crate) fn format_directory(map: &Map) -> Result<()> {
    let directory = control(map, DIRECTORY + OBJECT_AT)?;
    directory.value.put(DIRECTORY + OBJECT_AT + VALUE_AT);
    directory.state.put(LIVE);
    const { assert!(is_inline(size_of::<<Names as Share>::Stored>() as u64, align_of::<<Names as Share>::Stored>() as u64)) };
    Ok(())
}

/// What an object consists of, besides its control block.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// Offset and bytes of the description.
    pub description: (u64, u64),
    /// Offset, bytes and alignment of the value.
    pub value: (u64, u64, u64),
}

impl Control {
    pub(super) fn parts(&self) -> Parts {
        let (bytes, align) = unpack_size(self.value_size.get());
        let value = (self.value.get(), bytes, align);
        Parts { description: (self.description.get(), self.description_len.get()), value }
    }

    /// Makes it the block of a live object.
    pub(super) fn fill(&self, parts: Parts) {
        self.description.put(parts.description.0);
        self.description_len.put(parts.description.1);
        self.value.put(parts.value.0);
        self.value_size.put(pack_size(parts.value.1, parts.value.2));
        self.state.put(LIVE);
    }

    /// Gives it a ring of changes. It has no handles yet.
    pub(super) fn add_ring(&self, cx: Cx, ring: u64) -> Result<()> {
        cx.keep(&self.generation, 1)?;
        self.generation.put(self.generation.get() | WITH_RING);
        self.orphans.put(ring);
        Ok(())
    }

    /// The offset of its ring of changes.
    pub(crate) fn ring(&self) -> Option<u64> {
        has_ring(self.generation.get()).then(|| self.orphans.get())
    }

    /// Ends what handles there are, and the ring of changes.
    fn end(&self, cx: Cx) -> Result<()> {
        if let Some(offset) = self.ring() {
            // The block of a damaged one stays in use.
            if let Ok(ring) = Ring::open(cx.map(), offset) {
                free_block(cx, Block { offset, bytes: ring.bytes(), align: 8 })?;
            }
            self.orphans.put(0);
        }
        cx.keep(&self.generation, 1)?;
        self.generation.put((self.generation.get() | WITH_RING).wrapping_add(1));
        Ok(())
    }

    /// Logs everything before the lock word.
    pub(super) fn keep(&self, cx: Cx) -> Result<()> {
        cx.keep(&self.state, OBJECT_AT / 8)
    }
}

/// A control block for a new object, whose words before the lock word may be set. Gives the object's offset.
pub(super) fn take(cx: Cx) -> Result<u64> {
    let directory = control(cx.map(), DIRECTORY + OBJECT_AT)?;
    let free = directory.list.get();
    if free != 0 {
        let block = control(cx.map(), free)?;
        if block.state.get() != FREE {
            return Err(Error::corrupt(free, "a free control block that is not free"));
        }
        block.keep(cx)?;
        directory.keep(cx)?;
        directory.list.put(block.list.get());
        return Ok(free);
    }
    let block = cx.alloc(CONTROL.0, CONTROL.1)?;
    for offset in (0..OBJECT_AT + VALUE_AT).step_by(8) {
        cx.map().word(block + offset)?.put(0);
    }
    Ok(block + OBJECT_AT)
}

/// Gives up the control block of an object, whose lock is held, so that it can serve another one; at once, or if it
/// may be `used_without_lock`, together with the value, when nobody can know it any more.
pub(super) fn give_up(cx: Cx, object: u64, used_without_lock: bool) -> Result<()> {
    let (map, block) = (cx.map(), control(cx.map(), object)?);
    let directory = control(map, DIRECTORY + OBJECT_AT)?;
    block.keep(cx)?;
    directory.keep(cx)?;
    block.end(cx)?;
    let (state, head) = if used_without_lock { (KEPT, &directory.kept) } else { (FREE, &directory.list) };
    block.kept.put(map.header().attachments.get());
    block.list.put(head.get());
    block.state.put(state);
    head.put(object);
    Ok(())
}

/// Makes an object, whose lock is held, an orphan: it is nobody's any more, but its value is yet to be freed.
pub(super) fn orphan(cx: Cx, object: u64) -> Result<()> {
    let (block, directory) = (control(cx.map(), object)?, control(cx.map(), DIRECTORY + OBJECT_AT)?);
    block.keep(cx)?;
    directory.keep(cx)?;
    block.end(cx)?;
    block.state.put(ORPHANED);
    block.list.put(directory.orphans.get());
    directory.orphans.put(object);
    Ok(())
}

/// The orphans.
pub(super) fn orphans(map: &Map) -> Result<Vec<u64>> {
    listed(map, control(map, DIRECTORY + OBJECT_AT)?.orphans.get(), &[ORPHANED, DYING])
}

/// The control blocks in the lists: the free, the kept, the orphans.
pub(super) fn lists(map: &Map) -> Result<(Vec<u64>, Vec<u64>, Vec<u64>)> {
    let directory = control(map, DIRECTORY + OBJECT_AT)?;
    Ok((listed(map, directory.list.get(), &[FREE])?, listed(map, directory.kept.get(), &[KEPT])?, orphans(map)?))
}

/// The control blocks of a list, which are in one of these states.
fn listed(map: &Map, first: u64, states: &[u64]) -> Result<Vec<u64>> {
    let (mut all, mut object) = (Vec::new(), first);
    while object != 0 {
        let block = control(map, object)?;
        if !states.contains(&block.state.get()) || all.len() as u64 > map.size() / CONTROL.0 {
            return Err(Error::corrupt(object, "a control block in a list where it does not belong"));
        }
        all.push(object);
        object = block.list.get();
    }
    Ok(all)
}

/// Takes an orphan, whose lock is held, out of their list, and lets its control block serve another object.
pub(super) fn bury(cx: Cx, object: u64) -> Result<()> {
    let (block, directory) = (control(cx.map(), object)?, control(cx.map(), DIRECTORY + OBJECT_AT)?);
    let all = orphans(cx.map())?;
    let place = match all.iter().position(|orphan| *orphan == object) {
        Some(0) => &directory.orphans,
        Some(index) => &control(cx.map(), all[index - 1])?.list,
        None => return Err(Error::corrupt(object, "an orphan that is not listed")),
    };
    cx.keep(place, 1)?;
    place.put(block.list.get());
    give_up(cx, object, false)
}

/// Makes kept control blocks free whose atomics nobody can be using any more.
pub(super) fn release_kept(cx: Cx, attachment: &Attachment) -> Result<()> {
    let directory = control(cx.map(), DIRECTORY + OBJECT_AT)?;
    if directory.kept.get() == 0 {
        return Ok(());
    }
    let oldest = attachment.oldest();
    let mut place = &directory.kept;
    let most = cx.map().size() / CONTROL.0;
    for _ in 0..most {
        let object = place.get();
        if object == 0 {
            return Ok(());
        }
        let block = control(cx.map(), object)?;
        if block.state.get() != KEPT {
            return Err(Error::corrupt(object, "a kept control block that is not kept"));
        }
        if oldest <= block.kept.get() {
            place = &block.list;
            continue;
        }
        cx.keep(place, 1)?;
        directory.keep(cx)?;
        block.keep(cx)?;
        place.put(block.list.get());
        block.list.put(directory.list.get());
        directory.list.put(object);
        block.state.put(FREE);
        free_value(cx, object, block.parts())?;
    }
    Err(Error::corrupt(directory.kept.get(), "kept control blocks in a circle"))
}

/// The blocks of an object besides what its value owns: offset, bytes and alignment.
pub(super) fn blocks(map: &Map, object: u64) -> Result<Vec<(u64, u64, u64)>> {
    let control = control(map, object)?;
    let Parts { description: (description, letters), value } = control.parts();
    let mut all = vec![(object - OBJECT_AT, CONTROL.0, CONTROL.1), (description, letters, 8)];
    if value.0 != object + VALUE_AT {
        all.push(value);
    }
    if let Some(ring) = control.ring() {
        all.push((ring, Ring::open(map, ring)?.bytes(), 8));
    }
    Ok(all)
}

/// Gives back the block of a value that has one.
pub(super) fn free_value(cx: Cx, object: u64, parts: Parts) -> Result<()> {
    let (offset, bytes, align) = parts.value;
    if offset == object + VALUE_AT { Ok(()) } else { cx.free(offset, bytes, align) }
}

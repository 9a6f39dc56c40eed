//! Orphans: objects that were removed, and whose values are freed little by little.
//!
//! Removing an object takes no longer than a few words of log, however large its value is: the control block leaves the
//! directory, with value and description, for the list of orphans. From there it is freed in batches, each a
//! transaction of its own under the lock that the object had. Whoever is killed at that is followed by whoever comes
//! next: opening the segment, recovering, making and removing objects all go on with it.
//!
//! A batch notes where the walk over the value is (`walk::Walker`): the containers that it is within, in words.
//!
//! ```text
//! control block of an orphan that is being freed
//!  56 orphans: offset of the block of notes, 0 if the note below is the only one
//!  96 containers; the first one, 7 words                  of the value nothing is needed any more
//!
//! block of notes, 2048 B: containers, 7 words each
//! ```
//!
//! What is found damaged stays where it is: nobody can tell what of it is its own.
//!
//! Without memory for a block of notes, and where more containers lie within each other than it has room for, a batch
//! goes on until no more are left than can be noted.

use super::control::{self, DIRECTORY, DYING, OBJECT_AT, ORPHANED, control};
use super::{directory, found_description};
use crate::error::{Error, Result};
use crate::layout::{VALUE_AT, Word};
use crate::map::Map;
use crate::schema::Description;
use crate::segment::Segment;
use crate::shared::{Shared, WriteGuard};
use crate::tx::Cx;
use crate::walk::{FRAME_WORDS, Plan, Untyped, Walker, free_block};

/// Blocks that a removal frees at once; a value with more becomes an orphan.
const AT_ONCE: usize = 64;
/// Blocks that a batch frees.
const BATCH: usize = 512;
/// Bytes of a block of notes, and what it is aligned to.
pub(super) const NOTES: (u64, u64) = (2048, 8);
/// Containers that a block of notes has room for.
const MOST_NOTES: usize = NOTES.0 as usize / 8 / FRAME_WORDS;

/// Whether a value has so many blocks that they are better freed little by little.
pub(super) fn is_large(map: &Map, plan: &Plan, value: u64) -> Result<bool> {
    let mut walker = Walker::new(map, plan);
    walker.enter(Untyped::root(map, plan, value)?)?;
    for _ in 0..AT_ONCE {
        if walker.next_block()?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Frees what orphans there are, except those that somebody else is at.
pub(crate) fn free_orphans(segment: &Segment) -> Result<()> {
    if control(segment.map(), DIRECTORY + OBJECT_AT)?.orphans.get() == 0 {
        return Ok(());
    }
    let orphans = {
        let directory = directory(segment)?;
        let _names = directory.read()?;
        let all = control::orphans(segment.map())?;
        let generation = |object: &u64| Ok((*object, control(segment.map(), *object)?.generation.get()));
        all.iter().map(generation).collect::<Result<Vec<_>>>()?
    };
    let mut result = Ok(());
    for (object, generation) in orphans {
        let orphan = Shared::<()>::lock_of(segment, "(an object that was removed)", object, generation)?;
        match free_orphan(segment, &orphan) {
            // Somebody else is at it, or has done it.
            Err(Error::LockTimeout { .. } | Error::Removed { .. }) => {}
            // One that is damaged stays, and is in nobody's way.
            Err(Error::Corrupt { .. }) => {}
            freed => result = result.and(freed),
        }
    }
    result
}

fn free_orphan(segment: &Segment, orphan: &Shared<()>) -> Result<()> {
    let (map, object) = (segment.map(), orphan.offset());
    let block = control(map, object)?;
    loop {
        let locked = orphan.try_write()?;
        let plan = Plan::new(Description::from_bytes(&found_description(map, block)?)?)?;
        let mut walker = Walker::new(map, &plan);
        match block.state.get() {
            ORPHANED => walker.enter(Untyped::root(map, &plan, block.parts().value.0)?)?,
            DYING => notes(map, object)?.into_iter().try_for_each(|note| walker.resume(note))?,
            _ => return Err(Error::corrupt(object, "an orphan that is none")),
        }
        if walker.unfinished() == Some(0) {
            return bury(segment, object, locked);
        }
        match free_batch(locked.cx(), object, &mut walker) {
            Ok(()) => locked.commit()?,
            Err(error) => {
                locked.rollback();
                return Err(error);
            }
        }
    }
}

/// Frees some blocks, and notes where the walk is.
fn free_batch(cx: Cx, object: u64, walker: &mut Walker<'_>) -> Result<()> {
    let (map, block) = (cx.map(), control(cx.map(), object)?);
    block.keep(cx)?;
    if block.state.get() == ORPHANED {
        // The walk has read all that it needs of the value itself.
        control::free_value(cx, object, block.parts())?;
        block.orphans.put(0);
    }
    let mut freed = 0;
    while let Some(next) = walker.next_block()? {
        free_block(cx, next)?;
        freed += 1;
        if freed >= BATCH {
            if walker.unfinished().is_some_and(|unfinished| unfinished > 1) && block.orphans.get() == 0 {
                // Without memory it goes on until there is little to note.
                block.orphans.put(cx.alloc(NOTES.0, NOTES.1).unwrap_or(0));
            }
            if walker.unfinished().is_some_and(|unfinished| unfinished <= place_of_notes(block, object).1) {
                break;
            }
        }
    }
    let (place, _) = place_of_notes(block, object);
    let (count, unfinished) = (map.word(object + VALUE_AT)?, walker.unfinished().unwrap_or(0));
    cx.keep(count, 1)?;
    count.put(unfinished as u64);
    if unfinished > 0 {
        cx.keep(map.word(place)?, (unfinished * FRAME_WORDS) as u64)?;
    }
    for (index, word) in walker.words().flatten().enumerate() {
        map.word(place + index as u64 * 8)?.put(word);
    }
    block.state.put(DYING);
    Ok(())
}

/// Where the notes of an orphan are, and how many there is room for.
fn place_of_notes(block: &control::Control, object: u64) -> (u64, usize) {
    match block.orphans.get() {
        0 => (object + VALUE_AT + 8, 1),
        notes => (notes, MOST_NOTES),
    }
}

/// What the last batch has noted.
pub(super) fn notes(map: &Map, object: u64) -> Result<Vec<[u64; FRAME_WORDS]>> {
    let (place, room) = place_of_notes(control(map, object)?, object);
    let count = map.word(object + VALUE_AT)?.get();
    if count > room as u64 {
        return Err(Error::corrupt(object, "an orphan with more notes than there is room for"));
    }
    let note = |number: u64| {
        let mut note = [0; FRAME_WORDS];
        for (index, word) in note.iter_mut().enumerate() {
            *word = map.word(place + (number * FRAME_WORDS as u64 + index as u64) * 8).map(Word::get)?;
        }
        Ok(note)
    };
    (0..count).map(note).collect()
}

/// Ends an orphan whose value is gone.
fn bury(segment: &Segment, object: u64, locked: WriteGuard<'_, ()>) -> Result<()> {
    let directory = directory(segment)?;
    super::change(directory.write()?, |names| {
        let cx = names.cx();
        let block = control(segment.map(), object)?;
        let (parts, notes) = (block.parts(), block.orphans.get());
        if block.state.get() == ORPHANED {
            control::free_value(cx, object, parts)?;
        } else if notes != 0 {
            cx.free(notes, NOTES.0, NOTES.1)?;
        }
        control::bury(cx, object)?;
        cx.free(parts.description.0, parts.description.1, 8)
    })?;
    locked.close_changed()
}

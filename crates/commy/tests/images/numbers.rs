//! Numbers of an image that grow with every rescue, and of which only some relation to others means something. Without
//! an end to them no two rescuers in a row would ever leave the same. So they are *renumbered*:
//!
//! ```text
//! generation of a thread slot            2
//! tag in a lock word, or in the word     the slot in generation 2 if it names its present one, else in 1: whoever meets a
//!   that has the writers pause           tag only asks whether its slot has moved on
//! the process that had a thread slot     generation 0, which no process has: all are dead in an image
//! rescuer of a free slot                 nobody: it died behind its work, and whoever comes next takes its place as it would
//!                                        nobody's
//! busy, reading                          whether odd: who compares two looks at them is dead, too
//! version of an object                   whether somebody is inside by favour: the same. Not if it has a ring of changes,
//!                                        whose notes have versions
//! when the space lock was taken          nothing: it is asked of who has it and lives
//! attachments when it was removed        nothing, but where an object's block is kept out of use because of it
//! ```
//!
//! That this makes no difference is not believed: images are judged so, too, see `dead`.

use super::dead::{MAGIC, blocks, put, threads, word};

/// Of a thread slot.
const STATE: usize = 128;
const RESCUER: usize = 136;
const BUSY: usize = 224;
const READING: usize = 232;
/// Of the header.
const HEAP_LOCK: usize = 128;
const SPACE_LOCK: usize = 216;
const SPACE_VERSION: usize = 232;
const PAUSE: usize = 240;
const SPACE_SINCE: usize = 248;
/// Where the control block of the directory is; bytes of one.
const DIRECTORY: usize = 256;
const CONTROL: usize = 192;
/// Of a control block.
const DESCRIPTION: usize = 8;
const VALUE: usize = 24;
const ATTACHMENTS: usize = 48;
const LOCK: usize = 64;
const VERSION: usize = 80;
const GENERATION: usize = 88;
const INLINE_VALUE: usize = 96;
/// States of a control block: from live to an orphan that is being freed; one that is kept out of use.
const STATES: std::ops::RangeInclusive<u64> = 1..=5;
const KEPT: u64 = 3;
/// The bit of a version that says that somebody is inside by favour, that of a generation that there is a ring.
const INSIDE: u64 = 1;
const WITH_RING: u64 = 1;
/// The bits of a tag.
const TAG: u64 = (1 << 48) - 1;
/// The generation of all slots.
const PRESENT: u64 = 2;

/// The control blocks of a segment at rest, but for those of objects with rings. What is one is never anything else.
pub fn controls(image: &[u8]) -> Vec<usize> {
    let is_control = |at: usize| {
        let is_of_a_block = |offset: usize| offset.is_multiple_of(8) && offset > DIRECTORY && offset < image.len();
        let value = word(image, at + VALUE) as usize;
        STATES.contains(&word(image, at))
            && is_of_a_block(word(image, at + DESCRIPTION) as usize)
            && (is_of_a_block(value) || value == at + INLINE_VALUE)
            && word(image, at + GENERATION) & WITH_RING == 0
    };
    let of_objects = blocks(image).into_iter().filter(|block| !block.is_free && block.size == CONTROL);
    std::iter::once(DIRECTORY).chain(of_objects.map(|block| block.at).filter(|at| is_control(*at))).collect()
}

/// Renumbers an image, in which these are control blocks.
pub fn renumber(image: &mut [u8], controls: &[usize]) {
    if image.first_chunk() != Some(&MAGIC) {
        return;
    }
    let slots: Vec<usize> = threads(image).collect();
    let present: Vec<u64> = slots.iter().map(|slot| word(image, slot + STATE) >> 32).collect();
    let renamed = |tag: u64| {
        let (slot, generation) = ((tag & 0xffff) as usize, (tag & TAG) >> 16);
        match slot.checked_sub(1).and_then(|slot| present.get(slot)) {
            Some(present) => tag & !TAG | (PRESENT - u64::from(*present != generation)) << 16 | slot as u64,
            None => tag,
        }
    };
    let locks = controls.iter().map(|control| control + LOCK);
    for tag in locks.chain([HEAP_LOCK, SPACE_LOCK, PAUSE]) {
        put(image, tag, renamed(word(image, tag)));
    }
    for slot in slots {
        // Generation, process generation, process and status.
        put(image, slot + STATE, PRESENT << 32 | word(image, slot + STATE) & 0xffff);
        // `FREE`.
        if word(image, slot + STATE) & 0xf == 0 {
            put(image, slot + RESCUER, 0);
        }
        for odd_while_it_acts in [slot + BUSY, slot + READING] {
            put(image, odd_while_it_acts, word(image, odd_while_it_acts) & 1);
        }
    }
    put(image, SPACE_SINCE, 0);
    put(image, SPACE_VERSION, word(image, SPACE_VERSION) & INSIDE);
    for control in controls {
        if word(image, control + GENERATION) & WITH_RING == 0 {
            put(image, control + VERSION, word(image, control + VERSION) & INSIDE);
        }
        // The directory has a list there.
        if *control != DIRECTORY && word(image, *control) != KEPT {
            put(image, control + ATTACHMENTS, 0);
        }
    }
}

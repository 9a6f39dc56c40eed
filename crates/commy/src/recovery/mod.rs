//! Recovery: putting right what a dead thread left behind.
//!
//! Whoever meets the dead does it, acting in the dead one's name with the same code that the dead one
//! would have run, so that being killed on the way just leaves it to the next:
//!
//! ```text
//! rescuer = me              (by compare-and-swap, from nobody or from somebody dead)
//! 1 the heap                finish or undo the intent, unlock the heap if it was held
//! 2 each transaction        committed: free what it freed; open: roll back; give log chunks back
//! 3 marks, holds, freeing   cleared; it is neither busy nor reading any more
//! 4 state = FREE, generation + 1       from here on lock words that name the dead are stale
//! 5 rescuer = 0, wake who waits
//! ```

mod copy;

pub(crate) use copy::{private, recover_all};

use crate::alloc;
use crate::error::Result;
use crate::layout::{SlotState, ThreadSlot, WAYS, Word};
use crate::os;
use crate::participant::claim::{self, Attempt};
use crate::participant::{Actor, Attachment, Liveness, tag};
use crate::tx::{OPEN, Record};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Recovers what the dead occupant of a slot left, unless the slot has moved on from `generation`. If
/// somebody alive is at it, waits a little and returns.
pub(crate) fn rescue(attachment: &Attachment, index: usize, generation: u32) -> Result<()> {
    let Some(slot) = attachment.map.thread(index) else { return Ok(()) };
    let attempt = claim::rescue(
        (slot.state.atomic(), slot.rescuer.atomic()),
        attachment.rescuer_tag(),
        generation,
        |other| rescuer_lives(attachment, other),
        |state| attachment.is_dead(slot, state),
        |state| bury(attachment, slot, index, state),
    );
    if let Attempt::Busy = attempt {
        let key = attachment.key(attachment.map.offset_of(slot));
        os::wait(key, slot.beacon.word(), slot.beacon.word().load(Ordering::Relaxed), Duration::from_millis(1));
        return Ok(());
    }
    os::wake_beacon(&slot.beacon);
    if let Attempt::Buried(result) = attempt { result } else { Ok(()) }
}

fn rescuer_lives(attachment: &Attachment, rescuer: u64) -> bool {
    let index = (rescuer as u32 - 1) as usize;
    let generation = (rescuer >> 32) as u32;
    let current = attachment.map.process(index).map(|slot| slot.generation());
    current == Some(generation) && attachment.process_liveness(index) == Liveness::Alive
}

fn bury(attachment: &Attachment, slot: &ThreadSlot, index: usize, state: SlotState) -> Result<()> {
    let actor = Actor { at: attachment, slot, index, tag: tag(index, state.generation) };
    let map = &attachment.map;
    // For people only: who is killed in the middle of this counts twice.
    let count = |what: usize| map.header().recovered[what].atomic().fetch_add(1, Ordering::Relaxed);
    alloc::recover(&actor, &mut |record, offset| {
        // SAFETY: a record is all words.
        unsafe { map.get::<Record>(record) }?.forget(map, offset)
    })?;
    let work = slot.work.get();
    for way in (0..WAYS).filter(|_| work != 0) {
        let record = Record::of(map, work, way)?;
        if record.phase() != OPEN {
            count(2);
            record.finish_frees(&actor, None)?;
        } else if record.len() > 0 {
            count(1);
            record.roll_back(&actor, None, 0)?;
        }
        record.drop_chunks(&actor, false)?;
    }
    slot.freeing.publish(0);
    slot.waits_for.put(0);
    slot.marks.iter().for_each(|mark| mark.put(0));
    slot.holds.publish(0);
    slot.busy.publish(slot.busy.get().wrapping_add(slot.busy.get() & 1));
    slot.reading.now.publish(0);
    alloc::slab::strand(&actor);
    count(0);
    claim::vacate(slot.state.atomic(), state);
    Ok(())
}

/// After the machine was restarted: puts out the beacons that were lit before, which no kernel will ever mark.
/// The caller has passed the gate, and nobody else has the segment open.
pub(crate) fn put_out_beacons(attachment: &Attachment) {
    for slot in (0..attachment.thread_slots()).filter_map(|index| attachment.map.thread(index)) {
        let words = std::ptr::from_ref(&slot.beacon).cast::<[Word; 8]>();
        // SAFETY: a beacon is 64 bytes aligned to 64, and all threads that held one are gone.
        unsafe { &*words }.iter().for_each(|word| word.put(0));
    }
}

/// Recovers all who are dead. Gives how many there were.
pub(crate) fn sweep(attachment: &Attachment) -> Result<usize> {
    let mut found = 0;
    for index in 0..attachment.thread_slots() {
        let Some(slot) = attachment.map.thread(index) else { continue };
        let state = attachment.state(slot);
        if attachment.is_dead(slot, state) {
            attachment.rescue_slot(index, state.generation)?;
            found += 1;
        }
    }
    Ok(found)
}

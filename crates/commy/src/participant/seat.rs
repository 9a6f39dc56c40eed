//! A thread's slot: claiming it, leaving it, and acting in its name.

use super::{Attachment, claim};
use crate::error::{Error, Result};
use crate::layout::{HEAP_LOCK, SPACE_LOCK, SlotState, ThreadSlot, thread_status};
use crate::os::{Beacon, BeaconState};
use crate::sync::Lock;
use std::time::{Duration, Instant};

/// How long to wait for slots that somebody else is about to make.
const MORE_SLOTS: Duration = Duration::from_secs(1);

/// The owner's name in a lock word: the slot, and the generation in which it has it.
pub(crate) fn tag(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 16 | (index as u64 + 1)
}

/// Somebody who does things in the name of a thread slot: the thread that has it, or the rescuer of
/// the one that had. Whoever it is, nobody else acts in that slot's name at the time: that is the
/// exclusion under which owner-only words of slabs, logs and intents are stored plainly.
#[derive(Clone, Copy)]
pub(crate) struct Actor<'a> {
    pub at: &'a Attachment,
    pub slot: &'a ThreadSlot,
    pub index: usize,
    pub tag: u64,
}

impl<'a> Actor<'a> {
    /// Takes a free slot for the calling thread and lights its beacon. Slots of the dead are
    /// recovered when no other is free; and when none is, others may be about to come.
    pub(crate) fn claim(attachment: &'a Attachment) -> Result<Actor<'a>> {
        let start = Instant::now();
        loop {
            if let Some(actor) = Actor::claim_free(attachment)? {
                return Ok(actor);
            }
            for index in 0..attachment.thread_slots() {
                let Some(slot) = attachment.map.thread(index) else { continue };
                let state = attachment.state(slot);
                if attachment.is_dead(slot, state) {
                    attachment.rescue_slot(index, state.generation)?;
                }
            }
            if let Some(actor) = Actor::claim_free(attachment)? {
                return Ok(actor);
            }
            // Who took the last slot is about to make more, unless there is no room.
            if start.elapsed() >= attachment.patience.min(MORE_SLOTS) {
                let limit = attachment.thread_slots() as u32;
                return Err(Error::TooManyParticipants { what: "threads", limit });
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn claim_free(attachment: &'a Attachment) -> Result<Option<Actor<'a>>> {
        for index in 0..attachment.thread_slots() {
            let Some(slot) = attachment.map.thread(index) else { continue };
            let state = attachment.state(slot);
            // A free slot whose beacon is held was left by its process on behalf of a thread that
            // still runs; it is free when that thread has ended.
            if state.status != thread_status::FREE || slot.beacon.state() == BeaconState::Held {
                continue;
            }
            let process = (attachment.process() as u16, attachment.process_generation() as u16);
            let occupied = claim::occupy(slot.state.atomic(), state, process, || {
                slot.marks.iter().for_each(|mark| mark.put(0));
                slot.holds.put(0);
                slot.waits_for.put(0);
                if !attachment.lights_beacons {
                    return Ok(());
                }
                // SAFETY: the slot is claimed, so nobody else lights the beacon, and it was not held.
                unsafe { Beacon::hold(std::ptr::from_ref(&slot.beacon).cast_mut()) }
            });
            let Some(occupied) = occupied else { continue };
            occupied.map_err(|e| Error::io("set a sign of life in", attachment.map.path(), e))?;
            return Ok(Some(Actor { at: attachment, slot, index, tag: tag(index, state.generation) }));
        }
        Ok(None)
    }

    /// Whether another thread could still claim a slot without a new page of them.
    pub(crate) fn others_free(&self) -> bool {
        (0..self.at.thread_slots())
            .filter_map(|index| self.at.map.thread(index))
            .any(|slot| self.at.state(slot).status == thread_status::FREE)
    }

    /// Gives the slot up: nothing is open in it.
    pub(crate) fn leave(&self) {
        claim::vacate(self.slot.state.atomic(), self.at.state(self.slot));
    }

    /// Ends the thread's part in it but keeps the slot taken until the process ends, for guards that
    /// were leaked.
    pub(crate) fn pin(&self) {
        let state = self.at.state(self.slot);
        self.slot.state.publish(SlotState { status: thread_status::PINNED, ..state }.pack());
    }

    /// The lock of those who change the size, give storage back or make a snapshot.
    pub(crate) fn space_lock(&self) -> Lock<'a, Attachment> {
        let header = self.at.map.header();
        Lock { word: &header.space_lock, waiters: &header.space_waiters, object: SPACE_LOCK, around: self.at }
    }

    /// The lock of the page heap.
    pub(crate) fn heap_lock(&self) -> Lock<'a, Attachment> {
        let header = self.at.map.header();
        Lock { word: &header.heap_lock, waiters: &header.heap_waiters, object: HEAP_LOCK, around: self.at }
    }
}

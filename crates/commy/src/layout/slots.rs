//! The participant table: a slot for every attached process, and one for every thread of it that
//! works with the segment.
//!
//! ```text
//! process slot, 64 B                         thread slot, 512 B
//!   0 state: generation 32 | status 32         0 beacon, 64 B
//!   8 pid, start, namespace, boot             64 marks: objects this thread reads, 8
//!  40 heartbeat, ms; 48 number               128 state: generation 32 | process generation 16 |
//!  56 --                                                process 12 | status 4
//!                                            136 rescuer: process generation 32 | process + 1
//!                                            144 freeing    block whose foreign release is under way
//!                                            152 inbox      classes with foreign releases, one bit each
//!                                            160 collecting slab whose foreign releases are being taken
//!                                            168 work       offset of the page of transaction records
//!                                            176 serial     of the last transaction
//!                                            184 waits for  object whose lock this thread waits for
//!                                            192 intent: kind, start, count, aux
//!                                            224 busy       odd while it changes something
//!                                            232 reading    1 while it does so without a lock
//!                                            240            how often it has ended that
//!                                            248 holds      object that it is inside of by favour
//!                                            256 heads of the lists of slabs, a class each, 32
//! ```
//!
//! A process slot is alive while its process holds the byte-range lock of the slot's number; a
//! thread slot while the process is, and its beacon is held. States:
//!
//! ```text
//! process:  FREE --lock byte, generation+1--> LIVE --leave--> FREE
//!                                              | killed: the byte is free, others may take the slot over
//! thread:   FREE --CAS--> CLAIMED --beacon held--> LIVE --leave--> FREE (generation+1)
//!                            |                     LIVE --thread ended, guards leaked--> PINNED
//!                            | killed               | killed: rescued -> FREE (generation+1)
//! ```

use super::Word;
use crate::os::{Beacon, ProcessId};

/// Status of a process slot that nobody has.
pub(crate) const PROCESS_FREE: u64 = 0;
/// Status of a process slot that somebody has, or had when it was killed.
pub(crate) const PROCESS_LIVE: u64 = 1;

/// Objects that a thread can read at once.
pub(crate) const MARKS: usize = 8;
/// Lists of slabs in a thread slot.
pub(crate) const CLASS_LISTS: usize = 32;
/// Transactions that a thread can have open at once.
pub(crate) const WAYS: usize = 8;

/// Status of a thread slot.
pub(crate) mod thread_status {
    /// Nobody has it.
    pub(crate) const FREE: u64 = 0;
    /// Taken, the beacon not yet lit.
    pub(crate) const CLAIMED: u64 = 1;
    /// In use by the thread that holds the beacon.
    pub(crate) const LIVE: u64 = 2;
    /// The thread has ended with guards leaked: held until its process ends.
    pub(crate) const PINNED: u64 = 3;
}

/// A process slot as it lies in the file.
#[repr(C, align(64))]
pub(crate) struct ProcessSlot {
    pub state: Word,
    pub pid: Word,
    pub start: Word,
    pub namespace: Word,
    pub boot: Word,
    pub heartbeat: Word,
    /// The number of the attachment.
    pub number: Word,
    pub unused: Word,
}

impl ProcessSlot {
    pub(crate) fn id(&self) -> ProcessId {
        ProcessId {
            pid: self.pid.get(),
            start: self.start.get(),
            namespace: self.namespace.get(),
            boot: self.boot.get(),
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        (self.state.get_acquire() >> 32) as u32
    }
}

/// The state word of a thread slot, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotState {
    pub generation: u32,
    pub process_generation: u16,
    pub process: u16,
    pub status: u64,
}

impl SlotState {
    pub(crate) fn unpack(word: u64) -> SlotState {
        SlotState {
            generation: (word >> 32) as u32,
            process_generation: (word >> 16) as u16,
            process: (word >> 4 & 0xfff) as u16,
            status: word & 0xf,
        }
    }

    pub(crate) fn pack(self) -> u64 {
        u64::from(self.generation) << 32
            | u64::from(self.process_generation) << 16
            | u64::from(self.process & 0xfff) << 4
            | self.status & 0xf
    }
}

/// What a thread is doing to the page heap, under the heap lock; `alloc::heap` says how it is
/// finished or undone. `kind` is stored last and cleared first.
#[repr(C)]
pub(crate) struct Intent {
    pub kind: Word,
    pub start: Word,
    pub count: Word,
    pub aux: Word,
}

/// What a thread says of its reading without a lock; `participant::grace` says to whom.
#[repr(C)]
pub(crate) struct Reading {
    /// 1 while it does.
    pub now: Word,
    /// How often it has ended that.
    pub ended: Word,
}

/// A thread slot as it lies in the file.
#[repr(C, align(512))]
pub(crate) struct ThreadSlot {
    pub beacon: Beacon,
    pub marks: [Word; MARKS],
    pub state: Word,
    pub rescuer: Word,
    pub freeing: Word,
    pub inbox: Word,
    pub collecting: Word,
    pub work: Word,
    pub serial: Word,
    pub waits_for: Word,
    pub intent: Intent,
    pub busy: Word,
    pub reading: Reading,
    pub holds: Word,
    pub slabs: [Word; CLASS_LISTS],
}

const _: () = {
    assert!(size_of::<ProcessSlot>() == 64);
    assert!(size_of::<ThreadSlot>() == 512);
    assert!(std::mem::offset_of!(ThreadSlot, state) == 128);
    assert!(std::mem::offset_of!(ThreadSlot, intent) == 192);
    assert!(std::mem::offset_of!(ThreadSlot, slabs) == 256);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_state_survives_packing() {
        let state = SlotState {
            generation: u32::MAX,
            process_generation: 0xabcd,
            process: 0xfff,
            status: thread_status::PINNED,
        };
        assert_eq!(SlotState::unpack(state.pack()), state);
    }
}

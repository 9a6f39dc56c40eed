//! Facts about a segment.

use super::Segment;
use crate::alloc::{holes, usage::usage};
use crate::error::Result;
use crate::layout::{PAGE, PROCESS_FREE, ProcessSlot, WAYS, Word};
use crate::os;
use crate::participant::Liveness;
use crate::tx::Record;
use std::time::Duration;

/// How full a segment is, in bytes, and what its participants have been through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The file's size.
    pub size: u64,
    /// What it may grow to.
    pub limit: u64,
    /// Blocks handed out to objects, rounded up to the sizes that blocks have.
    pub allocated: u64,
    /// What the participants' own records take.
    pub bookkeeping: u64,
    /// Pages in use, whether their blocks are handed out or not.
    pub taken: u64,
    /// Dead threads that were recovered since the segment was made.
    pub recovered: u64,
    /// Transactions of theirs that were rolled back.
    pub rolled_back: u64,
    /// Transactions of theirs that had been committed and were finished.
    pub finished: u64,
}

/// A process that has a segment open, or died in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// Its process id, in its own namespace.
    pub pid: u32,
    /// Whether it is alive.
    pub alive: bool,
    /// Since its last [`heartbeat`](Segment::heartbeat), or since it opened the segment.
    pub heartbeat_age: Duration,
}

/// What a segment was made with, and how it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The version of the file's format.
    pub format: u32,
    /// Drawn at random when it was made; a copy has another.
    pub id: u128,
    /// What it can grow to at most, in bytes: the highest limit that can be set.
    pub max_size: u64,
    /// Processes that can have it open at once.
    pub max_participants: u64,
    /// Whether the last one who had it open for writing closed it in order.
    pub closed: bool,
}

impl Segment {
    /// What it was made with, and how it was left.
    pub fn identity(&self) -> Identity {
        let header = self.header();
        Identity {
            format: header.version.load(std::sync::atomic::Ordering::Relaxed),
            id: super::id_of(self.map()),
            max_size: header.maximum.get(),
            max_participants: header.max_participants.get(),
            closed: header.clean.get() == 1,
        }
    }

    /// How full the segment is. Looks at all slabs: a millisecond for some hundred megabytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) if the records contradict themselves.
    pub fn stats(&self) -> Result<Stats> {
        // While there is a read-only attachment, nothing is taken away that it may look at.
        let _unlocked = if self.is_read_only() { None } else { Some(self.unlocked()?) };
        let usage = usage(self.map())?;
        let bookkeeping = self.bookkeeping()?;
        let allocated = usage.allocated.saturating_sub(bookkeeping);
        let [recovered, rolled_back, finished] = [0, 1, 2].map(|i| self.header().recovered[i].get());
        let (size, limit) = (self.size(), self.limit());
        Ok(Stats { size, limit, allocated, bookkeeping, taken: usage.taken, recovered, rolled_back, finished })
    }

    /// Pages of slots, and of the transaction records and logs of threads.
    fn bookkeeping(&self) -> Result<u64> {
        let header = self.header();
        let pages = |table: &[Word]| table.iter().filter(|page| page.get() != 0).count() as u64 * PAGE;
        let mut bytes = pages(&header.process_pages) + pages(&header.thread_pages) + holes::list_bytes(self.map());
        for index in 0..self.attachment().thread_slots() {
            let Some(work) = self.map().thread(index).map(|slot| slot.work.get()).filter(|work| *work != 0) else {
                continue;
            };
            bytes += PAGE;
            for way in 0..WAYS {
                bytes += Record::of(self.map(), work, way)?.chunk_bytes(self.map())?;
            }
        }
        Ok(bytes)
    }

    /// The processes that have the segment open, each attachment once, and those that died in it and were
    /// not yet replaced. Asks the system for each; takes microseconds apiece.
    pub fn participants(&self) -> Vec<Participant> {
        let now = os::now_monotonic_ms();
        let attachment = self.attachment();
        let slots = (0..).map_while(|index| self.map().process(index).map(|slot| (index, slot)));
        slots
            .filter(|(_, slot): &(usize, &ProcessSlot)| slot.state.get() as u32 as u64 != PROCESS_FREE)
            .map(|(index, slot)| Participant {
                pid: slot.pid.get() as u32,
                alive: attachment.process_liveness(index) == Liveness::Alive,
                heartbeat_age: Duration::from_millis(now.saturating_sub(slot.heartbeat.get())),
            })
            .collect()
    }
}

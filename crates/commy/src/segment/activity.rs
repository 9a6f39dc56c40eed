//! What the participants do at this moment, and have done: for people and tools that watch.
//!
//! All of it is read from the slots without disturbing anybody, through read-only attachments, too. The words are there
//! for other purposes - `busy` for pauses, `reading` for giving storage back, the marks and owners for the locks, what a
//! thread waits for to find circles - so that nothing is stored for whoever watches.
//!
//! That `busy` counts and is no mere flag, and that the reads which have ended are counted, costs up to 2.7 % of the
//! instructions of an operation (8 of the 305 of an ordered get; none of a guard's or a push's), by `commy-bench instructions`
//! with both and without. `grace` needs the second: else one that reads again and again would have to be met between two reads.

use super::Segment;
use crate::directory::{self, control};
use crate::error::Result;
use crate::layout::{PROCESS_LIVE, SPACE_LOCK, thread_status};
use crate::participant::Liveness;
use crate::sync::{Fate, OWNER, Surroundings};
use std::collections::HashMap;

/// A thread that works with a segment, or died doing so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thread {
    /// The id of its process, in that one's namespace.
    pub pid: u32,
    /// Which of the segment's places for threads it has. The counts go on when another thread gets the place.
    pub place: usize,
    /// Whether its process is alive.
    pub alive: bool,
    /// Transactions so far: guards for writing, one-operation forms that change something, of which some begin two,
    /// [`Segment::transaction`]s. What is done while another one is open in the thread is not counted.
    pub transactions: u64,
    /// Reads without a lock so far: the one-operation forms that look at something, [`load`](crate::Shared::load) and its
    /// like. Guards for reading are not counted.
    pub reads: u64,
    /// The object whose lock it waits for.
    pub waits_for: Option<String>,
}

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The object.
    pub object: String,
    /// The holder's process id, 0 if it has changed hands meanwhile.
    pub pid: u32,
    /// The holder's [place](Thread::place).
    pub place: usize,
    /// Whether it holds it alone, to change it.
    pub alone: bool,
    /// Whether the holder is alive. What the dead hold is put right by whoever comes next.
    pub alive: bool,
}

/// The names of objects by the offsets of their locks.
struct Names(HashMap<u64, String>);

impl Names {
    fn of(segment: &Segment) -> Result<Names> {
        Ok(Names(directory::places(segment)?.into_iter().map(|(name, object)| (object, name)).collect()))
    }

    fn name(&self, lock: u64) -> String {
        match (self.0.get(&lock), lock) {
            (Some(name), _) => name.clone(),
            (None, SPACE_LOCK) => "(the size of the segment)".into(),
            (None, 0..=255) => "(the heap)".into(),
            (None, 256..=511) => "(the directory)".into(),
            _ => "(an object that was removed)".into(),
        }
    }
}

impl Segment {
    /// The threads that work with the segment, and those that died in it and were not yet recovered.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let hits: commy::Shared<Vec<u64>> = segment.open_or_create("hits")?;
    /// let before = segment.threads()?[0].transactions;
    /// drop(hits.write()?);
    /// let me = &segment.threads()?[0];
    /// assert_eq!((me.pid, me.transactions - before), (std::process::id(), 1));
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LockTimeout`](crate::Error::LockTimeout) if the directory cannot be looked at.
    pub fn threads(&self) -> Result<Vec<Thread>> {
        let (names, attachment) = (Names::of(self)?, self.attachment());
        let slots = (0..attachment.thread_slots()).filter_map(|index| Some((index, self.map().thread(index)?)));
        let all = slots.filter_map(|(place, slot)| {
            let state = attachment.state(slot);
            let process = self.map().process(usize::from(state.process))?;
            let occupied = state.status != thread_status::FREE && process.state.get() as u32 as u64 == PROCESS_LIVE;
            let waits_for = slot.waits_for.get();
            occupied.then(|| Thread {
                pid: process.pid.get() as u32,
                place,
                alive: attachment.process_liveness(usize::from(state.process)) == Liveness::Alive,
                transactions: slot.busy.get() / 2,
                reads: slot.reading.ended.get(),
                waits_for: (waits_for != 0).then(|| names.name(waits_for)),
            })
        });
        Ok(all.collect())
    }

    /// Transactions that all threads together have begun or ended so far, those that have left included: while the number
    /// stays, nobody has changed anything but by atomics. Takes microseconds.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let count = segment.open_or_create::<u64>("count")?;
    /// let before = segment.activity();
    /// count.load()?;
    /// assert_eq!(segment.activity(), before);
    /// count.store(1)?;
    /// assert_ne!(segment.activity(), before);
    /// # Ok::<(), commy::Error>(())
    /// ```
    pub fn activity(&self) -> u64 {
        let slots = (0..self.attachment().thread_slots()).filter_map(|index| self.map().thread(index));
        slots.fold(0, |sum, slot| sum.wrapping_add(slot.busy.get_acquire()))
    }

    /// The locks of objects that are held at this moment.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// let list: commy::Shared<Vec<u64>> = segment.open_or_create("list")?;
    /// let guard = list.write()?;
    /// let held = &segment.held()?[0];
    /// assert_eq!((held.object.as_str(), held.pid, held.alone), ("list", std::process::id(), true));
    /// # drop(guard);
    /// # Ok::<(), commy::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`threads`](Segment::threads).
    pub fn held(&self) -> Result<Vec<Held>> {
        let (attachment, names, mut all) = (self.attachment(), Names::of(self)?, Vec::new());
        for (object, name) in &names.0 {
            let Ok(control) = control(self.map(), *object) else { continue };
            let owner = control.lock.load(std::sync::atomic::Ordering::Acquire) & OWNER;
            let fate = if owner == 0 { Fate::Recovered } else { attachment.fate(owner) };
            if fate != Fate::Recovered
                && let Some((place, ..)) = attachment.by_tag(owner)
            {
                let (pid, alive) = (attachment.pid_of(owner), fate == Fate::Alive);
                all.push(Held { object: name.clone(), pid, place, alone: true, alive });
            }
        }
        for (place, slot) in (0..attachment.thread_slots()).filter_map(|at| Some((at, self.map().thread(at)?))) {
            let state = attachment.state(slot);
            if state.status == thread_status::FREE {
                continue;
            }
            let process = self.map().process(usize::from(state.process));
            let (pid, alive) =
                (process.map_or(0, |process| process.pid.get() as u32), !attachment.is_dead(slot, state));
            let mut read: Vec<u64> = slot.marks.iter().map(|mark| mark.get()).filter(|mark| *mark != 0).collect();
            read.sort_unstable();
            read.dedup();
            let inside = names.0.get(&slot.holds.get()).into_iter();
            all.extend(inside.map(|name| Held { object: name.clone(), pid, place, alone: true, alive }));
            // A mark stays until another is needed: that of an object which is there no more says nothing.
            let named = read.into_iter().filter_map(|object| names.0.get(&object));
            all.extend(named.map(|name| Held { object: name.clone(), pid, place, alone: false, alive }));
        }
        all.sort_unstable_by(|a, b| (&a.object, !a.alone, a.place).cmp(&(&b.object, !b.alone, b.place)));
        Ok(all)
    }
}

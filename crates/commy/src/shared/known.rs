//! Reading without the lock what the thread has read before: what it found and checked then, it remembers (`os::Known`).
//!
//! What is remembered is good as long as the object has the version that it had then, and nobody is inside. It may
//! lead to what is being freed, as what is read without a lock always may: so the thread says that it reads before it
//! looks at the version, and who gives storage back waits for those who said so earlier (`participant::grace`). Who begins
//! later does not find that version any more, or finds somebody inside: whoever changes something counts it before it
//! unlocks, and one who died stays in the lock, or leaves the version odd, until that is counted in its name.
//!
//! A thread that is favoured (`sync::favour`) changes something by it, too, and then remembers the version that it has made.

use super::ops::{IfItPanics, Outcome};
use super::{Hold, Shared};
use crate::directory::Control;
use crate::layout::{Header, Reading};
use crate::os::{Known, known, known_latest};
use crate::participant::{Outermost, silent};
use crate::schema::Guarded;
use crate::sync::version;
use crate::tx::Worker;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// By what one who is inside keeps those off who look without the lock, from when it begins to change something. Until
/// then it looks itself, which may take long, and they need not wait for that.
pub(in crate::shared) struct Begin<'a> {
    version: &'a AtomicU64,
    seen: u64,
}

impl Begin<'_> {
    #[inline(always)]
    pub(in crate::shared) fn now(self) {
        version::go_inside(self.version, self.seen);
    }
}

impl<T: Guarded> Shared<T> {
    /// What `look` gives by what the thread remembers of the object; nothing if that is not good any more. `look` copies what
    /// it needs before it calls what is not ours, which may have the thread remember something else in that place.
    #[inline(always)]
    pub(super) fn by_heart<R>(&self, look: impl FnOnce(&Known) -> Option<R>) -> Option<R> {
        let known = known_latest();
        if !known.is_of(self.number) || cfg!(commy_locked_reads) {
            return None;
        }
        // SAFETY: remembered of this handle or a clone of it, by this thread: the words of its slot, which it has until
        // it ends or the attachment does; or one of the thread's own. When it ends, or forks, it forgets them.
        let reading: &Reading = unsafe { &*known.reading.get().cast() };
        // SAFETY: the object's control block, as in `control`.
        let control = unsafe { &*known.control.get().cast::<Control>() };
        let (lock, version, seen) = (&control.lock, control.version.atomic(), known.version.get());
        let _unlocked = Outermost::say(reading)?;
        if version::settled(lock, version)? != seen {
            return None;
        }
        let result = look(known)?;
        (version::settled_still(lock, version)? == seen).then_some(result)
    }

    /// Does one thing to the value at a stroke, as [`briefly`](Shared::briefly) says, by what the thread remembers of the
    /// object, to which it stays true. What `prepare` gives is made before the lock is taken; before `operation` changes
    /// anything, it says so by [`Begin`]. If nothing is done, gives back what `operation` does, or what `not` makes of the
    /// input if that was not called. What it does is transaction 0 of the worker. If it is `quiet`, `prepare` and `operation`
    /// run nobody's code but ours: then nothing has to be kept from what that might do with this thread's other objects, or
    /// this one.
    #[inline(always)]
    pub(super) fn change_by_heart<I, P, R, N>(
        &self,
        quiet: bool,
        input: I,
        prepare: impl FnOnce(&Known, &I) -> P,
        operation: impl FnOnce(&Known, P, Begin<'_>, &Worker, I) -> Outcome<R, N>,
        not: impl FnOnce(I) -> N,
    ) -> Outcome<R, N> {
        let known = known_latest();
        if !known.is_of(self.number) || known.is_in_use() {
            return Err(not(input));
        }
        // SAFETY: remembered of this handle or a clone of it, by this thread; as in `by_heart`. Of another one it may be gone.
        let worker = unsafe { known.worker.get().cast::<Worker>().as_ref() };
        let Some(worker) = worker else { return Err(not(input)) };
        // SAFETY: page 0 of the segment, as `Map::header` gives it, and the thread's slot, as `Worker::slot`; all atomics.
        let (header, slot) = unsafe { (&*known.header.get().cast::<Header>(), worker.slot()) };
        let _kept = (!quiet).then(|| known.keep());
        let prepared = prepare(known, &input);
        if !worker.begin_soon(slot, header, quiet) {
            return Err(not(input));
        }
        // SAFETY: the object's control block, as in `control`.
        let control = unsafe { &*known.control.get().cast::<Control>() };
        let (lock, version, seen) = (self.lock_in(control), control.version.atomic(), known.version.get());
        let (me, holds) = (worker.favour().0, slot.holds.atomic());
        if !lock.enter_at(me, holds, version, seen) {
            worker.take_back();
            return Err(not(input));
        }
        // What is not ours is called before anything is changed.
        let undo = IfItPanics(move || self.abandon(worker, 0, Hold::FAVOURED));
        let outcome = operation(known, prepared, Begin { version, seen }, worker, input);
        undo.it_did_not();
        match outcome {
            Ok(done) => {
                known.version.set(lock.leave_changed_at(holds, version, seen));
                worker.end_soon(quiet);
                if lock.is_awaited(me) | self.notify_in(control).is_awaited() {
                    self.tell(worker, control);
                }
                Ok(done)
            }
            Err(not) => {
                lock.leave(me, holds, version);
                worker.end_soon(quiet);
                Err(not)
            }
        }
    }

    /// Tells those who wait for what [`change_by_heart`](Shared::change_by_heart) has done.
    #[cold]
    #[inline(never)]
    fn tell(&self, worker: &Worker, control: &Control) {
        let (me, holds) = worker.favour();
        let lock = self.lock_in(control);
        if lock.is_awaited(me) {
            lock.tell(holds);
        }
        self.notify_in(control).changed();
    }

    /// The value in place.
    ///
    /// # Safety
    /// It is remembered of this object, and that is locked for writing as long as it is used.
    #[inline(always)]
    pub(super) unsafe fn in_place<'a>(&'a self, known: &'a Known) -> &'a T::Target {
        // SAFETY: this object's value; the caller's promise.
        unsafe { T::target(known.value.get().cast(), self.reader()) }
    }

    /// As [`learn`](Shared::learn), for a thread that is favoured, so that it can go by what it remembers, and did not.
    pub(super) fn learn_favoured(&self, check: impl FnOnce(&T::Target, &Known) -> Option<()>) -> bool {
        let worker = self.segment.latest_worker();
        let is_favoured =
            worker.is_some_and(|worker| self.control().waiters.load(Ordering::Relaxed) == worker.favour().0);
        is_favoured && self.learn(check)
    }

    /// Has the thread look at what it remembers of the object; if that is not good any more, remember what `check` stores
    /// of the value as it is at one moment. Gives whether there is something now.
    pub(super) fn learn(&self, check: impl FnOnce(&T::Target, &Known) -> Option<()>) -> bool {
        let (reading, worker) = match self.segment.latest_worker() {
            // Where changes are noted none is made without one.
            Some(worker) if self.keeps_changes() => (ptr::from_ref(&worker.slot().reading), ptr::null()),
            Some(worker) => (ptr::from_ref(&worker.slot().reading), ptr::from_ref(worker).cast()),
            // It keeps everything from being given back by holding a byte of the file.
            None if self.attachment().is_read_only() => (silent(), ptr::null()),
            None => return false,
        };
        known(self.number, |known| {
            let control = self.control();
            let version = control.version.atomic();
            let is_good = || version::settled(&control.lock, version) == Some(known.version.get());
            if known.number.get() == self.number && is_good() {
                return true;
            }
            known.number.set(0);
            // SAFETY: as in `by_heart`.
            let Some(_unlocked) = Outermost::say(unsafe { &*reading }) else { return false };
            let learnt = self.glimpse(control, |seen| {
                known.version.set(seen);
                // SAFETY: this object's value; a view is all words, and what is read of it is checked.
                check(unsafe { T::target(self.stored(), self.reader()) }, known)
            });
            if learnt.is_some() {
                known.reading.set(reading.cast());
                known.worker.set(worker);
                known.header.set(ptr::from_ref(self.segment.map().header()).cast());
                known.control.set(ptr::from_ref(control).cast());
                known.value.set(self.stored().cast());
                known.number.set(self.number);
            }
            learnt.is_some()
        })
        .unwrap_or(false)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Begin;
    use crate::segment::Segment;
    use crate::shared::Shared;
    use crate::sync::version;
    use std::collections::{HashMap, VecDeque};
    use std::sync::atomic::{AtomicBool, Ordering::*};
    use std::time::{Duration, Instant};

    fn segment() -> (tempfile::TempDir, Segment) {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path().join("s.commy")).unwrap();
        (dir, segment)
    }

    fn is_odd<T: crate::schema::Object>(object: &Shared<T>) -> bool {
        version::is_odd(object.control().version.get_acquire())
    }

    /// Whether threads can, who alone change something by what they remember.
    fn can_be_favoured() -> bool {
        crate::os::join_fences()
    }

    /// Does something again and again until a look without the lock has met it.
    fn is_met<T: crate::schema::Share + Sync>(object: &Shared<T>, mut work: impl FnMut()) -> bool {
        let (met, give_up) = (AtomicBool::new(false), Instant::now() + Duration::from_secs(60));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !met.load(Relaxed) && Instant::now() < give_up {
                    met.fetch_or((0..1000).any(|_| is_odd(object)), Relaxed);
                }
            });
            while !met.load(Relaxed) && Instant::now() < give_up {
                (0..1000).for_each(|_| work());
            }
        });
        met.into_inner()
    }

    #[test]
    fn who_changes_something_by_what_it_remembers_keeps_off_who_looks_from_then_on_only() {
        if !can_be_favoured() {
            return;
        }
        let (_dir, segment) = segment();
        let map: Shared<HashMap<u64, u64>> = segment.open_or_create("map").unwrap();
        (0..1000).for_each(|key| assert_eq!(map.insert(key % 7, key).unwrap().is_some(), key >= 7));
        let version = map.version();
        let done: Result<(), &str> = map.change_by_heart(
            false,
            (),
            |_, ()| (),
            |_, (), begin: Begin<'_>, _, ()| {
                assert!(!is_odd(&map), "who only looks for something keeps others off");
                std::thread::scope(|scope| {
                    let other = scope.spawn(|| map.get(&3));
                    assert!(other.join().unwrap().unwrap().is_some());
                });
                begin.now();
                assert!(is_odd(&map));
                Err("nothing was done")
            },
            |()| "it does not go by what it remembers",
        );
        assert_eq!((done, map.version(), is_odd(&map)), (Err("nothing was done"), version, false));
    }

    #[test]
    fn no_change_by_what_is_remembered_goes_unseen() {
        if !can_be_favoured() {
            return;
        }
        let (_dir, segment) = segment();
        let map: Shared<HashMap<u64, u64>> = segment.open_or_create("map").unwrap();
        let vec: Shared<Vec<u64>> = segment.open_or_create("vec").unwrap();
        let deque: Shared<VecDeque<u64>> = segment.open_or_create("deque").unwrap();
        assert!(is_met(&map, || assert!(map.insert(1, 1).is_ok())), "overwriting");
        let mut key = 2;
        let mut insert = || {
            key += 1;
            assert_eq!(map.insert(key, key).unwrap(), None);
        };
        assert!(is_met(&map, &mut insert), "inserting");
        assert!(is_met(&map, || assert!(map.insert(2, 2).and_then(|_| map.remove(&2)).is_ok())), "removing");
        assert!(is_met(&vec, || assert!(vec.push(1).and_then(|()| vec.pop()).is_ok())), "a vector");
        assert!(is_met(&deque, || assert!(deque.push_back(1).and_then(|()| deque.pop_front()).is_ok())), "a deque");
    }
}

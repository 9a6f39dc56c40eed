//! Reading without the lock what the thread has read before: what it found and checked then, it remembers (`os::Known`).
//!
//! What is remembered is good as long as the object has the version that it had then, and nobody is inside. It may
//! lead to what is being freed, as what is read without a lock always may: so the thread says that it reads before it
//! looks at the version, and who gives storage back waits for those who said so earlier (`participant::grace`). Who begins
//! later does not find that version any more, or finds somebody inside: whoever changes something counts it before it
//! unlocks, and one who died stays in the lock, or leaves the version odd, until that is counted in its name.

use super::Shared;
use crate::directory::Control;
use crate::os::{Known, known, known_latest, silent};
use crate::participant::Outermost;
use crate::schema::Guarded;
use crate::sync::version;
use std::sync::atomic::AtomicU64;

impl<T: Guarded> Shared<T> {
    /// What `look` gives by what the thread remembers of the object; nothing if that is not good any more.
    #[inline(always)]
    pub(super) fn by_heart<R>(&self, look: impl FnOnce(&Known) -> Option<R>) -> Option<R> {
        known_latest(|known| {
            if known.number.get() != self.number || cfg!(commy_locked_reads) {
                return None;
            }
            // SAFETY: remembered of this handle or a clone of it, by this thread: the word of its slot, which it has until
            // it ends or the attachment does; or one of the thread's own. When it ends, or forks, it forgets them.
            let reading: &AtomicU64 = unsafe { &*known.reading.get() };
            // SAFETY: the object's control block, as in `control`.
            let control = unsafe { &*known.control.get().cast::<Control>() };
            let (lock, version) = (&control.lock, control.version.atomic());
            let _unlocked = Outermost::say(reading)?;
            if version::settled(lock, version)? != known.version.get() {
                return None;
            }
            let result = look(known)?;
            (version::settled_still(lock, version)? == known.version.get()).then_some(result)
        })
    }

    /// Has the thread look at what it remembers of the object; if that is not good any more, remember what `check` stores
    /// of the value as it is at one moment. Gives whether there is something now.
    pub(super) fn learn(&self, check: impl FnOnce(&T::Target, &Known) -> Option<()>) -> bool {
        let reading = match self.segment.latest_worker() {
            Some(worker) => std::ptr::from_ref(worker.slot().reading.atomic()),
            // It keeps everything from being given back by holding a byte of the file.
            None if self.attachment().is_read_only() => silent(),
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
                known.reading.set(reading);
                known.control.set(std::ptr::from_ref(control).cast());
                known.number.set(self.number);
            }
            learnt.is_some()
        })
    }
}

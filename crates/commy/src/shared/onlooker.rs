//! Reading through an attachment that cannot write.
//!
//! It takes no part in any lock: it looks as everybody does who reads without one, again and again until what it saw
//! is of one moment or its patience ends. What it finds in the lock word says what to do:
//!
//! ```text
//! no owner                      look; if the version is odd, at the favoured one (`sync::favour`) as at an owner
//! an owner that was rescued     look: its name stands there until somebody takes the lock
//! an owner that lives           a few more looks, then wait a little
//! an owner that is dead         nobody may come who rescues it. Look at a private copy of the segment, in which its open
//!                               transactions are undone from its log: what it had committed stays
//! ```
//!
//! The private copy is a copy-on-write mapping, so that only the pages with undone words are copied. What was seen
//! there counts if the lock, the dead one's slot and the version are still the same afterwards, and nobody rescues.

use super::Shared;
use crate::error::{Error, Result};
use crate::layout::WAYS;
use crate::map::Map;
use crate::os::Access;
use crate::schema::Share;
use crate::sync::{Fate, OWNER, Surroundings, favoured, version};
use crate::tx::{Context, Cx, OPEN, Record};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);

impl<T: Share> Shared<T> {
    /// What `look` gives for the value as it is at one moment.
    #[cold]
    pub(super) fn look_on<R>(&self, look: impl Fn(*const T::Stored, Cx) -> Result<R>) -> Result<R> {
        if let Some(result) = self.glimpses(|| look(self.stored(), self.reader())) {
            return Ok(result);
        }
        let begin = Instant::now();
        let (attachment, control) = (self.attachment(), self.control());
        let mut pause = Duration::from_micros(10);
        loop {
            let seen = control.version.get_acquire();
            let word = control.lock.load(Ordering::Acquire);
            let owner = self.holder(word, seen);
            let fate = if owner == 0 { Fate::Recovered } else { attachment.fate(owner) };
            let result = match fate {
                Fate::Recovered => Some(look(self.stored(), self.reader())),
                Fate::Alive => None,
                Fate::Dead => self.look_behind(owner, &look).transpose(),
            };
            let there = self.is_there();
            let same = version::is_unchanged(&control.lock, control.version.atomic(), word, seen);
            match result {
                Some(_) if same && !there => return Err(self.removed()),
                Some(result) if same => return result,
                _ => {}
            }
            if begin.elapsed() > attachment.patience {
                let (what, holder) = (format!("object \"{}\"", self.name), attachment.pid_of(owner));
                return Err(Error::LockTimeout { what, holder, held_for: begin.elapsed() });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Who is inside, or 0.
    fn holder(&self, word: u64, version: u64) -> u64 {
        let waiters = self.control().waiters.load(Ordering::Acquire);
        // Who stands in the word then waits for the favoured one.
        let favoured = if version::is_odd(version) { favoured(waiters) } else { None };
        favoured.map_or(word & OWNER, |slot| self.attachment().tag_of(slot))
    }

    /// Looks at the value as it was before the open transactions of a dead owner; `None` if it is being rescued.
    fn look_behind<R>(&self, owner: u64, look: impl Fn(*const T::Stored, Cx) -> Result<R>) -> Result<Option<R>> {
        let attachment = self.attachment();
        let Some((_, slot, generation)) = attachment.by_tag(owner) else { return Ok(None) };
        let is_left_alone = || slot.rescuer.get_acquire() == 0 && attachment.state(slot).generation == generation;
        if !is_left_alone() {
            return Ok(None);
        }
        let map = &attachment.map;
        let copy = Map::new(map.shared_file(), map.path(), map.size(), Access::Private)?;
        let work = slot.work.get();
        for way in (0..WAYS).filter(|_| work != 0) {
            let record = Record::of(map, work, way)?;
            if record.phase() == OPEN {
                record.undo_words(map, &copy)?;
            }
        }
        let context = Context::of_reader(&copy);
        // SAFETY: the value's place is in the file, hence in the copy.
        let stored = unsafe { copy.base().add(self.value as usize) };
        let result = look(stored.cast(), Cx::new(&context));
        if is_left_alone() { result.map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use crate::segment::Segment;
    use std::process::Command;

    /// Tells the test that it is the process which stores.
    const STRAY: &str = "COMMY_TEST_STRAY";

    #[test]
    fn a_stray_store_through_a_read_only_mapping_is_a_fault_and_changes_nothing() {
        if let Some(path) = std::env::var_os(STRAY) {
            let segment = Segment::options().read_only(true).open(path).unwrap();
            let page = segment.map().base();
            // SAFETY: none. It must kill this process.
            unsafe { page.add(64).write_volatile(0xff) };
            std::process::exit(0);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.commy");
        // On Windows that is how long the file is meanwhile, which is read.
        let segment = Segment::options().max_size(1 << 20).create(&path).unwrap();
        segment.open_or_create_with("list", || vec![1u8, 2, 3]).unwrap();
        let before = std::fs::read(&path).unwrap();
        let name = "a_stray_store_through_a_read_only_mapping_is_a_fault_and_changes_nothing";
        let test = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", &test]).env(STRAY, &path).output().unwrap();
        assert!(!output.status.success() && output.status.code() != Some(101), "{output:?}");
        assert!(before == std::fs::read(&path).unwrap(), "something was changed");
    }
}

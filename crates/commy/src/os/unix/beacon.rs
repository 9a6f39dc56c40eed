//! A thread's sign of life in shared memory.
//!
//! On Linux it is a robust, process-shared pthread mutex that the thread holds for life and that
//! nobody ever waits for as a lock. The C library keeps a list of the robust mutexes a thread
//! holds, and the kernel walks it when the thread dies, however it dies, before it unmaps the
//! thread's memory: in the futex word of each mutex it replaces the thread's id by
//! `FUTEX_OWNER_DIED`, and if `FUTEX_WAITERS` is set there, it wakes one sleeper.
//!
//! - *Taking* it initialises the mutex anew, whatever the dead have left in it, and locks it.
//! - *Watching* it is one load of the word.
//! - *Sleeping on it* needs `FUTEX_WAITERS`, which is set by compare-and-swap and only while a
//!   thread id is in the word. A plain `or` could hit the word in the moment when it is 0, and a
//!   word that is neither 0 nor owned cannot be locked any more.
//!
//! The list leads through the mutexes themselves, so a held beacon stays mapped until its thread
//! has let go or died; and whoever can write there could have the C library write anywhere. So none is taken where those
//! who attach need not trust each other (`Attachment::lights_beacons`).
//!
//! Other systems do not mark the dead. There the word says only that it was taken, and whether its
//! holder lives is for the process layer to find out.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::BeaconState;

/// Set by those who sleep on the word.
const WAITERS: u32 = 0x8000_0000;
/// Set by the kernel when the thread that held it died.
const OWNER_DIED: u32 = 0x4000_0000;
/// The id of the thread that holds it.
const TID_MASK: u32 = 0x3fff_ffff;

/// Whether the system marks dead holders, and we know where.
const MARKS_THE_DEAD: bool =
    cfg!(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(commy_portable)));

/// Where the C library has the futex word in its mutex, in units of four bytes.
const WORD: usize = if cfg!(target_env = "musl") { 1 } else { 0 };

/// A thread's sign of life: 64 bytes of shared memory; all zero means that nobody holds it.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Beacon {
    /// Room for a mutex of the C library. Atomics, since other threads look at the futex word while
    /// the C library and the kernel change it.
    words: [AtomicU32; 16],
}

const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= size_of::<Beacon>());

/// What came of the attempt to be woken by a beacon.
pub(super) enum Armed {
    /// The holder's death wakes who sleeps while the word has this value.
    Yes(u32),
    /// The holder is dead already.
    Dead,
    /// Nobody holds it, or the system does not mark the dead.
    No,
}

impl Beacon {
    /// Its memory has to stay until the thread that took it has ended or let go of it, whoever gives up the mapping.
    pub const NEEDS_MEMORY: bool = true;

    /// Takes the beacon for the calling thread, until it lets go or dies.
    ///
    /// # Safety
    ///
    /// `this` points to a beacon in memory that is mapped shared, writable and backed by storage,
    /// and stays so until the calling thread has released it or ended. Nobody alive holds it, and
    /// nobody else takes it at the same time.
    pub unsafe fn hold(this: *mut Beacon) -> io::Result<()> {
        // SAFETY: the caller vouches for the memory; all bits are valid in atomics.
        let beacon = unsafe { &*this };
        let asleep = beacon.word().load(Ordering::Relaxed) & WAITERS != 0;
        // SAFETY: passes on the caller's promise.
        unsafe { lock_anew(this)? };
        if asleep {
            // They sleep on a word that has changed without a wake.
            super::wake_beacon(beacon);
        }
        Ok(())
    }

    /// Lets go of it.
    ///
    /// In a forked child this does nothing: the beacon is its parent's.
    ///
    /// # Safety
    ///
    /// `this` was taken by the calling thread, or by its copy in the parent process, with
    /// [`Beacon::hold`], and is still mapped.
    pub unsafe fn release(this: *mut Beacon) {
        // SAFETY: the caller vouches for the memory.
        unsafe { unlock(this) };
        // SAFETY: as above. The C library wakes one sleeper at most.
        super::wake_beacon(unsafe { &*this });
    }

    /// What it says about the thread that took it. One load; what a thread wrote before it died can
    /// be seen by who has seen it `Dead`.
    pub fn state(&self) -> BeaconState {
        let word = self.word().load(Ordering::Acquire);
        if !MARKS_THE_DEAD {
            return if word == 0 { BeaconState::Free } else { BeaconState::Unknown };
        }
        if word & OWNER_DIED != 0 {
            BeaconState::Dead
        } else if word & TID_MASK != 0 {
            BeaconState::Held
        } else {
            BeaconState::Free
        }
    }

    /// The word that changes when it is taken, let go of, or its holder dies. Look, do not store.
    pub fn word(&self) -> &AtomicU32 {
        &self.words[WORD]
    }

    /// Asks the kernel to wake a sleeper when the holder dies.
    pub(super) fn arm(&self) -> Armed {
        if !MARKS_THE_DEAD {
            return Armed::No;
        }
        let mut word = self.word().load(Ordering::Acquire);
        loop {
            if word & OWNER_DIED != 0 {
                return Armed::Dead;
            } else if word & TID_MASK == 0 {
                return Armed::No;
            } else if word & WAITERS != 0 {
                return Armed::Yes(word);
            }
            let armed = word | WAITERS;
            match self.word().compare_exchange(word, armed, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return Armed::Yes(armed),
                Err(now) => word = now,
            }
        }
    }
}

/// # Safety
///
/// That of [`Beacon::hold`].
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(commy_portable)))]
unsafe fn lock_anew(this: *mut Beacon) -> io::Result<()> {
    fn check(code: libc::c_int) -> io::Result<()> {
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
    }
    let mutex: *mut libc::pthread_mutex_t = this.cast();
    let mut how = std::mem::MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: initialises `how`.
    check(unsafe { libc::pthread_mutexattr_init(how.as_mut_ptr()) })?;
    // SAFETY: `how` is initialised. The mutex lies in memory that the caller vouches for, large
    // and aligned enough (asserted above); nobody alive holds it, so it is on no thread's list and
    // may be initialised anew. Others change its futex word only while it holds a thread id, which
    // is why the zeros that the initialisation stores stay zeros until we lock it.
    let ready = unsafe {
        check(libc::pthread_mutexattr_setpshared(how.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED))
            .and_then(|()| check(libc::pthread_mutexattr_setrobust(how.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST)))
            .and_then(|()| check(libc::pthread_mutex_init(mutex, how.as_ptr())))
    };
    // SAFETY: `how` is initialised and not used any more.
    unsafe { libc::pthread_mutexattr_destroy(how.as_mut_ptr()) };
    ready?;
    // Trying never sleeps, whatever is in the word.
    // SAFETY: a mutex that was initialised just now, and that stays mapped while we hold it.
    check(unsafe { libc::pthread_mutex_trylock(mutex) })?;
    // SAFETY: the caller vouches for the memory.
    let word = unsafe { (*this).word() }.load(Ordering::Relaxed);
    if u64::from(word & TID_MASK) != super::current_thread_id() {
        // A C library whose mutex looks otherwise: better no beacon than a lying one.
        // SAFETY: we hold it.
        unsafe { libc::pthread_mutex_unlock(mutex) };
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(())
}

/// # Safety
///
/// That of [`Beacon::release`].
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(commy_portable)))]
unsafe fn unlock(this: *mut Beacon) {
    // SAFETY: the caller's thread locked it, and it is mapped. In a forked child the C library
    // sees that the thread id is another's, and refuses (EPERM) without a change.
    unsafe { libc::pthread_mutex_unlock(this.cast()) };
}

/// # Safety
///
/// That of [`Beacon::hold`].
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(commy_portable))))]
unsafe fn lock_anew(this: *mut Beacon) -> io::Result<()> {
    let pid = std::process::id() & TID_MASK;
    // SAFETY: the caller vouches for the memory.
    unsafe { (*this).word() }.store(pid, Ordering::Release);
    Ok(())
}

/// # Safety
///
/// That of [`Beacon::release`].
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"), not(commy_portable))))]
unsafe fn unlock(this: *mut Beacon) {
    // SAFETY: the caller vouches for the memory.
    let word = unsafe { (*this).word() };
    let pid = std::process::id() & TID_MASK;
    let _ = word.compare_exchange(pid, 0, Ordering::Release, Ordering::Relaxed);
}

// What only Linux itself tells.
#[cfg(all(test, target_os = "linux", not(commy_portable)))]
mod tests {
    use super::super::super::testing::{fork_child, serial, temp_file};
    use super::super::super::{Access, Mapping};
    use super::*;
    use std::time::{Duration, Instant};

    fn page() -> (tempfile::TempDir, Mapping) {
        let (dir, file, _path) = temp_file();
        super::super::extend(&file, 0, 4096).unwrap();
        (dir, Mapping::new(&file, 4096, Access::ReadWrite).unwrap())
    }

    fn state(beacon: *mut Beacon) -> BeaconState {
        // SAFETY: the tests' page outlives its use.
        unsafe { (*beacon).state() }
    }

    fn await_dead(beacon: *mut Beacon) {
        let start = Instant::now();
        while state(beacon) != BeaconState::Dead {
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", state(beacon));
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_killed_process_does_not_look_alive() {
        let _serial = serial();
        let (_dir, map) = page();
        let beacon = map.base().cast::<Beacon>();
        assert_eq!(state(beacon), BeaconState::Free);
        // Twice, so that one is taken over from the dead.
        for _ in 0..2 {
            let mut child = fork_child(|pipe| {
                // SAFETY: its last holder is dead, and this process keeps the page for ever.
                pipe.say(u8::from(unsafe { Beacon::hold(beacon) }.is_ok()));
                pipe.hear();
            });
            assert_eq!(child.hear(), 1);
            assert_eq!(state(beacon), BeaconState::Held);
            child.kill();
            await_dead(beacon);
        }
    }

    #[test]
    fn a_thread_that_ends_without_letting_go_does_not_look_alive() {
        let (_dir, map) = page();
        let address = map.base() as usize;
        std::thread::spawn(move || {
            let beacons = address as *mut Beacon;
            // SAFETY: nobody holds them, and the page stays until this thread has ended.
            unsafe { Beacon::hold(beacons).and(Beacon::hold(beacons.add(1))).unwrap() };
            assert_eq!(state(beacons), BeaconState::Held);
            // SAFETY: held above.
            unsafe { Beacon::release(beacons) };
            assert_eq!(state(beacons), BeaconState::Free);
        })
        .join()
        .unwrap();
        let beacons = address as *mut Beacon;
        await_dead(beacons.wrapping_add(1));
        assert_eq!(state(beacons), BeaconState::Free);
    }

    #[test]
    fn a_process_that_executes_another_program_does_not_look_alive() {
        let _serial = serial();
        let (_dir, map) = page();
        let beacon = map.base().cast::<Beacon>();
        let program = c"/bin/cat";
        let mut child = fork_child(|pipe| {
            // SAFETY: nobody holds it.
            unsafe { Beacon::hold(beacon).unwrap() };
            pipe.hear();
            let arguments = [program.as_ptr(), std::ptr::null()];
            // SAFETY: C strings; execv is safe in a signal handler.
            unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
        });
        child.say(0);
        await_dead(beacon);
    }

    #[test]
    fn a_forked_copy_cannot_let_go_of_its_parents_beacon() {
        let _serial = serial();
        let (_dir, map) = page();
        let beacon = map.base().cast::<Beacon>();
        // SAFETY: nobody holds it, and the page stays until it is released.
        unsafe { Beacon::hold(beacon).unwrap() };
        let mut child = fork_child(|pipe| {
            // SAFETY: taken by the copy of this thread in the parent.
            unsafe { Beacon::release(beacon) };
            pipe.say(u8::from(state(beacon) == BeaconState::Held));
        });
        assert_eq!(child.hear(), 1);
        assert_eq!(child.reap(), 0);
        assert_eq!(state(beacon), BeaconState::Held, "the child's end is not the parent's");
        // SAFETY: held above.
        unsafe { Beacon::release(beacon) };
    }

    #[test]
    fn what_another_boot_left_behind_is_taken_over() {
        let (_dir, map) = page();
        let beacon = map.base().cast::<Beacon>();
        // SAFETY: the page is ours, and larger than this.
        unsafe { map.base().write_bytes(0x9e, size_of::<Beacon>()) };
        // SAFETY: nobody holds it, and the page stays until it is released.
        unsafe { Beacon::hold(beacon).unwrap() };
        assert_eq!(state(beacon), BeaconState::Held);
        // SAFETY: held above.
        unsafe { Beacon::release(beacon) };
    }

    #[test]
    fn watchers_do_not_make_a_free_beacon_impossible_to_take() {
        let (_dir, map) = page();
        let beacon = map.base().cast::<Beacon>();
        // SAFETY: the test's page outlives its use.
        let shared = unsafe { &*beacon };
        assert!(matches!(shared.arm(), Armed::No));
        assert_eq!(shared.word().load(Ordering::Relaxed), 0);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = shared.arm();
                }
            });
            for _ in 0..2000 {
                // SAFETY: nobody else takes it, and the page stays until it is released.
                unsafe { Beacon::hold(beacon).unwrap() };
                // SAFETY: held above.
                unsafe { Beacon::release(beacon) };
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(shared.state(), BeaconState::Free);
    }
}

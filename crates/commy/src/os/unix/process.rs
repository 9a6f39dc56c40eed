//! Who a process is, and whether it has ended.
//!
//! A process id alone is not enough: it is used again. Together with the time at which the process
//! started, within one boot and one namespace, it never is. Linux tells the start in
//! `/proc/<pid>/stat`; where there is no `/proc`, or one of another namespace, all these stay 0 and
//! nothing is claimed but what another boot proves.
//!
//! *Gone* is decided in this order:
//!
//! 1. Another boot: gone.
//! 2. Another namespace, of ids or of clocks (the start time is counted by the clock of who asks):
//!    cannot tell.
//! 3. No process of that id: gone. The kernel is asked by signal 0, not by `/proc`, which may hide
//!    the processes of other users.
//! 4. It has another start time, told by the clock that it was told by before: gone. It is a zombie
//!    whose last thread has ended: gone. (A main thread that ended before the others looks like a
//!    zombie too, but its process lives.)
//!
//! Who the calling process is, is cached without a lock that a fork could catch in another thread's
//! hands for ever.

use std::sync::Mutex;

use super::super::ProcessId;
use super::{boot_id, fork};

/// The identity that was found last, with the process id and the epoch it was found in. A lock that
/// is only ever tried.
static CURRENT: Mutex<Option<(u32, u32, ProcessId)>> = Mutex::new(None);

pub fn current_process() -> ProcessId {
    fork::install();
    let key = (std::process::id(), fork::epoch());
    if let Ok(cached) = CURRENT.try_lock()
        && let Some((pid, epoch, process)) = *cached
        && (pid, epoch) == key
    {
        return process;
    }
    let (start, namespace) = start_and_namespace(key.0).unwrap_or((0, 0));
    let process = ProcessId { pid: key.0.into(), start, namespace, boot: boot_id() };
    if let Ok(mut cached) = CURRENT.try_lock() {
        *cached = Some((key.0, key.1, process));
    }
    process
}

pub fn is_gone(process: &ProcessId) -> Option<bool> {
    let here = current_process();
    if process.boot == 0 || here.boot == 0 {
        return None;
    }
    if process.boot != here.boot {
        return Some(true);
    }
    if process.namespace == 0 || process.namespace != here.namespace {
        return None;
    }
    let Ok(pid @ 1..) = libc::pid_t::try_from(process.pid) else {
        // No process ever has such an id.
        return Some(true);
    };
    if !exists(pid) {
        return Some(true);
    }
    match stat::read(pid) {
        Some(now) if now.start != process.start => {
            // Or this process has entered another namespace of clocks, by which all starts are others: so the other
            // one is looked at again, between two looks at oneself.
            let as_ever = || start_and_namespace(std::process::id()) == Some((here.start, here.namespace));
            let differs = as_ever() && stat::read(pid).is_some_and(|now| now.start != process.start) && as_ever();
            differs.then_some(true)
        }
        Some(now) => Some(now.ended),
        // It may have ended since the last question.
        None if !exists(pid) => Some(true),
        None => None,
    }
}

#[cfg(any(test, feature = "crash-points"))]
pub fn kill_self() -> ! {
    loop {
        // SAFETY: sends a signal to this process, which no handler can catch and which ends it
        // before the call returns.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

/// Whether the kernel knows a process of this id, be it a zombie.
fn exists(pid: libc::pid_t) -> bool {
    // SAFETY: signal 0 is not delivered; the kernel only looks the process up.
    let result = unsafe { libc::kill(pid, 0) };
    result == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
fn start_and_namespace(pid: u32) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let inode = |name: &str| std::fs::metadata(name).map(|facts| facts.ino()).ok();
    let own = stat::read_self()?;
    if own.pid != u64::from(pid) {
        // The ids in this /proc are those of another namespace.
        return None;
    }
    let ids = inode("/proc/self/ns/pid")?;
    // Kernels before 5.6 have one clock for all.
    let clocks = inode("/proc/self/ns/time").unwrap_or(0);
    Some((own.start, (ids ^ clocks.rotate_left(32)).max(1)))
}

/// The facts in `/proc/<pid>/stat`.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
mod stat {
    pub struct Stat {
        pub pid: u64,
        pub start: u64,
        /// A zombie, and the last of its threads.
        pub ended: bool,
    }

    pub fn read(pid: libc::pid_t) -> Option<Stat> {
        parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    pub fn read_self() -> Option<Stat> {
        parse(&std::fs::read("/proc/self/stat").ok()?)
    }

    /// `pid (name) state ppid ...`; the name may contain anything, even parentheses and spaces.
    /// The state is the third field, the number of threads the 20th, the start the 22nd.
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let number = |field: &str| field.parse::<u64>().ok();
        let pid = number(str::from_utf8(&text[..open]).ok()?.trim())?;
        let rest = str::from_utf8(text.get(close + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let threads = number(fields.nth(16)?)?;
        let start = number(fields.nth(1)?)?;
        let ended = matches!(state, "Z" | "X" | "x") && threads <= 1;
        Some(Stat { pid, start, ended })
    }
}

/// Here ids have no namespaces, so that a process that does not exist is surely gone.
#[cfg(target_vendor = "apple")]
fn start_and_namespace(_pid: u32) -> Option<(u64, u64)> {
    Some((0, 1))
}

#[cfg(not(any(all(any(target_os = "linux", target_os = "android"), not(commy_portable)), target_vendor = "apple")))]
fn start_and_namespace(_pid: u32) -> Option<(u64, u64)> {
    None
}

/// Nothing that could be compared.
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
mod stat {
    pub struct Stat {
        pub start: u64,
        pub ended: bool,
    }

    pub fn read(_pid: libc::pid_t) -> Option<Stat> {
        None
    }
}

// What only Linux itself tells.
#[cfg(all(test, target_os = "linux", not(commy_portable)))]
mod tests {
    use super::super::super::testing::{fork_child, serial};
    use super::*;

    fn identity_of(pid: i32) -> ProcessId {
        let start = stat::read(pid).unwrap().start;
        ProcessId { pid: pid as u64, start, ..ProcessId::current() }
    }

    #[test]
    fn the_living_are_not_taken_for_dead() {
        let _serial = serial();
        let own = ProcessId::current();
        assert!(own.start != 0 && own.namespace != 0 && own.boot != 0);
        assert_eq!(own, ProcessId::current());
        assert_eq!(own.is_gone(), Some(false));
        let mut child = fork_child(|pipe| {
            pipe.say(1);
            pipe.hear();
        });
        child.hear();
        assert_eq!(identity_of(child.pid).is_gone(), Some(false));
        assert_eq!(identity_of(1).is_gone(), Some(false));
    }

    #[test]
    fn zombies_and_the_reaped_are_not_taken_for_living() {
        let _serial = serial();
        let mut child = fork_child(|pipe| {
            pipe.hear();
        });
        let identity = identity_of(child.pid);
        child.kill();
        child.await_zombie();
        assert_eq!(identity.is_gone(), Some(true));
        assert_eq!(child.reap(), -libc::SIGKILL);
        assert_eq!(identity.is_gone(), Some(true));
    }

    #[test]
    fn another_process_of_the_same_number_does_not_count() {
        let own = ProcessId::current();
        let earlier = ProcessId { start: own.start - 1, ..own };
        assert_eq!(earlier.is_gone(), Some(true));
        let other_boot = ProcessId { boot: own.boot ^ 1, ..own };
        assert_eq!(other_boot.is_gone(), Some(true));
    }

    #[test]
    fn nothing_is_claimed_about_what_cannot_be_seen() {
        let own = ProcessId::current();
        let elsewhere = ProcessId { namespace: own.namespace ^ 1, start: 1, ..own };
        assert_eq!(elsewhere.is_gone(), None);
        let nameless = ProcessId { namespace: 0, ..own };
        assert_eq!(nameless.is_gone(), None);
        let bootless = ProcessId { boot: 0, ..own };
        assert_eq!(bootless.is_gone(), None);
    }

    #[test]
    fn absurd_numbers_do_not_hit_process_groups() {
        for pid in [0, u64::MAX, 1 << 31, 1 << 32] {
            let absurd = ProcessId { pid, ..ProcessId::current() };
            assert_eq!(absurd.is_gone(), Some(true), "{pid}");
        }
    }

    #[test]
    fn a_forked_child_is_not_taken_for_its_parent() {
        let _serial = serial();
        let parent = ProcessId::current();
        let mut child = fork_child(|pipe| {
            let own = ProcessId::current();
            let differs = own.pid == u64::from(std::process::id()) && own.pid != parent.pid;
            pipe.say(u8::from(differs && own.start >= parent.start));
        });
        assert_eq!(child.hear(), 1);
    }

    #[test]
    fn a_process_whose_main_thread_ended_first_is_not_taken_for_dead() {
        extern "C" fn rest(pipe: *mut libc::c_void) -> *mut libc::c_void {
            // SAFETY: the descriptor of our pipe, in the guise of a pointer.
            unsafe {
                libc::write(pipe as i32, c"r".as_ptr().cast(), 1);
                loop {
                    libc::pause();
                }
            }
        }
        let _serial = serial();
        let mut child = fork_child(|pipe| {
            let mut thread = std::mem::MaybeUninit::uninit();
            let argument = pipe.writer() as *mut libc::c_void;
            // SAFETY: valid arguments; the C library can start threads in a forked child.
            unsafe { libc::pthread_create(thread.as_mut_ptr(), std::ptr::null(), rest, argument) };
            // SAFETY: ends this thread only.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        });
        let identity = identity_of(child.pid);
        child.hear();
        let path = format!("/proc/{}/stat", child.pid);
        while !std::fs::read_to_string(&path).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        assert_eq!(identity.is_gone(), Some(false));
        child.kill();
        child.await_zombie();
        assert_eq!(identity.is_gone(), Some(true));
    }

    #[test]
    fn a_name_full_of_parentheses_does_not_confuse() {
        let text = b"42 (a) Z (b 1 2) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 1 18 777 20\n";
        let stat = stat::parse(text).unwrap();
        assert_eq!((stat.pid, stat.start, stat.ended), (42, 777, false));
        assert!(stat::parse(b"42 (truncated").is_none());
        assert!(stat::parse(b"").is_none());
        assert!(stat::parse(b") (").is_none());
    }
}

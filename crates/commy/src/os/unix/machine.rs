//! Small facts about the machine: its boot, its clock, its randomness, its page size.
//!
//! What is cached sits in atomics that racing threads may all fill: a lock could be held by another
//! thread at the moment of a fork, and the child would wait for ever.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: asks for a constant.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).unwrap_or(4096);
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
fn membarrier(command: libc::c_int) -> io::Result<()> {
    // SAFETY: takes numbers and touches no memory.
    match unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The kernel lets every processor pass a fence, or see its thread change, before it returns.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn heavy_fence() -> io::Result<()> {
    const GLOBAL: libc::c_int = 1;
    membarrier(GLOBAL)
}

/// The kernel notes that this process takes part. It is asked once in each process, a forked child included.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn join_fences() -> bool {
    const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;
    /// The fork epoch of the process that takes part, or 0.
    static JOINED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let epoch = super::fork::epoch();
    if JOINED.load(Ordering::Relaxed) != epoch {
        if membarrier(REGISTER_GLOBAL_EXPEDITED).is_err() {
            return false;
        }
        JOINED.store(epoch, Ordering::Relaxed);
    }
    true
}

/// The kernel interrupts the processors on which a thread of those who take part runs at this moment. A process that may
/// not ask for this waits until each processor has surely been interrupted, and emptied what it still had to store.
#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn joint_fence() {
    const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
    const SURELY: std::time::Duration = std::time::Duration::from_millis(50);
    if membarrier(GLOBAL_EXPEDITED).is_err() && heavy_fence().is_err() {
        std::thread::sleep(SURELY);
    }
    std::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn join_fences() -> bool {
    false
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn joint_fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn heavy_fence() -> io::Result<()> {
    std::sync::atomic::fence(Ordering::SeqCst);
    Ok(())
}

pub fn boot_id() -> u64 {
    static BOOT: AtomicU64 = AtomicU64::new(0);
    match BOOT.load(Ordering::Relaxed) {
        0 => {
            let id = boot_name().map_or(0, |name| digest(&name));
            BOOT.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
fn boot_name() -> Option<Vec<u8>> {
    std::fs::read("/proc/sys/kernel/random/boot_id").ok()
}

#[cfg(target_vendor = "apple")]
fn boot_name() -> Option<Vec<u8>> {
    let mut name = vec![0u8; 64];
    let mut len = name.len();
    // SAFETY: a C string, and a buffer with its length.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            name.as_mut_ptr().cast(),
            &mut len,
            std::ptr::null_mut(),
            0,
        )
    };
    name.truncate(len);
    (result == 0).then_some(name)
}

#[cfg(not(any(all(any(target_os = "linux", target_os = "android"), not(commy_portable)), target_vendor = "apple")))]
fn boot_name() -> Option<Vec<u8>> {
    None
}

/// FNV-1a with a final mix, never 0.
fn digest(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1)
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    loop {
        // SAFETY: a live buffer of eight bytes.
        match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
            8 => return Ok(u64::from_ne_bytes(bytes)),
            // Up to 256 bytes come whole or not at all, unless a signal came first.
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            _ => {}
        }
    }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// CLOCK_BOOTTIME where there is one: it goes on while the machine sleeps.
pub fn now_monotonic_ms() -> u64 {
    #[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
    let clock = libc::CLOCK_BOOTTIME;
    #[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
    let clock = libc::CLOCK_MONOTONIC;
    let now = clock_now(clock);
    now.0 * 1000 + now.1 / 1_000_000
}

/// Seconds and nanoseconds of a clock that exists on this system.
pub(super) fn clock_now(clock: libc::clockid_t) -> (u64, u64) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a live structure to write to.
    let result = unsafe { libc::clock_gettime(clock, &mut now) };
    debug_assert_eq!(result, 0, "these clocks always exist");
    (now.tv_sec as u64, now.tv_nsec as u64)
}

#[cfg(all(any(target_os = "linux", target_os = "android"), not(commy_portable)))]
pub fn current_thread_id() -> u64 {
    // SAFETY: has no arguments and cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(commy_portable))))]
pub fn current_thread_id() -> u64 {
    // SAFETY: has no arguments and cannot fail.
    unsafe { libc::pthread_self() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_do_not_change_between_two_looks() {
        assert!(page_size().is_power_of_two());
        assert_eq!(page_size(), page_size());
        assert_eq!(boot_id(), boot_id());
        assert_eq!(current_thread_id(), current_thread_id());
        assert_ne!(current_thread_id(), std::thread::spawn(current_thread_id).join().unwrap());
        let before = now_monotonic_ms();
        assert!(before > 0 && now_monotonic_ms() >= before);
    }

    #[test]
    #[cfg_attr(commy_portable, ignore = "boots have no number there")]
    fn two_boots_do_not_have_one_number() {
        if cfg!(target_os = "linux") {
            assert_ne!(boot_id(), 0);
        }
        assert_ne!(digest(b"0c8c1b0e-5b6c"), digest(b"0c8c1b0e-5b6d"));
        assert_ne!(digest(b""), 0);
    }

    #[test]
    fn random_numbers_are_not_the_same_one() {
        assert_ne!(random_u64().unwrap(), random_u64().unwrap());
    }
}

//! The system calls of [`super::wait`] on Linux.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::machine::clock_now;

/// The call's number; the same on all architectures that number calls together.
const SYS_FUTEX_WAITV: libc::c_long = 449;
/// A word of 32 bits, and not private.
const FUTEX2_SIZE_U32: u32 = 2;

/// `struct futex_waitv`.
#[repr(C)]
struct WaitOn {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

impl WaitOn {
    fn new(word: &AtomicU32, expected: u32) -> WaitOn {
        let address = std::ptr::from_ref(word) as u64;
        WaitOn { value: expected.into(), address, flags: FUTEX2_SIZE_U32, reserved: 0 }
    }
}

/// `struct __kernel_timespec`, 64 bits on all architectures.
#[repr(C)]
struct KernelTime {
    seconds: i64,
    nanoseconds: i64,
}

/// Whether it ended by a wake (or by chance), and not by the timeout.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) -> bool {
    let timeout = libc::timespec {
        // 68 years do for any of the types that the field has.
        tv_sec: timeout.as_secs().min(i32::MAX as u64) as _,
        tv_nsec: timeout.subsec_nanos() as _,
    };
    // SAFETY: the word and the timeout are live; the kernel only reads them.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &raw const timeout) };
    result == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ETIMEDOUT)
}

/// Sleeps while both words are as expected. `false`: the kernel cannot do that.
pub fn wait_for_either(
    word: &AtomicU32,
    expected: u32,
    other: &AtomicU32,
    other_expected: u32,
    timeout: Duration,
) -> bool {
    static MISSING: AtomicBool = AtomicBool::new(false);
    if MISSING.load(Ordering::Relaxed) {
        return false;
    }
    let words = [WaitOn::new(word, expected), WaitOn::new(other, other_expected)];
    let (seconds, nanoseconds) = clock_now(libc::CLOCK_MONOTONIC);
    let until = Duration::new(seconds, nanoseconds as u32).saturating_add(timeout);
    let until = KernelTime {
        seconds: until.as_secs().try_into().unwrap_or(i64::MAX),
        nanoseconds: until.subsec_nanos().into(),
    };
    // SAFETY: the array with its length, both words and the time are live; the kernel only
    // reads them.
    let result = unsafe {
        libc::syscall(
            SYS_FUTEX_WAITV,
            words.as_ptr(),
            words.len() as libc::c_uint,
            0 as libc::c_uint,
            &raw const until,
            libc::CLOCK_MONOTONIC,
        )
    };
    if result >= 0 {
        return true;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT) => true,
        // Sandboxes that do not know a call often say that it is not permitted.
        Some(libc::ENOSYS | libc::EPERM) => {
            MISSING.store(true, Ordering::Relaxed);
            false
        }
        _ => false,
    }
}

pub fn wake(word: &AtomicU32, count: u32) {
    let count = count.min(i32::MAX as u32);
    // SAFETY: the kernel uses the address to find sleepers, and nothing else.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
}

//! Small facts about the machine: its boot, its clock, its randomness, its page size.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, GetTickCount64, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentThreadId;

pub fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            let mut info = MaybeUninit::<SYSTEM_INFO>::uninit();
            // SAFETY: fills the structure, and cannot fail.
            let size = unsafe {
                GetSystemInfo(info.as_mut_ptr());
                info.assume_init().dwPageSize as usize
            };
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// An ordinary fence: the other side has one too.
pub fn heavy_fence() -> io::Result<()> {
    std::sync::atomic::fence(Ordering::SeqCst);
    Ok(())
}

/// Nobody can: a fence of another process's processors is not to be had.
pub fn join_fences() -> bool {
    false
}

/// An ordinary fence.
pub fn joint_fence() {
    std::sync::atomic::fence(Ordering::SeqCst);
}

/// Where every process has the page that the kernel shares with it (`KUSER_SHARED_DATA`).
const SHARED_DATA: usize = 0x7ffe_0000;
/// Where in it the kernel has the number of its boot (`BootId`).
const BOOT_ID: usize = 0x2c4;

/// The kernel counts its boots, and shows the count to all processes.
///
/// The time of the boot would not do: it can only be had as a difference of two clocks, which comes
/// out otherwise after each correction of the time of day. Wine has no count, so 0 there.
pub fn boot_id() -> u64 {
    let place = std::ptr::with_exposed_provenance::<u32>(SHARED_DATA + BOOT_ID);
    // SAFETY: this page is mapped for reading, at this address and with this layout, in every
    // process of Windows 10 and later, which are those that the standard library runs on.
    match unsafe { place.read_volatile() } {
        0 => 0,
        count => u64::from(count).wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

#[link(name = "bcrypt", kind = "raw-dylib")]
unsafe extern "system" {
    fn BCryptGenRandom(algorithm: *mut std::ffi::c_void, buffer: *mut u8, len: u32, flags: u32) -> i32;
}

/// The generator that the system prefers; the algorithm is null then.
const BCRYPT_USE_SYSTEM_PREFERRED_RNG: u32 = 2;

pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: a live buffer of eight bytes, and no algorithm, as this flag demands.
    let status = unsafe {
        BCryptGenRandom(std::ptr::null_mut(), bytes.as_mut_ptr(), bytes.len() as u32, BCRYPT_USE_SYSTEM_PREFERRED_RNG)
    };
    if status < 0 {
        let message = format!("no random numbers: status {status:#010x}");
        return Err(io::Error::other(message));
    }
    Ok(u64::from_ne_bytes(bytes))
}

pub fn now_monotonic_ms() -> u64 {
    // SAFETY: has no arguments and cannot fail.
    unsafe { GetTickCount64() }
}

pub fn current_thread_id() -> u64 {
    // SAFETY: has no arguments and cannot fail.
    unsafe { GetCurrentThreadId() }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_do_not_change_between_two_looks() {
        assert!(page_size().is_power_of_two());
        assert_eq!(boot_id(), boot_id());
        assert_eq!(current_thread_id(), current_thread_id());
        let before = now_monotonic_ms();
        assert!(now_monotonic_ms() >= before);
    }

    #[test]
    fn random_numbers_are_not_the_same_one() {
        assert_ne!(random_u64().unwrap(), random_u64().unwrap());
    }
}

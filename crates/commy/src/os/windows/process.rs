//! Who a process is, and whether it has ended.
//!
//! A process is its id and the time of its creation, to 100 nanoseconds; so no boot is needed to
//! tell two processes apart, and none is compared. Whoever has ended while somebody still holds a
//! handle of it can be opened as ever, but its handle is signalled.

use std::io;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, FILETIME, HANDLE, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
    WaitForSingleObject,
};

use super::super::ProcessId;
use super::{boot_id, check, own};

/// What can be said about a process.
pub(super) enum Found {
    Gone,
    /// Its handle, which is signalled when it ends.
    Alive(OwnedHandle),
    /// It may not be opened.
    Unknown,
}

pub fn current_process() -> ProcessId {
    static CURRENT: OnceLock<ProcessId> = OnceLock::new();
    *CURRENT.get_or_init(|| ProcessId {
        pid: std::process::id().into(),
        // SAFETY: has no arguments and cannot fail; what it returns need not be closed.
        start: creation(unsafe { GetCurrentProcess() }).unwrap_or(0),
        namespace: 0,
        boot: boot_id(),
    })
}

pub fn is_gone(process: &ProcessId) -> Option<bool> {
    match find(process) {
        Found::Gone => Some(true),
        Found::Alive(_) => Some(false),
        Found::Unknown => None,
    }
}

pub(super) fn find(process: &ProcessId) -> Found {
    let Ok(pid @ 1..) = u32::try_from(process.pid) else {
        // No process ever has such an id.
        return Found::Gone;
    };
    let access = PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
    // SAFETY: plain numbers; the handle is not inherited and ours to close.
    let handle = match unsafe { own(OpenProcess(access, 0, pid)) } {
        Ok(handle) => handle,
        // This is how the system says that there is no such process.
        Err(e) if e.raw_os_error() == Some(ERROR_INVALID_PARAMETER as i32) => return Found::Gone,
        Err(_) => return Found::Unknown,
    };
    match creation(handle.as_raw_handle()) {
        Ok(start) if start != process.start => return Found::Gone,
        Ok(_) => {}
        Err(_) => return Found::Unknown,
    }
    // SAFETY: an open handle with the right to wait; the timeout of 0 makes it a question.
    if unsafe { WaitForSingleObject(handle.as_raw_handle(), 0) } == WAIT_OBJECT_0 {
        return Found::Gone;
    }
    Found::Alive(handle)
}

#[cfg(any(test, feature = "crash-points"))]
pub fn kill_self() -> ! {
    use windows_sys::Win32::System::Threading::TerminateProcess;
    loop {
        // SAFETY: ends this process, without running any of its code, before the call returns.
        unsafe { TerminateProcess(GetCurrentProcess(), 1) };
    }
}

/// The time of a process's creation.
fn creation(process: HANDLE) -> io::Result<u64> {
    let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
    let [created, exited, kernel, user] = &mut times;
    // SAFETY: an open handle with the right to ask, and four live structures.
    check(unsafe { GetProcessTimes(process, created, exited, kernel, user) })?;
    Ok(u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The identity of a child that has not been waited for.
    pub fn identity_of(child: &std::process::Child) -> ProcessId {
        let start = creation(child.as_raw_handle()).unwrap();
        ProcessId { pid: child.id().into(), start, ..ProcessId::current() }
    }

    #[test]
    fn the_living_are_not_taken_for_dead() {
        let own = ProcessId::current();
        assert_ne!(own.start, 0);
        assert_eq!(own, ProcessId::current());
        assert_eq!(own.is_gone(), Some(false));
    }

    #[test]
    fn another_process_of_the_same_number_does_not_count() {
        let own = ProcessId::current();
        let earlier = ProcessId { start: own.start - 1, ..own };
        assert_eq!(earlier.is_gone(), Some(true));
        for pid in [0, u64::MAX, 1 << 32] {
            assert_eq!(ProcessId { pid, ..own }.is_gone(), Some(true), "{pid}");
        }
    }

    #[test]
    fn the_killed_are_not_taken_for_living_though_a_handle_keeps_them() {
        let mut child = super::super::wait::tests::sleeping_child();
        let process = identity_of(&child);
        assert_eq!(process.is_gone(), Some(false));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.is_gone(), Some(true));
    }
}

//! Named events, the only thing on which threads of several processes can sleep.
//!
//! The name is made of the word's key, so that all who mean one word mean one event. It is reset
//! by itself: each signal lets one sleeper through, and a signal that finds nobody asleep stays for
//! the next. An event lives as long as somebody has it open; a sleeper opens it *before* its last
//! look at the word, so that whoever changes the word afterwards finds it.
//!
//! The handles stay open in a cache of bounded size. One that a sleeper uses is not thrown out.

use std::collections::HashMap;
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use windows_sys::Win32::System::Threading::{
    CreateEventW, EVENT_MODIFY_STATE, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE, SetEvent,
};

use super::super::WaitKey;
use super::own;

/// How many handles stay open.
const CACHE: usize = 512;

type Cache = HashMap<WaitKey, Arc<OwnedHandle>>;

/// The event of this word, which is made if nobody has it. `None`: not to be had, perhaps because
/// it is another user's.
pub fn create(key: WaitKey) -> Option<Arc<OwnedHandle>> {
    cached_or(key, |name| {
        // SAFETY: a name that ends with a zero, and no attributes: the handle is not inherited.
        unsafe { own(CreateEventW(ptr::null(), 0, 0, name.as_ptr())) }.ok()
    })
}

/// Lets up to `count` sleepers through. If nobody has the event open, nobody sleeps.
pub fn signal(key: WaitKey, count: u32) {
    let event = cached_or(key, |name| {
        let access = EVENT_MODIFY_STATE | SYNCHRONIZATION_SYNCHRONIZE;
        // SAFETY: a name that ends with a zero.
        unsafe { own(OpenEventW(access, 0, name.as_ptr())) }.ok()
    });
    if let Some(event) = event {
        for _ in 0..count {
            // SAFETY: an open event, with the right to signal it.
            unsafe { SetEvent(event.as_raw_handle()) };
        }
    }
}

fn cached_or(key: WaitKey, open: impl FnOnce(&[u16]) -> Option<OwnedHandle>) -> Option<Arc<OwnedHandle>> {
    if let Some(event) = cache().get(&key) {
        return Some(event.clone());
    }
    let event = Arc::new(open(&name(key))?);
    let mut cache = cache();
    if cache.len() >= CACHE {
        cache.retain(|_, event| Arc::strong_count(event) > 1);
    }
    // Racing threads open it twice; both handles lead to the one event.
    cache.insert(key, event.clone());
    Some(event)
}

fn cache() -> MutexGuard<'static, Cache> {
    static EVENTS: OnceLock<Mutex<Cache>> = OnceLock::new();
    // Nothing that runs under the lock can leave the map half changed.
    EVENTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// `Local\` is what the processes of one session share. (A service runs in another: there sleepers
/// find out by looking.)
fn name(key: WaitKey) -> Vec<u16> {
    let WaitKey { segment, offset } = key;
    format!("Local\\commy-{segment:032x}-{offset:x}\0").encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_do_not_pile_up() {
        for offset in 0..3 * CACHE as u64 {
            create(WaitKey { segment: 0xcafe, offset }).unwrap();
        }
        assert!(cache().len() <= CACHE);
    }

    #[test]
    fn two_words_do_not_share_an_event() {
        let a = WaitKey { segment: 1, offset: 0x11 };
        assert_ne!(name(a), name(WaitKey { offset: 0x12, ..a }));
        assert_ne!(name(a), name(WaitKey { segment: 2, ..a }));
        assert_eq!(name(a).last(), Some(&0));
    }
}

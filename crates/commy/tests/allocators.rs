//! A program whose allocator uses a segment itself, in the middle of what the library does with another object of it.

use commy::{Segment, Shared};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::ptr::NonNull;

/// As long as the texts that are looked out for, and nothing else.
const LEN: usize = 41;

thread_local! {
    /// Where the allocator puts something in, as long as that is to happen; it is there then.
    static LEDGER: Cell<Option<NonNull<Shared<HashMap<u64, String>>>>> = const { Cell::new(None) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

struct Meddling;

// SAFETY: it is the system's.
unsafe impl GlobalAlloc for Meddling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if layout.size() == LEN && layout.align() == 1 {
            // What it does itself is not looked out for.
            if let Some(ledger) = LEDGER.take() {
                let count = FREED.get();
                // SAFETY: it is there, and only shared.
                let old = unsafe { ledger.as_ref() }.insert(count, entry(count));
                assert_eq!(old.unwrap(), None);
                FREED.set(count + 1);
                LEDGER.set(Some(ledger));
            }
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Meddling = Meddling;

/// A text for a block as large as that of a text of `LEN` bytes.
fn entry(count: u64) -> String {
    format!("freed for the time number {count:>18}")
}

#[test]
fn an_allocator_that_puts_something_in_while_a_text_is_put_in_gets_no_block_of_that_ones() {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::create(dir.path().join("s.commy")).unwrap();
    let texts: Shared<HashMap<String, String>> = segment.open_or_create("texts").unwrap();
    let ledger: Shared<HashMap<u64, String>> = segment.open_or_create("ledger").unwrap();
    // With no room for more: freed with as many bytes.
    let text =
        |what: &str, n: u64| format!("{what}{n:>width$}", width = LEN - what.len()).into_boxed_str().into_string();
    for n in 0..2000 {
        let (key, value) = (text("key", n), text("value", n));
        LEDGER.set(Some(NonNull::from(&ledger)));
        let old = texts.insert(key, value);
        LEDGER.set(None);
        assert_eq!(old.unwrap(), None);
    }
    assert_eq!(FREED.get(), 4000, "it did not put anything in");
    assert_eq!(texts.load().unwrap(), HashMap::from_iter((0..2000).map(|n| (text("key", n), text("value", n)))));
    assert_eq!(ledger.load().unwrap(), HashMap::from_iter((0..4000).map(|n| (n, entry(n)))));
    assert_eq!(segment.check().unwrap(), []);
}

//! The allocator and the eight containers, method by method, as the user's guide has them: one file for each concept.

#[path = "comprehensive_tests/allocator.rs"]
mod allocator;
#[path = "comprehensive_tests/boxes.rs"]
mod boxes;
mod common;
#[path = "comprehensive_tests/finding.rs"]
mod finding;
#[path = "comprehensive_tests/maps_and_sets.rs"]
mod maps_and_sets;
#[path = "comprehensive_tests/models.rs"]
mod models;
#[path = "comprehensive_tests/queues.rs"]
mod queues;
#[path = "comprehensive_tests/strings.rs"]
mod strings;
#[path = "comprehensive_tests/together.rs"]
mod together;
#[path = "comprehensive_tests/values.rs"]
mod values;
#[path = "comprehensive_tests/vectors.rs"]
mod vectors;

use common::place;
use commy::FreeListAllocator;
use std::alloc::Layout;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

const SIZE: u64 = 1 << 20;

/// An allocator for a file, made as the guide does it.
fn map(path: &Path) -> FreeListAllocator {
    if !path.exists() {
        std::fs::write(path, vec![0; SIZE as usize]).expect("a file");
    }
    let file = std::fs::File::options().read(true).write(true).open(path).expect("open");
    // SAFETY: the tests keep to the rules for lent references.
    let map = unsafe { memmap2::MmapMut::map_mut(&file).expect("map") };
    FreeListAllocator::new(map, path)
}

/// An allocator for a new file, in a folder that stays as long as the first part.
fn fresh() -> (tempfile::TempDir, PathBuf, FreeListAllocator) {
    let (folder, path) = place();
    let allocator = map(&path);
    (folder, path, allocator)
}

/// What a panic said.
fn panic_of(operation: impl FnOnce()) -> String {
    let payload = std::panic::catch_unwind(AssertUnwindSafe(operation)).expect_err("a panic");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn layout(bytes: usize, align: usize) -> Layout {
    Layout::from_size_align(bytes, align).expect("a layout")
}

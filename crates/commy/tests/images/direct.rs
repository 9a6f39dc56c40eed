//! What is done through an allocator: raw blocks, containers that are counted, and texts that move into others.

use crate::judge::{Scenario, judge};
use crate::scenarios::{SMALL, print, run};
use commy::{FreeListAllocator, Segment, Shared, SharedHashMap, SharedString, SharedVecDeque};
use std::alloc::Layout;
use std::collections::HashMap;
use std::time::Duration;

fn allocator(segment: &Segment) -> FreeListAllocator {
    // SAFETY: nothing is lent here.
    unsafe { FreeListAllocator::from_segment(segment, Duration::from_secs(1)).expect("an allocator") }
}

/// What there is once the dead are buried: the first queue, the first map, and names of objects without owners.
fn left(segment: &Segment) -> String {
    let allocator = allocator(segment);
    // Places of objects stay when these are removed: there is one in any case.
    drop(SharedString::new_in(&allocator));
    let names = segment.objects().expect("names");
    let queue: SharedVecDeque<u64> = SharedVecDeque::named_in(&allocator, "queue");
    let map: SharedHashMap<i32, String> = SharedHashMap::named_in(&allocator, "map");
    let text = SharedString::named_in(&allocator, "text");
    format!("{names:?} {queue:?} {map:?} {text:?}")
}

fn prepare(segment: &Segment) {
    left(segment);
}

#[test]
fn blocks_taken_freed_and_left() {
    let act = |segment: &Segment| {
        let allocator = allocator(segment);
        let (small, large) = (Layout::new::<[u64; 4]>(), Layout::new::<[u64; 1000]>());
        let blocks = [small, small, large].map(|layout| allocator.allocate(layout).expect("room"));
        allocator.deallocate(blocks[0].cast(), small);
        allocator.deallocate(blocks[2].cast(), large);
    };
    run("direct: blocks taken, freed, left", prepare, act, left);
}

#[test]
fn a_text_that_moves_into_a_map() {
    let act = |segment: &Segment| {
        let allocator = allocator(segment);
        let mut map: SharedHashMap<i32, SharedString> = SharedHashMap::named_in(&allocator, "map");
        map.insert(1, SharedString::from_str_in("text", &allocator).expect("room"));
    };
    run("direct: a text that moves into a map", prepare, act, left);
}

fn with_a_text(segment: &Segment) {
    left(segment);
    SharedString::named_in(&allocator(segment), "text").store("text").expect("room");
}

#[test]
fn a_named_text_that_moves_into_a_map() {
    let act = |segment: &Segment| {
        let allocator = allocator(segment);
        let mut map: SharedHashMap<i32, SharedString> = SharedHashMap::named_in(&allocator, "map");
        map.insert(1, SharedString::named_in(&allocator, "text"));
    };
    run("direct: a named text that moves into a map", with_a_text, act, left);
}

/// Where no commit is shared, as between files: the content is copied there, and then taken from here.
#[test]
fn a_named_text_that_moves_by_two_commits_is_in_one_place_or_in_both() {
    let act = |segment: &Segment| {
        let without_allocator = Segment::open(segment.path()).expect("the same file");
        let map: Shared<HashMap<i32, SharedString>> = without_allocator.open("map").expect("the map");
        map.insert(1, SharedString::named_in(&allocator(segment), "text")).expect("room");
    };
    let copied = |segment: &Segment| {
        SharedHashMap::<i32, String>::named_in(&allocator(segment), "map").insert(1, "text".into());
    };
    let name = "direct: a named text that moves by two commits";
    let (prepare, between): (_, &[&dyn Fn(&Segment)]) = (&with_a_text, &[&copied]);
    let report = judge(&Scenario { name, sizes: SMALL, prepare, act: &act, between, observe: &left });
    assert_eq!(report.found, 3, "it was killed before, between and after");
    print(name, &report);
}

#[test]
fn a_container_that_is_held_and_let_go() {
    let prepare = |segment: &Segment| {
        left(segment);
        SharedVecDeque::<u64>::new_in(&allocator(segment)).push_back(1);
    };
    let act = |segment: &Segment| drop(SharedVecDeque::<u64>::new_in(&allocator(segment)));
    run("direct: a container held and let go", prepare, act, left);
}

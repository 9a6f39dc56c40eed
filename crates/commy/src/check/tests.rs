//! What is whole passes; each kind of damage to the balance is found, with its place.

use crate::alloc::heap::bitmap_word;
use crate::alloc::slab::Slab;
use crate::error::Error;
use crate::layout::{PAGE, SlotState, VALUE_AT, Word, thread_status};
use crate::map::Map;
use crate::segment::Segment;
use crate::walk::Finding;
use std::collections::HashMap;

fn check(map: &Map) -> Vec<Finding> {
    super::check(map, &mut |_| {})
}

fn sample() -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(64 << 20).create(dir.path().join("s.commy")).unwrap();
    segment.open_or_create_with("texts", || vec!["some text of some length".to_string(); 100]).unwrap();
    segment.open_or_create_with("large", || vec![7u8; 100_000]).unwrap();
    let map = (0..500u32).map(|n| (n, vec![n; n as usize % 7])).collect::<HashMap<_, _>>();
    segment.open_or_create_with("map", || map).unwrap();
    for n in 0..10u64 {
        segment.open_or_create_with(&format!("removed {n}"), || vec![n; 10]).unwrap();
    }
    (0..5).for_each(|n| segment.remove(&format!("removed {n}")).unwrap());
    assert_eq!(segment.check().unwrap(), []);
    (dir, segment)
}

/// Spoils a word, sees that this is found, and puts it right.
#[track_caller]
fn found(segment: &Segment, word: &Word, value: u64, what: &str) {
    let old = word.get();
    assert_ne!(old, value, "nothing is spoilt");
    word.put(value);
    let findings = check(segment.map());
    assert!(findings.iter().any(|finding| finding.what.contains(what)), "{what}: {findings:#?}");
    word.put(old);
    assert_eq!(check(segment.map()), []);
}

/// Where the object's value is: the header of its container.
fn value(segment: &Segment, name: &str) -> u64 {
    let object = segment.open::<Vec<String>>(name).map(|list| list.offset());
    object.or_else(|_| segment.open::<Vec<u8>>(name).map(|list| list.offset())).unwrap() + VALUE_AT
}

#[test]
fn what_is_handed_out_and_belongs_to_nothing_is_found() {
    let (_dir, segment) = sample();
    let map = segment.map();
    let last = map.size() / PAGE - 1;
    let word = bitmap_word(map, last / 64).unwrap();
    found(&segment, word, word.get() | 1 << (last % 64), "1 pages are taken and belong to nothing");
    let text = map.word(map.word(value(&segment, "texts")).unwrap().get()).unwrap().get();
    let (slab, index) = Slab::of_block(map, text, 0).unwrap();
    let lists = (0..8).filter_map(|index| map.thread(index)).flat_map(|slot| &slot.slabs);
    let slabs = lists.filter_map(|start| Slab::at(map, start.get()).ok());
    let (other, free) = slabs.filter_map(|slab| Some((slab, slab.first_free()?))).next().expect("a free block");
    let word = &other.meta.free[(free / 64) as usize];
    found(&segment, word, word.get() & !(1 << (free % 64)), "bytes that belongs to nothing");
    let word = &slab.meta.free[(index / 64) as usize];
    found(&segment, word, word.get() | 1 << (index % 64), "a block that is not handed out");
    let word = &slab.meta.remote[(index / 64) as usize];
    found(&segment, word, word.get() | 1 << (index % 64), "a block that is not handed out");
    let bits = 1u64 << (free % 64);
    found(&segment, &other.meta.remote[(free / 64) as usize], bits, "a block that was freed twice");
}

#[test]
fn what_belongs_to_two_or_to_nobody_is_found() {
    let (_dir, segment) = sample();
    let map = segment.map();
    let texts = map.word(value(&segment, "texts")).unwrap().get();
    let (first, second) = (map.word(texts).unwrap(), map.word(texts + 24).unwrap());
    found(&segment, second, first.get(), "a block that belongs to something else, too");
    let large = map.word(value(&segment, "large")).unwrap().get();
    let word = bitmap_word(map, large / PAGE / 64).unwrap();
    found(&segment, word, word.get() & !(1 << (large / PAGE % 64)), "a block that is not handed out");
}

#[test]
fn what_is_half_done_or_in_no_list_is_found() {
    let (_dir, segment) = sample();
    let map = segment.map();
    let slot = (0..8).filter_map(|index| map.thread(index)).find(|slot| slot.work.get() != 0).unwrap();
    found(&segment, &slot.intent.kind, 1, "something half done");
    found(&segment, &slot.freeing, 4096, "something half done");
    let record = crate::tx::Record::of(map, slot.work.get(), 3).unwrap();
    found(&segment, &record.state, 2, "a transaction that is not ended");
    found(&segment, &record.chunk, 1 << 45, "outside the file");
    found(&segment, &record.chunk, slot.work.get(), "");
    let class = (0..32).find(|class| slot.slabs[*class].get() != 0).unwrap();
    found(&segment, &slot.slabs[class], 0, "a slab that nobody has in a list");
    found(&segment, &slot.slabs[class + 1], slot.slabs[class].get(), "");
    found(&segment, &slot.slabs[class], 8, "a list of slabs that leads to none");
    let slab = Slab::at(map, slot.slabs[class].get()).unwrap();
    found(&segment, &slab.meta.next, slab.start, "a slab that is in two lists");
    found(&segment, &slab.meta.info, slab.meta.info.get() ^ 1 << 32, "another number of blocks");
    found(&segment, &slab.meta.info, slab.meta.info.get() ^ 1 << 48, "another class or owner");
    found(&segment, &map.header().limit, 4097, "a limit of 4097 bytes");
    found(&segment, &map.header().holes, 4096, "");
}

#[test]
fn a_segment_with_holes_and_orphans_is_whole() {
    let (_dir, segment) = sample();
    let lists: Vec<_> = (0..8).map(|n| segment.open_or_create_with(&format!("l{n}"), || vec![1u8; 200_000])).collect();
    for list in lists.iter().step_by(2) {
        list.as_ref().unwrap().store(Vec::new()).unwrap();
    }
    segment.shrink_to_usage().unwrap();
    assert!(crate::alloc::holes::holes(segment.map()).count() > 0);
    assert_eq!(segment.check().unwrap(), []);
    // Removed while somebody reads it: it is an orphan until the next one comes.
    let many = segment.open_or_create_with("many", || vec![vec![1u64; 9]; 2000]).unwrap();
    drop(many);
    segment.remove("many").unwrap();
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn a_log_that_claims_more_room_than_there_is_is_not_written_to() {
    // The room of the part that is kept, or where it is.
    for (word, wrong) in [(2, 1 << 40), (2, u64::MAX), (2, u64::MAX / 8), (0, u64::MAX), (0, u64::MAX - 8), (0, 4104)] {
        let (_dir, segment) = sample();
        let make = |name: &str| {
            let texts = || vec!["some text of some length".to_string(); 100];
            segment.open_or_create_with(name, texts).map(drop)
        };
        make("more").unwrap();
        let map = segment.map();
        let slot = (0..8).filter_map(|index| map.thread(index)).find(|slot| slot.work.get() != 0).unwrap();
        let records = (0..8).map(|way| crate::tx::Record::of(map, slot.work.get(), way).unwrap());
        let kept = records.map(|record| &record.chunk).find(|chunk| chunk.get() != 0).expect("a part that is kept");
        let spoilt = if word == 0 { kept } else { map.word(kept.get() + word * 8).unwrap() };
        spoilt.put(wrong);
        let made = make("still more");
        assert!(matches!(made, Err(Error::Corrupt { .. })), "{wrong}: {made:?}");
        assert!(segment.stats().is_err());
    }
}

#[test]
fn a_log_whose_parts_go_in_a_circle_ends() {
    let (_dir, segment) = sample();
    let texts = segment.open::<Vec<String>>("texts").unwrap();
    let mut guard = texts.write().unwrap();
    (0..100).for_each(|n| guard.set(n, format!("another text {n}")).unwrap());
    let map = segment.map();
    let slot = (0..8).filter_map(|index| map.thread(index)).find(|slot| slot.busy.get() & 1 == 1).unwrap();
    let records = (0..8).map(|way| crate::tx::Record::of(map, slot.work.get(), way).unwrap());
    let chunk = records.map(|record| record.chunk.get()).find(|chunk| *chunk != 0).expect("a long log");
    let (previous, start) = (map.word(chunk).unwrap(), map.word(chunk + 8).unwrap());
    let before = (previous.get(), start.get());
    previous.put(chunk);
    start.put(1 << 40);
    let copy = crate::recovery::recover_all(crate::recovery::private(map).unwrap());
    assert!(matches!(copy, Err(Error::Corrupt { .. })), "{copy:?}");
    previous.put(before.0);
    start.put(before.1);
    guard.rollback();
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn a_list_of_holes_that_leads_outside_the_file_ends_there() {
    let (_dir, segment) = sample();
    for wrong in [u64::MAX - 7, u64::MAX, segment.size(), 4097] {
        segment.map().header().holes.put(wrong);
        assert_eq!(crate::alloc::holes::holes(segment.map()).count(), 0);
    }
    segment.map().header().holes.put(0);
}

#[test]
fn counters_that_are_as_high_as_they_can_be_stop_nobody() {
    let (_dir, segment) = sample();
    let map = segment.map();
    let slot = (0..8).filter_map(|index| map.thread(index)).find(|slot| slot.work.get() != 0).unwrap();
    slot.serial.put(u64::MAX);
    slot.reading.ended.put(u64::MAX);
    let object = segment.open::<Vec<String>>("texts").unwrap().offset();
    map.word(object + crate::layout::GENERATION_AT).unwrap().put(u64::MAX);
    segment.stats().unwrap();
    segment.remove("texts").unwrap();
    assert_eq!(segment.check().unwrap(), []);
    map.header().attachments.put(u64::MAX);
    Segment::open(segment.path()).unwrap().remove("numbers").map(drop).unwrap_or_default();
    assert_eq!(segment.check().unwrap(), []);
}

#[test]
fn a_page_of_slots_far_outside_and_a_file_of_no_size_stop_nobody() {
    let (_dir, segment) = sample();
    let header = segment.map().header();
    for page in [&header.thread_pages[1], &header.process_pages[1]] {
        let before = page.get();
        page.put(u64::MAX - 8);
        assert!((0..200).all(|index| segment.map().thread(index).is_none_or(|slot| !slot.marks.is_empty())));
        assert!((0..200).all(|index| segment.map().process(index).is_none_or(|slot| slot.state.get() < u64::MAX)));
        page.put(before);
    }
    let size = header.size.get();
    header.size.put(0);
    let grown = segment.open_or_create_with("new", || vec![0u8; 1 << 20]).map(drop);
    assert!(grown.is_err(), "in a file of no size");
    header.size.put(size);
}

#[test]
fn a_page_of_slots_that_is_said_to_be_free_is_given_to_nobody() {
    let (_dir, segment) = sample();
    let (map, header) = (segment.map(), segment.map().header());
    let free = |page: &u64| bitmap_word(map, page / 64).unwrap().get() >> (page % 64) & 1 == 0;
    for further in [&header.thread_pages[1], &header.process_pages[1]] {
        for page in (5..map.size() / PAGE - 1).filter(free) {
            further.put(page * PAGE);
            let before = Vec::from_iter((0..PAGE).step_by(8).map(|at| map.word(page * PAGE + at).unwrap().get()));
            for bytes in [100, 5000, 100_000, 200_000] {
                let made = segment.open_or_create_with("new", || vec![0xeeu8; bytes]).map(drop);
                assert!(matches!(made, Ok(()) | Err(Error::Corrupt { .. })), "{made:?}");
                let _ = segment.remove("new");
            }
            let after = Vec::from_iter((0..PAGE).step_by(8).map(|at| map.word(page * PAGE + at).unwrap().get()));
            assert_eq!(before, after);
            further.put(0);
        }
    }
}

#[test]
fn a_chunk_of_the_bitmap_that_begins_within_a_page_does_not_keep_a_shrink_going_for_ever() {
    let (_dir, segment) = sample();
    let map = segment.map();
    // A page that is zeros up to some place: no region of that chunk has anything.
    let page = (5..map.size() / PAGE).find(|page| map.word(page * PAGE + 1416).unwrap().get() == 0).expect("zeros");
    let pointer = &map.header().bitmap_chunks[157];
    pointer.put(page * PAGE + 1416);
    let (said, heard) = std::sync::mpsc::channel();
    let other = segment.clone();
    std::thread::spawn(move || said.send(other.shrink_to_usage()));
    let shrunk = heard.recv_timeout(std::time::Duration::from_secs(20)).expect("it goes on for ever");
    assert!(matches!(shrunk, Err(Error::Corrupt { .. })), "{shrunk:?}");
    pointer.put(0);
}

#[test]
fn a_first_entry_of_a_log_that_is_longer_than_its_record_leaves_the_log_in_use() {
    let (_dir, segment) = sample();
    let wide = segment.open_or_create_with("wide", || [1u64; 200]).unwrap();
    for value in [2, 3] {
        wide.store([value; 200]).unwrap();
        assert_eq!(segment.check().unwrap(), []);
        let mut guard = wide.write().unwrap();
        guard.store([value + 10; 200]).unwrap();
        guard.rollback();
        assert_eq!(segment.check().unwrap(), []);
        assert_eq!(wide.load().unwrap(), [value; 200]);
    }
}

#[test]
fn a_list_of_slabs_that_goes_in_a_circle_is_taken_over_for_ever() {
    let (_dir, segment) = sample();
    let theirs = || segment.open_or_create_with("theirs", || vec!["some text".to_string(); 500]).map(drop);
    std::thread::scope(|scope| scope.spawn(theirs).join()).unwrap().unwrap();
    let map = segment.map();
    let free = |slot: &&crate::layout::ThreadSlot| {
        SlotState::unpack(slot.state.get()).status == thread_status::FREE
            && slot.slabs.iter().any(|list| list.get() != 0)
    };
    let slot = (0..8).filter_map(|index| map.thread(index)).find(free).expect("the slot of a thread that has ended");
    let start = slot.slabs.iter().map(Word::get).find(|start| *start != 0).unwrap();
    Slab::at(map, start).unwrap().meta.next.put(start);
    assert!(matches!(segment.shrink_to_usage(), Err(Error::Corrupt { .. })));
}

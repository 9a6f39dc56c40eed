//! Transactions and the allocator together, on a real file: what is committed stays, what is rolled
//! back is gone, and no block is lost or handed out twice either way.

use super::record::{INLINE, Record};
use crate::layout::{BITMAP_PAGE, PAGE, REGION, REGION_PAGES, THREADS_PER_PAGE, WAYS};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tx::Cx;
use std::collections::HashMap;

/// The directory's control block serves as an object that needs no directory.
const OBJECT: u64 = 320;

fn segment(max: u64) -> (tempfile::TempDir, Segment) {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().initial_size(64 << 10).max_size(max).create(dir.path().join("s.commy")).unwrap();
    (dir, segment)
}

fn anchor(segment: &Segment) -> Shared<[u64; 8]> {
    Shared::at(segment, "anchor", OBJECT).unwrap()
}

/// A small generator, so that runs can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[test]
fn what_a_guard_changed_is_there_after_it_and_gone_after_a_rollback() {
    let (_dir, segment) = segment(1 << 20);
    let object = anchor(&segment);
    object.write().unwrap().view_mut()[3] = 7;
    assert_eq!(object.load().unwrap()[3], 7);
    let mut guard = object.write().unwrap();
    guard.view_mut()[3] = 8;
    guard.view_mut()[4] = 9;
    guard.rollback();
    assert_eq!(object.load().unwrap()[3..5], [7, 0]);
    let caught = std::panic::catch_unwind(|| {
        let mut guard = object.write().unwrap();
        guard.view_mut()[3] = 10;
        panic!("under the guard");
    });
    assert!(caught.is_err());
    assert_eq!(object.load().unwrap()[3], 7);
    assert_eq!(object.version(), 1);
}

#[test]
fn another_attachment_sees_what_was_committed() {
    let (_dir, one) = segment(1 << 20);
    let two = Segment::open(one.path()).unwrap();
    anchor(&one).store([1; 8]).unwrap();
    assert_eq!(anchor(&two).load().unwrap(), [1; 8]);
    anchor(&two).store([2; 8]).unwrap();
    assert_eq!(anchor(&one).load().unwrap(), [2; 8]);
}

fn fill(cx: Cx, offset: u64, bytes: u64) {
    for at in (0..bytes).step_by(8).filter(|at| at + 8 <= bytes) {
        cx.map().word(offset + at).unwrap().put(offset ^ at);
    }
}

fn verify(segment: &Segment, offset: u64, bytes: u64) {
    for at in (0..bytes).step_by(8).filter(|at| at + 8 <= bytes) {
        assert_eq!(segment.map().word(offset + at).unwrap().get(), offset ^ at, "a live block was overwritten");
    }
}

fn size(random: &mut Random) -> (u64, u64) {
    let align = 1 << random.below(13);
    match random.below(20) {
        0 => (1 + random.below(40 * PAGE), 8),
        1 => (1 + random.below(3000), align),
        _ => (1 + random.below(600), 8),
    }
}

/// Allocates, frees, commits and rolls back at random; `blocks` is the model.
fn churn(segment: &Segment, seed: u64, rounds: u64) {
    let object = anchor(segment);
    let mut random = Random(seed);
    let mut blocks: HashMap<u64, (u64, u64)> = HashMap::new();
    let base = segment.stats().unwrap().allocated;
    for _ in 0..rounds {
        let guard = object.write().unwrap();
        let cx = guard.cx();
        let mut now = blocks.clone();
        for _ in 0..random.below(200) {
            if now.len() < 300 && random.below(5) < 3 {
                let (bytes, align) = size(&mut random);
                let block = cx.alloc(bytes, align).unwrap();
                assert_eq!(block % align, 0);
                fill(cx, block, bytes);
                assert!(now.insert(block, (bytes, align)).is_none(), "a live block was handed out");
            } else if let Some(block) = now.keys().nth(random.below(now.len().max(1) as u64) as usize).copied() {
                let (bytes, align) = now.remove(&block).unwrap();
                verify(segment, block, bytes);
                cx.free(block, bytes, align).unwrap();
            }
        }
        if random.below(3) == 0 {
            guard.rollback();
        } else {
            blocks = now;
            guard.commit().unwrap();
        }
        blocks.iter().for_each(|(block, (bytes, _))| verify(segment, *block, *bytes));
    }
    let guard = object.write().unwrap();
    for (block, (bytes, align)) in blocks {
        guard.cx().free(block, bytes, align).unwrap();
    }
    drop(guard);
    assert_eq!(segment.stats().unwrap().allocated, base, "blocks leaked");
}

#[test]
fn no_block_is_lost_or_handed_out_twice_by_commits_and_rollbacks() {
    let (_dir, segment) = segment(64 << 20);
    churn(&segment, 1, 300);
    churn(&segment, 2, 300);
}

#[test]
fn a_log_longer_than_its_record_rolls_back_and_commits() {
    let (_dir, segment) = segment(64 << 20);
    let object = anchor(&segment);
    let guard = object.write().unwrap();
    let cx = guard.cx();
    let block = cx.alloc(1 << 20, 8).unwrap();
    fill(cx, block, 1 << 20);
    guard.commit().unwrap();
    let base = segment.stats().unwrap();
    for commit in [false, true] {
        let guard = object.write().unwrap();
        let cx = guard.cx();
        let mut taken = Vec::new();
        for word in (0..1 << 20).step_by(64) {
            cx.set(cx.map().word(block + word).unwrap(), 1).unwrap();
            if word % 4096 == 0 {
                taken.push(cx.alloc(100, 8).unwrap());
            }
        }
        if commit {
            taken.iter().for_each(|block| cx.free(*block, 100, 8).unwrap());
            guard.commit().unwrap();
        } else {
            guard.rollback();
            verify(&segment, block, 1 << 20);
        }
        assert_eq!(segment.stats().unwrap().allocated, base.allocated);
    }
    assert_eq!(segment.map().word(block + 64).unwrap().get(), 1);
}

#[test]
fn an_operation_that_fails_in_the_middle_is_undone_and_the_rest_stays() {
    let (_dir, segment) = segment(64 << 20);
    let object = anchor(&segment);
    let base = segment.stats().unwrap().allocated;
    let mut guard = object.write().unwrap();
    guard.view_mut()[0] = 1;
    let cx = guard.cx();
    let failed: crate::Result<()> = cx.atomically(|| {
        for _ in 0..100 {
            let block = cx.alloc(64, 8)?;
            cx.set(cx.map().word(OBJECT + 24)?, block)?;
        }
        Err(crate::Error::ReadOnly)
    });
    assert!(failed.is_err());
    guard.commit().unwrap();
    assert_eq!(object.load().unwrap()[0], 1);
    assert_eq!(segment.stats().unwrap().allocated, base);
}

#[test]
fn what_a_part_that_fails_changed_once_more_is_again_what_the_transaction_had_made_of_it() {
    let (_dir, segment) = segment(64 << 20);
    let (map, object) = (segment.map(), anchor(&segment));
    let guard = object.write().unwrap();
    let block = guard.cx().alloc(80, 8).unwrap();
    let words: Vec<_> = (0..10).map(|index| map.word(block + index * 8).unwrap()).collect();
    let all = || words.iter().map(|word| word.get()).collect::<Vec<_>>();
    words.iter().for_each(|word| word.put(1));
    guard.commit().unwrap();
    let guard = object.write().unwrap();
    let cx = guard.cx();
    // One word by itself is logged otherwise than many, and what is logged of many is remembered by the first.
    let set = |value| {
        cx.keep(words[1], 9)?;
        words[1..].iter().for_each(|word| word.put(value));
        cx.set(words[0], value)
    };
    set(2).unwrap();
    for _ in 0..3 {
        let failed: crate::Result<()> = cx.atomically(|| {
            set(3)?;
            let within: crate::Result<()> = cx.atomically(|| set(4).and(Err(crate::Error::ReadOnly)));
            assert!(within.is_err());
            assert_eq!(all(), [3; 10], "the part within was not undone");
            Err(crate::Error::ReadOnly)
        });
        assert!(failed.is_err());
        assert_eq!(all(), [2; 10], "what came before the part is not as it was");
    }
    cx.atomically(|| set(5)).unwrap();
    guard.rollback();
    assert_eq!(all(), [1; 10]);
}

/// On a damaged file: the chunk in which the log shall go on after a rollback cannot be given back, since its page is free.
#[test]
fn a_log_that_does_not_find_its_place_after_a_rollback_writes_nowhere_else() {
    let (_dir, segment) = segment(64 << 20);
    let (map, object) = (segment.map(), anchor(&segment));
    let guard = object.write().unwrap();
    let block = guard.cx().alloc(1 << 16, 8).unwrap();
    guard.commit().unwrap();
    let guard = object.write().unwrap();
    let cx = guard.cx();
    let mut words = (block..).step_by(8).map(|offset| map.word(offset).unwrap());
    let mut log_one = || cx.set(words.next().unwrap(), 1);
    log_one().unwrap();
    let slots = (0..THREADS_PER_PAGE).map(|index| map.thread(index).unwrap());
    let work = slots.map(|slot| slot.work.get()).find(|work| *work != 0).unwrap();
    let record = (0..WAYS).map(|way| Record::of(map, work, way).unwrap()).find(|record| record.len() > 0).unwrap();
    while record.len() < INLINE as u64 {
        log_one().unwrap();
    }
    let failed: crate::Result<()> = cx.atomically(|| {
        log_one()?;
        let first = record.chunk.get();
        while record.chunk.get() == first {
            log_one()?;
        }
        let (region, page) = (first / REGION, first / PAGE % REGION_PAGES);
        let bits = map.word(BITMAP_PAGE + 64 + region * 8)?;
        bits.put(bits.get() & !(1 << page));
        Err(crate::Error::ReadOnly)
    });
    assert!(matches!(failed, Err(crate::Error::Corrupt { .. })), "{failed:?}");
    // It may go on elsewhere or refuse to; it does not write where the parts were that it had.
    let _ = log_one();
    assert!(record.len() <= INLINE as u64 || record.chunk.get() != 0);
}

#[test]
fn what_is_no_block_or_not_taken_or_named_twice_is_not_put_back_at_a_stroke() {
    let (_dir, segment) = segment(64 << 20);
    let (map, object) = (segment.map(), anchor(&segment));
    let guard = object.write().unwrap();
    let [block, other, kept] = [64, 64, 64].map(|bytes| guard.cx().alloc(bytes, 8).unwrap());
    let span = guard.cx().alloc(1 << 16, 8).unwrap();
    guard.commit().unwrap();
    let (worker, word) = (segment.worker().unwrap(), map.word(kept).unwrap());
    let put_back = |blocks: [(u64, u64, u64); 2]| {
        let blocks = blocks.map(|block| (block.0 != 0).then_some(block));
        worker.putting_back(blocks, |found| {
            worker.log(0).at_a_stroke(map, [], [(word, 1)], found, || ());
            Some(())
        })
    };
    let allocated = || segment.stats().unwrap().allocated;
    let before = allocated();
    let none = (0, 0, 0);
    let bad = [(block + 8, 64, 8), (block, 128, 8), (span, 1 << 16, 8), (span, 64, 8), (64, 64, 8), (1 << 50, 64, 8)];
    for bad in bad {
        assert_eq!(put_back([(block, 64, 8), bad]), None, "{bad:?}");
    }
    assert_eq!(put_back([(block, 64, 8), (block, 50, 8)]), None);
    assert_eq!(allocated(), before);
    assert_eq!(put_back([(block, 64, 8), (other, 60, 4)]), Some(()));
    assert_eq!(allocated(), before - 128);
    assert_eq!(put_back([none, (block, 64, 8)]), None, "it is free already");
    assert_eq!(put_back([none, (kept, 64, 8)]), Some(()));
    assert_eq!(allocated(), before - 192);
}

#[test]
fn a_full_segment_says_so_and_takes_nothing() {
    let (_dir, segment) = segment(256 << 10);
    let object = anchor(&segment);
    let mut taken = Vec::new();
    let guard = object.write().unwrap();
    let full = loop {
        match guard.cx().alloc(3000, 8) {
            Ok(block) => taken.push(block),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, crate::Error::OutOfSpace { .. }), "{full}");
    assert!(taken.len() > 40, "{} blocks in 256 KiB", taken.len());
    for block in taken {
        guard.cx().free(block, 3000, 8).unwrap();
    }
    guard.commit().unwrap();
    let guard = object.write().unwrap();
    assert!(guard.cx().alloc(100_000, 8).is_ok(), "freed space is usable again");
}

#[test]
fn threads_that_free_each_others_blocks_lose_none() {
    let (_dir, segment) = segment(64 << 20);
    let base = {
        anchor(&segment).store([0; 8]).unwrap();
        segment.stats().unwrap().allocated
    };
    let (to_free, blocks) = std::sync::mpsc::sync_channel::<u64>(500);
    // One object for each thread: the directory's and one that is made here.
    let second = {
        let guard = anchor(&segment).write().unwrap().cx().alloc(256, 64).map(|b| b + 64).unwrap();
        for at in (0..128).step_by(8) {
            segment.map().word(guard - 64 + at).unwrap().put(0);
        }
        guard
    };
    std::thread::scope(|scope| {
        let segment = &segment;
        let taking = scope.spawn(move || {
            let object = anchor(segment);
            for round in 0..20_000u64 {
                let guard = object.write().unwrap();
                let block = guard.cx().alloc(32 + round % 500, 8).unwrap();
                segment.map().word(block).unwrap().put(32 + round % 500);
                guard.commit().unwrap();
                to_free.send(block).unwrap();
            }
        });
        let freeing = scope.spawn(move || {
            let object: Shared<[u64; 1]> = Shared::at(segment, "second", second).unwrap();
            for block in blocks {
                let guard = object.write().unwrap();
                let bytes = segment.map().word(block).unwrap().get();
                guard.cx().free(block, bytes, 8).unwrap();
                guard.commit().unwrap();
            }
        });
        // A scope does not wait for what threads do when they end: these give slabs back then.
        taking.join().unwrap();
        freeing.join().unwrap();
    });
    let stats = segment.stats().unwrap();
    assert_eq!(stats.allocated, base + 256, "blocks leaked");
    assert!(stats.size < 4 << 20, "freed blocks were not used again: {stats:?}");
}

#[test]
fn a_span_that_was_lengthened_and_freed_is_given_back_once_by_a_rollback() {
    let (_dir, segment) = segment(64 << 20);
    let object = anchor(&segment);
    let other: Shared<Vec<u64>> = Segment::open(segment.path()).unwrap().open_or_create("other").unwrap();
    let base = segment.stats().unwrap().allocated;
    let guard = object.write().unwrap();
    let cx = guard.cx();
    let block = cx.alloc(8 * PAGE, 8).unwrap();
    assert!(cx.extend(block, 8 * PAGE, 12 * PAGE).unwrap());
    cx.free(block, 12 * PAGE, 8).unwrap();
    other.write().unwrap().reserve_exact(12 * 512).unwrap();
    guard.rollback();
    assert_eq!(segment.stats().unwrap().allocated, base + 12 * PAGE);
}

#[test]
fn more_than_a_page_of_participants_can_attach() {
    let (_dir, segment) = segment(16 << 20);
    let mut all = Vec::new();
    for number in 1..150 {
        let one = Segment::open(segment.path()).unwrap();
        anchor(&one).store([number; 8]).unwrap();
        assert_eq!(anchor(&segment).load().unwrap(), [number; 8]);
        all.push(one);
    }
    assert_eq!(segment.participants().len(), 150);
}

//! Walks beside what the types themselves do.

use super::{Plan, free, size};
use crate::schema::{Description, Share};
use crate::segment::Segment;
use crate::shared::{Shared, WriteGuard};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// A value in a segment of its own, with what the segment had before.
struct Sample<T: Share> {
    _dir: tempfile::TempDir,
    segment: Segment,
    object: Shared<T>,
    plan: Plan,
}

fn sample<T: Share + Default>(change: impl Fn(&mut WriteGuard<'_, T>)) -> Sample<T> {
    let dir = tempfile::tempdir().unwrap();
    let segment = Segment::options().max_size(256 << 20).create(dir.path().join("s.commy")).unwrap();
    let object: Shared<T> = segment.open_or_create("sample").unwrap();
    change(&mut object.write().unwrap());
    let plan = Plan::new(Description::from_bytes(&Description::of::<T>().to_bytes()).unwrap()).unwrap();
    Sample { _dir: dir, segment, object, plan }
}

/// Makes the value twice and drops it once by its type, once by its description.
fn dropped_alike<T: Share + Default>(change: impl Fn(&mut WriteGuard<'_, T>)) {
    let typed = sample(&change);
    let before = typed.segment.stats().unwrap().allocated;
    let guard = typed.object.write().unwrap();
    // SAFETY: nobody looks at the value afterwards.
    unsafe { T::drop_stored(typed.object.place().1, guard.cx()).unwrap() };
    guard.commit().unwrap();
    let after = typed.segment.stats().unwrap().allocated;

    let walked = sample(&change);
    let name = walked.plan.node(0).name.clone();
    let place = walked.object.place().0;
    let start = walked.segment.stats().unwrap().allocated;
    let guard = walked.object.write().unwrap();
    let held = size(walked.segment.map(), &walked.plan, place).unwrap();
    free(guard.cx(), &walked.plan, place).unwrap();
    guard.commit().unwrap();
    let end = walked.segment.stats().unwrap().allocated;
    assert_eq!(start - end, before - after, "{name}: dropped by its description it leaves other blocks");
    assert_eq!(held, before - after, "{name}: the size is another than what is freed");
}

fn alike<T: Share + Default + Clone>(value: T) {
    dropped_alike::<T>(|guard| guard.store(value.clone()).unwrap());
}

fn text(number: usize) -> String {
    "x".repeat(number * 37 % 300)
}

#[test]
fn values_of_the_library_are_dropped_and_measured_as_their_types_do() {
    alike(7u64);
    alike(());
    alike([1u8; 3]);
    alike(text(5));
    alike(String::new());
    alike((0..1000).map(text).collect::<Vec<_>>());
    alike(vec![(); 1000]);
    alike(vec![vec![(); 3]; 1000]);
    alike((0..100_000u32).collect::<Vec<_>>());
    alike((0..100).map(text).collect::<VecDeque<_>>());
    alike(vec![vec![vec![text(3); 3]; 4]; 5]);
    alike((0..1000).map(|n| (text(n), n as u64)).collect::<HashMap<_, _>>());
    alike((0..1000).map(|n| (n, text(n))).collect::<HashMap<_, _>>());
    alike((0..1000).map(text).collect::<HashSet<_>>());
    alike((0..1000).map(|n| (format!("{n}"), vec![text(n)])).collect::<BTreeMap<_, _>>());
    alike((0..10_000u64).collect::<BTreeSet<_>>());
    alike((0..100u8).map(|n| (n, [u64::from(n); 40])).collect::<BTreeMap<_, _>>());
    alike(Some(text(4)));
    alike(None::<Vec<String>>);
    alike(Some(Some(Box::new(text(5)))));
    alike(Box::new(vec![Box::new(text(6)); 10]));
    alike((text(1), 5u8, (vec![text(2)], Some(7u16))));
    alike(
        (0..40u32).map(|n| (n, (0..n).map(|m| (m, text(m as usize))).collect())).collect::<HashMap<_, HashMap<_, _>>>(),
    );
    alike((0..40u32).map(|n| (n, (0..n).map(text_of).collect())).collect::<BTreeMap<_, BTreeMap<_, _>>>());
}

fn text_of(number: u32) -> (String, VecDeque<String>) {
    (format!("{number}"), [text(number as usize)].into())
}

#[test]
fn tables_on_the_move_are_dropped_with_both_their_tables() {
    // Stops at every stage of a move.
    for count in [900, 1793, 1800, 1900, 2500, 3000, 3584, 3585, 3600] {
        dropped_alike::<HashMap<u64, String>>(|guard| {
            (0..count).for_each(|n| drop(guard.insert(n, text(n as usize)).unwrap()));
            (0..count).step_by(3).for_each(|n| drop(guard.remove(&n).unwrap()));
        });
        dropped_alike::<HashMap<u64, [u64; 12]>>(|guard| {
            (0..count).for_each(|n| assert!(guard.insert(n, [n; 12]).unwrap().is_none()));
        });
    }
}

#[test]
fn rings_that_wrap_and_blocks_with_room_to_spare_are_dropped_whole() {
    dropped_alike::<VecDeque<String>>(|guard| {
        (0..100).for_each(|n| guard.push_back(text(n)).unwrap());
        (0..60).for_each(|_| drop(guard.pop_front().unwrap()));
        (0..70).for_each(|n| guard.push_back(text(n)).unwrap());
    });
    dropped_alike::<Vec<String>>(|guard| {
        guard.reserve(10_000).unwrap();
        (0..100).for_each(|n| guard.push(text(n)).unwrap());
    });
    dropped_alike::<BTreeMap<u32, String>>(|guard| {
        (0..5000).for_each(|n| drop(guard.insert(n, text(n as usize)).unwrap()));
        (0..5000).filter(|n| n % 7 != 0).for_each(|n| drop(guard.remove(&n).unwrap()));
    });
}

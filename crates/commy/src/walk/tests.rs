//! Walks beside what the types themselves do.

use super::{Claims, Finding, Plan, Untyped, Walker, check, free};
use crate::alloc::footprint;
use crate::containers::untyped::Block;
use crate::error::Result;
use crate::schema::{Description, Share};
use crate::segment::Segment;
use crate::shared::{Shared, WriteGuard};
use proptest::prelude::*;
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

/// Bytes of the blocks that a value owns.
fn size(segment: &Segment, plan: &Plan, offset: u64) -> Result<u64> {
    let mut total = 0;
    super::blocks(segment.reader(), plan, offset, |block| total += footprint(block.bytes, block.align))?;
    Ok(total)
}

fn findings<T: Share>(sample: &Sample<T>) -> (Vec<Finding>, u64) {
    let mut claims = Claims::of(sample.segment.map());
    let _locked = sample.object.read().unwrap();
    let findings = check(sample.segment.map(), &sample.plan, sample.object.place().0, "it", &mut claims);
    (findings, claims.bytes())
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
    let held = size(&walked.segment, &walked.plan, place).unwrap();
    drop(guard);
    assert_eq!(findings(&walked), (vec![], held), "{name}: something is found in a healthy value");
    let guard = walked.object.write().unwrap();
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

#[test]
fn keys_of_all_kinds_are_hashed_and_ordered_as_their_types_do() {
    fn as_keys<K: crate::Lookup<K> + Ord + std::hash::Hash + Clone>(keys: impl Iterator<Item = K> + Clone) {
        let mut map = HashMap::new();
        map.extend(keys.clone().map(|key| (key, ())));
        alike(map);
        alike(keys.clone().collect::<HashSet<_>>());
        alike(keys.collect::<BTreeSet<_>>());
    }
    as_keys((0..300).map(|n| n as u8));
    as_keys((-200..200).map(|n| n as i8));
    as_keys((-500..500i64).map(|n| n * 1_000_000_007));
    as_keys((-500..500i128).map(|n| n << 90));
    as_keys((0..500u128).map(|n| n << 120 | n));
    as_keys((0..500).map(|n| char::from_u32(n * 7 + 1).unwrap_or('x')));
    as_keys([false, true].into_iter());
    as_keys((1..500).map(|n| std::num::NonZeroI32::new(n - 1000).unwrap()));
    as_keys((0..500).map(|n| std::time::Duration::new(n / 7, n as u32 * 31)));
    as_keys([()].into_iter());
    as_keys((0..500).map(|n| [n as u16 % 7, n as u16]));
    as_keys((0..500).map(|n| "k".repeat(n % 40) + &n.to_string()));
    as_keys((0..500).map(|n| vec![n.to_string(); n % 4]));
    as_keys((0..500).map(Box::new));
    as_keys((0..500).map(|n| (n % 5 != 0).then(|| n.to_string())));
    as_keys((0..500).map(|n| (n % 9, n.to_string(), -n)));
}

/// All blocks of a value.
fn blocks<T: Share>(sample: &Sample<T>) -> Vec<Block> {
    let mut walker = Walker::new(sample.segment.map(), &sample.plan);
    walker.enter(Untyped::root(sample.segment.map(), &sample.plan, sample.object.place().0).unwrap()).unwrap();
    std::iter::from_fn(|| walker.next_block().unwrap()).collect()
}

/// Overwrites a word of the file behind everybody's back.
fn spoil<T: Share>(sample: &Sample<T>, offset: u64, change: impl Fn(u64) -> u64) -> u64 {
    let word = sample.segment.map().word(offset & !7).unwrap();
    let old = word.get();
    word.put(change(old));
    old
}

/// A value with everything in it.
type All = (
    Vec<(bool, char, Option<String>)>,
    HashMap<String, Vec<Option<Box<String>>>>,
    BTreeMap<(u8, String), VecDeque<String>>,
    Vec<std::num::NonZeroU64>,
    BTreeSet<u64>,
);

fn all(guard: &mut WriteGuard<'_, All>) {
    let value: All = (
        (0..40).map(|n| (n % 2 == 0, 'x', (n % 3 == 0).then(|| text(n)))).collect(),
        (0..60)
            .map(|n| (text(n) + &n.to_string(), (0..n % 4).map(|m| (m > 0).then(|| Box::new(text(m)))).collect()))
            .collect(),
        (0..200).map(|n| ((n as u8 % 7, n.to_string()), (0..n % 3).map(text).collect())).collect(),
        (1..50).map(|n| std::num::NonZeroU64::new(n).unwrap()).collect(),
        (0..1000).collect(),
    );
    guard.store(value).unwrap();
}

#[test]
fn each_kind_of_damage_is_found() {
    let found = |sample: &Sample<All>, what: &str| {
        let (findings, _) = findings(sample);
        assert!(findings.iter().any(|finding| finding.what.contains(what)), "{what}: {findings:?}");
    };
    let sample = sample::<All>(all);
    let root = sample.object.place().0;
    let word = |at: u64| sample.segment.map().word(at).unwrap().get();
    let fields: Vec<u64> =
        sample.plan.node(0).variants[0].fields.iter().map(|field| root + field.offset as u64).collect();
    let (vec, hash, tree, numbers, set) = (fields[0], fields[1], fields[2], fields[3], fields[4]);
    let block = word(vec);
    type Damage = (u64, fn(u64) -> u64, &'static str);
    let damages: Vec<Damage> = vec![
        (vec + 8, |_| 1 << 50, "length or capacity cannot be"),
        (vec, |_| 1 << 45, "outside the file"),
        (vec, |offset| offset + 64, ""),
        (block, |_| 0x0202_0202_0202_0202, ""),
        (hash, |len| len + 1, "another number of entries"),
        (hash + 8, |left| left + 50, "room for more than fits"),
        (hash + 32, |seed| seed ^ 1, "hash"),
        (hash + 24, |slots| slots + 1, "number of slots"),
        (word(hash + 16), |word| word ^ 0x0101_0101_0101_0101, "hash"),
        (tree + 8, |_| 41, "levels cannot be"),
        (tree + 16, |len| len - 1, "another number of entries"),
        (word(numbers), |_| 0, "zero and must not be"),
        (word(set) + 16, |key| key + 1, "separator"),
        (word(word(set) + 512) + 40, |_| 0, "out of order"),
        (word(word(set) + 512) + 24, |_| 0, "linked"),
        (word(word(set) + 512) + 8, |_| 1000, "more keys than fit"),
        (word(set) + 512, |_| 0, "outside the file"),
    ];
    assert_eq!(findings(&sample).0, vec![]);
    for (number, (offset, change, what)) in damages.into_iter().enumerate() {
        let old = spoil(&sample, offset, change);
        let (all, _) = findings(&sample);
        assert!(!all.is_empty(), "{number} {what}: nothing found");
        found(&sample, what);
        spoil(&sample, offset, |_| old);
    }
    assert_eq!(findings(&sample).0, vec![]);
    // Two headers for one block.
    let (block, size) = (
        word(vec),
        sample.plan.node(sample.plan.entries(sample.plan.node(0).variants[0].fields[0].node).0.unwrap()).size as u64,
    );
    let kept: Vec<u64> = (0..size / 8).map(|n| word(block + 3 * size + n * 8)).collect();
    for n in 0..size / 8 {
        spoil(&sample, block + 4 * size + n * 8, |_| kept[n as usize]);
    }
    found(&sample, "belongs to something else");
    assert!(findings(&sample).0[0].place.starts_with("it.0[4].2"), "{:?}", findings(&sample).0[0].place);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn no_damage_makes_a_walk_crash_or_go_on_for_ever(damage in prop::collection::vec((any::<u64>(), 0..7u8, any::<u64>()), 1..20)) {
        let sample = sample::<All>(all);
        let blocks = blocks(&sample);
        let root = (sample.object.place().0, sample.plan.node(0).size as u64);
        for (place, kind, random) in damage {
            // Small blocks and large ones alike, and the root often.
            let pick = place as usize % (blocks.len() + blocks.len() / 8 + 1);
            let (start, bytes) = blocks.get(pick).map_or(root, |block| (block.offset, block.bytes));
            let offset = start + (place >> 20) % bytes.max(1) & !7;
            let target = blocks[random as usize % blocks.len()].offset;
            spoil(&sample, offset, |word| match kind {
                0 => random,
                1 => word ^ 1 << (random % 64),
                2 => target,
                3 => random % 64,
                4 => sample.segment.size() - random % 4096,
                5 => u64::MAX - random % 4,
                _ => start,
            });
        }
        let started = std::time::Instant::now();
        findings(&sample);
        let _ = size(&sample.segment, &sample.plan, root.0);
        prop_assert!(started.elapsed() < std::time::Duration::from_secs(20), "it took {:?}", started.elapsed());
    }

    #[test]
    fn no_description_makes_a_walk_crash_or_go_on_for_ever(damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let sample = sample::<All>(all);
        let mut bytes = Description::of::<All>().to_bytes();
        for (place, byte) in damage {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let plan = Description::from_bytes(&bytes).and_then(Plan::new);
        if let Ok(plan) = plan {
            let started = std::time::Instant::now();
            let root = sample.object.place().0;
            let _locked = sample.object.read().unwrap();
            check(sample.segment.map(), &plan, root, "it", &mut Claims::of(sample.segment.map()));
            let _ = size(&sample.segment, &plan, root);
            prop_assert!(started.elapsed() < std::time::Duration::from_secs(20), "it took {:?}", started.elapsed());
        }
    }
}

#[test]
fn descriptions_of_values_that_lie_in_themselves_or_over_each_other_are_refused() {
    let refused = |change: fn(&mut Description)| {
        let mut description = Description::of::<(u64, (String, bool), [u8; 4])>();
        assert!(Plan::new(description.clone()).is_ok());
        change(&mut description);
        assert!(Plan::new(description).is_err());
    };
    refused(|description| description.nodes[0].variants[0].fields[1].node = 0);
    refused(|description| description.nodes[0].variants[0].fields[1].offset = 0);
    refused(|description| description.nodes[0].variants[0].fields[1].offset = 1 << 20);
    refused(|description| description.nodes[0].variants[0].fields[1].offset = 9);
    refused(|description| description.nodes[1].size = 3);
    refused(|description| {
        let text = description.nodes.iter().position(|node| node.name == "String").unwrap();
        description.nodes[text].size = 32;
    });
    refused(|description| {
        let inner = description.nodes[0].variants[0].fields[1].node;
        description.nodes[inner].variants[0].fields[1].node = inner;
    });
}

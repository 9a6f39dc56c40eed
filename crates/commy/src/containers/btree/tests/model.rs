//! Maps and sets against those of std, through two attachments alternately, with commits and rollbacks.

use super::check::{check, check_set};
use crate::containers::btree::tree::Tree;
use crate::containers::vec::testing::{groups, run};
use crate::containers::{BTreeMapView, BTreeSetView, Entry, OccupiedEntry};
use crate::schema::{Key, Lookup};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fmt::Debug;
use std::ops::Bound;

/// What is done to a map whose keys come from a number.
#[derive(Clone, Debug)]
enum Act {
    Insert(u16, u32),
    Remove(u16),
    RemoveEntry(u16),
    PopFirst(usize),
    PopLast(usize),
    Entry(u16, u32),
    GetMut(u16, u32),
    /// Puts in `many` keys, each `step` from the one before.
    Extend(u16, u16, usize),
    /// Takes the same out one by one.
    Without(u16, u16, usize),
    Retain(u32),
    IterMut(u32),
    RangeMut(u16, u16, u32),
    Look(u16, u16),
    SplitOff(u16),
    /// By the entry API, in one of several ways.
    Enter(u16, u8, u32),
    EdgeEntry(bool, u8, u32),
    Disjoint([u16; 3], u32),
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    use Act::*;
    let key = || prop_oneof![0..40u16, any::<u16>()];
    let many = || prop_oneof![4 => 1..40usize, 1 => 200..1500usize];
    let step = || prop_oneof![Just(1), Just(u16::MAX), any::<u16>()];
    prop_oneof![
        8 => (key(), any::<u32>()).prop_map(|(k, v)| Insert(k, v)),
        6 => key().prop_map(Remove),
        1 => key().prop_map(RemoveEntry),
        2 => many().prop_map(PopFirst),
        2 => many().prop_map(PopLast),
        2 => (key(), any::<u32>()).prop_map(|(k, v)| Entry(k, v)),
        2 => (key(), any::<u32>()).prop_map(|(k, v)| GetMut(k, v)),
        6 => (key(), step(), many()).prop_map(|(k, s, n)| Extend(k, s, n)),
        5 => (key(), step(), many()).prop_map(|(k, s, n)| Without(k, s, n)),
        1 => (1..9u32).prop_map(Retain),
        1 => any::<u32>().prop_map(IterMut),
        1 => (key(), key(), any::<u32>()).prop_map(|(a, b, v)| RangeMut(a, b, v)),
        4 => (key(), key()).prop_map(|(a, b)| Look(a, b)),
        1 => key().prop_map(SplitOff),
        4 => (key(), any::<u8>(), any::<u32>()).prop_map(|(k, way, v)| Enter(k, way, v)),
        2 => (any::<bool>(), any::<u8>(), any::<u32>()).prop_map(|(last, way, v)| EdgeEntry(last, way, v)),
        1 => ([key(), key(), key()], any::<u32>()).prop_map(|(k, v)| Disjoint(k, v)),
        1 => Just(Clear),
    ]
}

fn keys(start: u16, step: u16, many: usize) -> impl Iterator<Item = u16> {
    (0..many as u16).map(move |i| start.wrapping_add(step.wrapping_mul(i)))
}

/// Does the same to both maps. Values are numbers, so that every method can be used.
fn apply<K>(view: &mut BTreeMapView<K, u32>, model: &mut BTreeMap<K, u32>, act: Act, key: impl Fn(u16) -> K)
where
    K: Key + Lookup<K> + Ord + Clone + Debug,
{
    match act {
        Act::Insert(k, v) => assert_eq!(view.insert(key(k), v).unwrap(), model.insert(key(k), v)),
        Act::Remove(k) => assert_eq!(view.remove(&key(k)).unwrap(), model.remove(&key(k))),
        Act::RemoveEntry(k) => assert_eq!(view.remove_entry(&key(k)).unwrap(), model.remove_entry(&key(k))),
        Act::PopFirst(n) => (0..n).for_each(|_| assert_eq!(view.pop_first().unwrap(), model.pop_first())),
        Act::PopLast(n) => (0..n).for_each(|_| assert_eq!(view.pop_last().unwrap(), model.pop_last())),
        Act::Entry(k, v) => {
            let lent = view.entry_or_insert(&key(k), v).unwrap();
            *lent = lent.wrapping_add(1);
            let lent = model.entry(key(k)).or_insert(v);
            *lent = lent.wrapping_add(1);
        }
        Act::GetMut(k, v) => {
            let (mut lent, mut other) = (view.get_mut(&key(k)), model.get_mut(&key(k)));
            assert_eq!(lent, other);
            lent.iter_mut().chain(&mut other).for_each(|lent| **lent = v);
        }
        Act::Extend(start, step, many) => {
            view.extend(keys(start, step, many).map(|k| (key(k), u32::from(k)))).unwrap();
            model.extend(keys(start, step, many).map(|k| (key(k), u32::from(k))));
        }
        Act::Without(start, step, many) => {
            for k in keys(start, step, many).map(key) {
                assert_eq!(view.remove(&k).unwrap(), model.remove(&k));
            }
        }
        Act::Retain(m) => {
            let wanted = |v: &mut u32| {
                *v = v.wrapping_add(1);
                *v % m != 0
            };
            view.retain(|_, v| wanted(v)).unwrap();
            model.retain(|_, v| wanted(v));
        }
        Act::IterMut(v) => {
            view.iter_mut().for_each(|(_, value)| *value ^= v);
            model.values_mut().for_each(|value| *value ^= v);
        }
        Act::RangeMut(a, b, v) => {
            let range = key(a).min(key(b))..key(a).max(key(b));
            view.range_mut(range.clone()).for_each(|(_, value)| *value ^= v);
            model.range_mut(range).for_each(|(_, value)| *value ^= v);
        }
        Act::Look(a, b) => look(view, model, key(a).min(key(b)), key(a).max(key(b))),
        Act::SplitOff(k) => assert_eq!(view.split_off(&key(k)).unwrap(), model.split_off(&key(k))),
        Act::Enter(k, way, v) => enter(view, model, key(k), way, v),
        Act::EdgeEntry(last, way, v) => {
            let own = if last { view.last_entry() } else { view.first_entry() };
            let known = if last { model.last_entry() } else { model.first_entry() };
            match (own.unwrap(), known) {
                (Some(own), Some(known)) => occupied(own, known, way, v),
                (own, known) => assert!(own.is_none() && known.is_none()),
            }
        }
        Act::Disjoint(k, v) => {
            let keys = k.map(&key);
            let mut known = k.to_vec();
            known.sort_unstable();
            known.dedup();
            match view.get_disjoint_mut([&keys[0], &keys[1], &keys[2]]) {
                Ok(lent) => {
                    for (lent, key) in lent.into_iter().zip(&keys) {
                        assert_eq!(lent.as_deref(), model.get(key));
                        lent.into_iter().chain(model.get_mut(key)).for_each(|value| *value = v);
                    }
                }
                Err(_) => assert!(known.len() < 3 && keys.iter().any(|key| model.contains_key(key))),
            }
        }
        Act::Clear => {
            view.clear().unwrap();
            model.clear();
        }
    }
    check(view);
    assert_eq!(view.len(), model.len());
}

/// Does the same to both entries of a key.
fn enter<K>(view: &mut BTreeMapView<K, u32>, model: &mut BTreeMap<K, u32>, key: K, way: u8, v: u32)
where
    K: Key + Lookup<K> + Ord + Clone + Debug,
{
    let change = |value: &mut u32| *value = value.wrapping_mul(3);
    match way % 5 {
        0 => {
            let own = view.entry(key.clone()).unwrap().and_modify(change).unwrap().or_insert(v).unwrap();
            assert_eq!(own, model.entry(key).and_modify(change).or_insert(v));
        }
        1 => {
            let own = view.entry(key.clone()).unwrap().insert_entry(v).unwrap();
            assert_eq!(own.get(), model.entry(key).insert_entry(v).get());
        }
        2 => {
            *view.entry(key.clone()).unwrap().or_default().unwrap() ^= v;
            *model.entry(key).or_default() ^= v;
        }
        3 => {
            let own = view.try_insert(key.clone(), v).unwrap().copied();
            assert_eq!(own, (!model.contains_key(&key)).then_some(v));
            model.entry(key).or_insert(v);
        }
        _ => match (view.entry(key.clone()).unwrap(), model.entry(key.clone())) {
            (Entry::Occupied(own), btree_map::Entry::Occupied(known)) => occupied(own, known, way / 5, v),
            (Entry::Vacant(own), btree_map::Entry::Vacant(known)) => {
                assert_eq!(own.key(), known.key());
                assert_eq!(own.into_key(), key);
            }
            _ => panic!("only one of both has {key:?}"),
        },
    }
}

/// Does the same to both.
fn occupied<'a, K>(
    mut own: OccupiedEntry<'a, Tree<'a, K, u32>>,
    mut known: btree_map::OccupiedEntry<'a, K, u32>,
    way: u8,
    v: u32,
) where
    K: Key + Ord + Clone + Debug,
{
    assert_eq!(own.get(), known.get());
    match way % 4 {
        0 => assert_eq!(own.remove_entry().unwrap(), known.remove_entry()),
        1 => assert_eq!(own.insert(v).unwrap(), known.insert(v)),
        2 => {
            *own.get_mut() ^= v;
            *known.get_mut() ^= v;
        }
        _ => {
            *own.into_mut().unwrap() ^= v;
            *known.into_mut() ^= v;
        }
    }
}

/// Compares what the reading methods see.
fn look<K>(view: &BTreeMapView<K, u32>, model: &BTreeMap<K, u32>, a: K, b: K)
where
    K: Key + Lookup<K> + Ord + Clone + Debug,
{
    let load = |entry: Option<(K::Ref<'_>, &u32)>| entry.map(|(_, value)| *value);
    let value = |entry: Option<(&K, &u32)>| entry.map(|(_, value)| *value);
    assert_eq!(view.get(&a), model.get(&a));
    assert_eq!(view.contains_key(&b), model.contains_key(&b));
    assert_eq!(load(view.first_key_value()), value(model.first_key_value()));
    assert_eq!(load(view.last_key_value()), value(model.last_key_value()));
    assert_eq!(view.to_map().unwrap(), *model);
    assert!(*view == *model);
    assert!(view.values().eq(model.values()));
    assert!(view.values().rev().eq(model.values().rev()));
    assert_eq!(view.iter().len(), model.len());
    let bounds = |k: &K| [Bound::Included(k.clone()), Bound::Excluded(k.clone()), Bound::Unbounded];
    for (from, to) in bounds(&a).iter().flat_map(|from| bounds(&b).map(|to| (from.clone(), to))) {
        if a == b && matches!((&from, &to), (Bound::Excluded(_), Bound::Excluded(_))) {
            assert_eq!(view.range::<K, _>((from, to)).count(), 0);
            continue;
        }
        let (range, other) = (view.range::<K, _>((from.clone(), to.clone())), model.range((from, to)));
        assert!(range.clone().map(|(_, v)| v).eq(other.clone().map(|(_, v)| v)));
        assert!(range.clone().rev().map(|(_, v)| v).eq(other.clone().rev().map(|(_, v)| v)));
        // From both ends in turns, until they meet.
        let (mut range, mut other, mut turn) = (range, other, 0);
        loop {
            turn += 1;
            let (own, theirs) =
                if turn % 3 == 0 { (range.next_back(), other.next_back()) } else { (range.next(), other.next()) };
            assert_eq!(load(own), value(theirs));
            if theirs.is_none() {
                break;
            }
        }
    }
    if a != b {
        assert_eq!(view.range(b..a).count(), 0, "a range that ends before it begins");
    }
}

/// A key so large that a node has room for four of them.
type Wide = [u64; 60];

fn wide(k: u16) -> Wide {
    let mut key = [7; 60];
    key[59] = u64::from(k);
    key
}

fn text(k: u16) -> String {
    format!("{}{k}", "key of some length ".repeat(usize::from(k % 3)))
}

fn apply_to_set(view: &mut BTreeSetView<String>, model: &mut BTreeSet<String>, act: Act) {
    match act {
        Act::Insert(k, _) | Act::Entry(k, _) | Act::Enter(k, ..) | Act::Disjoint([k, ..], _) => {
            assert_eq!(view.insert(text(k)).unwrap(), model.insert(text(k)));
        }
        Act::EdgeEntry(..) => assert_eq!(view.pop_first().unwrap(), model.pop_first()),
        Act::GetMut(k, _) => assert_eq!(view.replace(text(k)).unwrap(), model.replace(text(k))),
        Act::Remove(k) => assert_eq!(view.remove(text(k).as_str()).unwrap(), model.remove(&text(k))),
        Act::RemoveEntry(k) => assert_eq!(view.take(text(k).as_str()).unwrap(), model.take(&text(k))),
        Act::PopFirst(n) => (0..n).for_each(|_| assert_eq!(view.pop_first().unwrap(), model.pop_first())),
        Act::PopLast(n) => (0..n).for_each(|_| assert_eq!(view.pop_last().unwrap(), model.pop_last())),
        Act::Extend(start, step, many) => {
            view.extend(keys(start, step, many).map(text)).unwrap();
            model.extend(keys(start, step, many).map(text));
        }
        Act::Without(start, step, many) => {
            for k in keys(start, step, many).map(text) {
                assert_eq!(view.remove(&k).unwrap(), model.remove(&k));
            }
        }
        Act::Retain(m) | Act::IterMut(m) | Act::RangeMut(_, _, m) => {
            view.retain(|s| s.len() as u32 % m.max(1) != 0).unwrap();
            model.retain(|s| s.len() as u32 % m.max(1) != 0);
        }
        Act::Look(a, b) => {
            assert_eq!(view.get(text(a).as_str()), model.get(&text(a)).map(String::as_str));
            assert_eq!(view.contains(&text(b)), model.contains(&text(b)));
            assert_eq!((view.first(), view.last()), (model.first().map(|s| &**s), model.last().map(|s| &**s)));
            assert!(view.iter().eq(model.iter()) && view.iter().rev().eq(model.iter().rev()));
            let (a, b) = (text(a).min(text(b)), text(a).max(text(b)));
            assert!(view.range::<String, _>(&a..).eq(model.range(a.clone()..)));
            assert!(view.range(..=b.clone()).rev().eq(model.range(..=b).rev()));
            assert!(*view == *model);
        }
        Act::SplitOff(k) => assert_eq!(view.split_off(text(k).as_str()).unwrap(), model.split_off(&text(k))),
        Act::Clear => {
            view.clear().unwrap();
            model.clear();
        }
    }
    check_set(view);
    assert_eq!(view.len(), model.len());
}

/// Values that own memory: a map from names to numbers.
fn apply_nested(view: &mut BTreeMapView<String, Vec<u32>>, model: &mut BTreeMap<String, Vec<u32>>, act: Act) {
    match act {
        Act::Insert(k, v) => {
            let value = vec![v; usize::from(k % 9)];
            assert_eq!(view.insert(text(k), value.clone()).unwrap(), model.insert(text(k), value));
        }
        Act::Enter(k, way, v) => {
            let entry = view.entry(text(k)).unwrap().and_modify(|list| list.push(v).unwrap()).unwrap();
            let known = model.entry(text(k)).and_modify(|list| list.push(v));
            if way % 2 == 0 {
                entry.insert_entry(vec![v; 30]).unwrap();
                known.insert_entry(vec![v; 30]);
            } else {
                entry.or_insert_with(|| vec![v]).unwrap().push(1).unwrap();
                known.or_insert_with(|| vec![v]).push(1);
            }
        }
        Act::EdgeEntry(last, ..) => {
            let entry = if last { view.last_entry() } else { view.first_entry() };
            let known = if last { model.last_entry() } else { model.first_entry() };
            let known = known.map(|entry| (entry.key().clone(), entry.remove()));
            assert_eq!(entry.unwrap().map(|entry| (entry.key().to_owned(), entry.remove().unwrap())), known);
        }
        Act::Disjoint([a, b, _], v) if a != b => {
            let (a, b) = (text(a), text(b));
            let lent = view.get_disjoint_mut([a.as_str(), b.as_str()]).unwrap();
            for (lent, key) in lent.into_iter().zip([a, b]) {
                assert_eq!(lent.is_some(), model.contains_key(&key));
                if let (Some(lent), Some(known)) = (lent, model.get_mut(&key)) {
                    lent.extend([v; 9]).unwrap();
                    known.extend([v; 9]);
                }
            }
        }
        Act::Disjoint([k, ..], v) | Act::Entry(k, v) | Act::RangeMut(k, _, v) => {
            view.entry_or_default(text(k).as_str()).unwrap().push(v).unwrap();
            model.entry(text(k)).or_default().push(v);
        }
        Act::GetMut(k, v) => match (view.get_mut(text(k).as_str()), model.get_mut(&text(k))) {
            (Some(own), Some(other)) => {
                own.push(v).unwrap();
                other.push(v);
            }
            (own, other) => assert!(own.is_none() && other.is_none()),
        },
        Act::Remove(k) => assert_eq!(view.remove(text(k).as_str()).unwrap(), model.remove(&text(k))),
        Act::RemoveEntry(k) => assert_eq!(view.remove_entry(&text(k)).unwrap(), model.remove_entry(&text(k))),
        Act::PopFirst(n) => (0..n).for_each(|_| assert_eq!(view.pop_first().unwrap(), model.pop_first())),
        Act::PopLast(n) => (0..n).for_each(|_| assert_eq!(view.pop_last().unwrap(), model.pop_last())),
        Act::Extend(start, step, many) => {
            let many = many.min(300);
            view.extend(keys(start, step, many).map(|k| (text(k), vec![u32::from(k)]))).unwrap();
            model.extend(keys(start, step, many).map(|k| (text(k), vec![u32::from(k)])));
        }
        Act::Without(start, step, many) => {
            for k in keys(start, step, many.min(300)).map(text) {
                assert_eq!(view.remove(&k).unwrap(), model.remove(&k));
            }
        }
        Act::Retain(m) | Act::IterMut(m) => {
            let m = m.max(1) as usize;
            view.retain(|_, v| v.push(1).is_ok() && v.len() % m != 0).unwrap();
            model.retain(|_, v| {
                v.push(1);
                v.len() % m != 0
            });
        }
        Act::Look(k, _) => {
            assert_eq!(view.get(text(k).as_str()).map(|v| v.to_vec().unwrap()), model.get(&text(k)).cloned());
            assert!(view.keys().eq(model.keys()) && view.keys().rev().eq(model.keys().rev()));
            assert!(view.values().zip(model.values()).all(|(own, other)| own == other));
        }
        Act::SplitOff(k) => assert_eq!(view.split_off(text(k).as_str()).unwrap(), model.split_off(&text(k))),
        Act::Clear => {
            view.clear().unwrap();
            model.clear();
        }
    }
    check(view);
    assert_eq!(view.len(), model.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_map_of_numbers_never_differs_from_that_of_std(groups in groups(act())) {
        run::<BTreeMap<u64, u32>, _>(groups, |view, model, act| apply(view, model, act, u64::from), |view| view.clear().unwrap());
    }

    #[test]
    fn a_deep_tree_of_large_keys_never_differs_from_the_map_of_std(groups in groups(act())) {
        run::<BTreeMap<Wide, u32>, _>(groups, |view, model, act| apply(view, model, act, wide), |view| view.clear().unwrap());
    }

    #[test]
    fn a_map_of_texts_never_differs_from_that_of_std(groups in groups(act())) {
        run::<BTreeMap<String, u32>, _>(groups, |view, model, act| apply(view, model, act, text), |view| view.clear().unwrap());
    }

    #[test]
    fn a_map_of_vectors_never_differs_from_that_of_std_and_leaks_nothing(groups in groups(act())) {
        run::<BTreeMap<String, Vec<u32>>, _>(groups, apply_nested, |view| view.clear().unwrap());
    }

    #[test]
    fn a_set_never_differs_from_that_of_std(groups in groups(act())) {
        run::<BTreeSet<String>, _>(groups, apply_to_set, |view| view.clear().unwrap());
    }
}

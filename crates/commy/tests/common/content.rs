//! Content of all kinds, for tests that need something to damage, copy or compare.

use commy::{Error, Result, Segment, Share, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// A type of one's own, which holds itself.
#[derive(Share, Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub name: String,
    pub weight: f64,
    pub parts: Vec<Part>,
}

/// Alternatives, with and without content.
#[derive(Share, Clone, Debug, Default, PartialEq)]
pub enum State {
    #[default]
    Idle,
    Running {
        job: String,
        since: u64,
    },
    Failed(Vec<String>),
}

pub type Nested = HashMap<String, BTreeMap<u32, Vec<Option<String>>>>;

/// How many objects [`fill`] makes, besides those that it removes again.
pub const OBJECTS: usize = 12;

fn text(n: u64) -> String {
    format!("text {n} {}", "x".repeat((n * 7 % 60) as usize))
}

/// Fills a segment with objects of all kinds; `scale` says how much there is of each.
pub fn fill(segment: &Segment, scale: u64) -> Result<()> {
    let numbers = || 0..scale;
    let put = |name: &str| format!("all/{name}");
    segment.open_or_create_with(&put("words"), || numbers().map(|n| (text(n), n)).collect::<HashMap<_, _>>())?;
    segment.open_or_create_with(&put("set"), || numbers().map(|n| n as u32 * 3).collect::<HashSet<_>>())?;
    segment.open_or_create_with(&put("tree"), || {
        numbers().map(|n| (text(n), vec![n as u8; n as usize])).collect::<BTreeMap<_, _>>()
    })?;
    segment.open_or_create_with(&put("ordered"), || numbers().map(|n| n * n).collect::<BTreeSet<_>>())?;
    segment.open_or_create_with(&put("list"), || numbers().map(text).collect::<Vec<_>>())?;
    segment.open_or_create_with(&put("queue"), || numbers().map(|n| (n as u32, text(n))).collect::<VecDeque<_>>())?;
    segment.open_or_create_with(&put("nested"), || {
        let inner = |n: u64| (0..n % 5).map(|m| (m as u32, vec![Some(text(m)), None])).collect::<BTreeMap<_, _>>();
        numbers().map(|n| (text(n), inner(n))).collect::<Nested>()
    })?;
    segment.open_or_create_with(&put("text"), || text(scale))?;
    segment.open_or_create_with(&put("boxed"), || Some(Box::new(numbers().collect::<Vec<_>>())))?;
    segment.open_or_create_with(&put("states"), || {
        let state = |n: u64| match n % 3 {
            0 => State::Idle,
            1 => State::Running { job: text(n), since: n },
            _ => State::Failed(vec![text(n); 3]),
        };
        numbers().map(state).collect::<Vec<_>>()
    })?;
    segment.open_or_create_with(&put("part"), || {
        let leaf = |n| Part { name: text(n), weight: n as f64, parts: vec![] };
        let middle = Part { name: text(7), weight: 0.5, parts: numbers().map(leaf).collect() };
        Part { parts: vec![middle.clone(), middle], ..leaf(1) }
    })?;
    segment.open_or_create_with(&put("count"), || AtomicU64::new(scale))?;
    for n in 0..6 {
        segment.open_or_create_with(&format!("gone/{n}"), || vec![text(n); 5])?;
    }
    segment.open_or_create_with("gone/count", || AtomicU64::new(0))?;
    for name in segment.objects_under("gone/")? {
        segment.remove(&name)?;
    }
    Ok(())
}

/// Does something to the value of an object in each of the ways that its type has: tries, whatever comes of it.
pub trait Use: commy::Object + Default {
    fn change(object: &Shared<Self>, n: u64) -> Result<()>;
}

macro_rules! used {
    ($($type:ty => |$object:ident, $n:ident| $body:block)*) => {$(
        impl Use for $type {
            fn change($object: &Shared<$type>, $n: u64) -> Result<()> {
                $body
                Ok(())
            }
        }
    )*};
}

used! {
    HashMap<String, u64> => |object, n| {
        let mut map = object.write()?;
        let sum: u64 = map.iter().map(|(key, value)| key.len() as u64 ^ value).fold(0, |a, b| a ^ b);
        map.insert(text(n), sum)?;
        map.remove(&text(n / 2))?;
        (0..20).try_for_each(|m| map.insert(text(1000 + m), n).map(drop))?;
        map.retain(|_, value| *value % 3 != 0)?;
        map.commit()?;
    }
    HashSet<u32> => |object, n| {
        let mut set = object.write()?;
        let _ = set.iter().count();
        set.insert(n as u32)?;
        set.remove(&(n as u32 / 3 * 3))?;
        set.commit()?;
    }
    BTreeMap<String, Vec<u8>> => |object, n| {
        let mut map = object.write()?;
        let _ = map.iter().map(|(key, value)| key.len() + value.len()).fold(0, usize::wrapping_add);
        let _ = map.range(text(3)..).rev().take(10).count();
        map.insert(text(n), vec![1; 100])?;
        map.remove(&text(n / 3))?;
        map.pop_first()?;
        map.commit()?;
    }
    BTreeSet<u64> => |object, n| {
        let mut set = object.write()?;
        let _ = (set.iter().count(), set.first().copied(), set.last().copied());
        set.insert(n)?;
        set.pop_last()?;
        set.commit()?;
    }
    Vec<String> => |object, n| {
        let mut list = object.write()?;
        let _ = list.iter().map(|text| text.len()).fold(0, usize::wrapping_add);
        list.push(text(n))?;
        list.insert(0, text(n + 1))?;
        list.swap_remove(1)?;
        list.pop()?;
        list.truncate(5)?;
        list.commit()?;
    }
    VecDeque<(u32, String)> => |object, n| {
        let mut queue = object.write()?;
        let _ = queue.iter().count();
        queue.push_front((1, text(n)))?;
        queue.push_back((2, text(n)))?;
        queue.pop_front()?;
        queue.pop_front()?;
        queue.commit()?;
    }
    Nested => |object, n| {
        let mut map = object.write()?;
        let _ = map.iter().map(|(_, inner)| inner.len()).fold(0, usize::wrapping_add);
        map.insert(text(n), BTreeMap::from([(1, vec![Some(text(n))])]))?;
        map.remove(&text(n / 2))?;
        map.commit()?;
    }
    String => |object, n| {
        let mut string = object.write()?;
        string.push_str(&text(n))?;
        let _ = string.len();
        string.commit()?;
    }
    Option<Box<Vec<u64>>> => |object, n| {
        object.store(Some(Box::new(vec![n; 50])))?;
        object.store(None)?;
    }
    Vec<State> => |object, n| {
        let mut list = object.write()?;
        list.push(State::Failed(vec![text(n)]))?;
        list.remove(0)?;
        list.commit()?;
    }
    Part => |object, n| {
        let part = object.load()?;
        object.store(Part { parts: vec![part.clone(), part], name: text(n), weight: 1.0 })?;
    }
}

fn try_object<T: Use + Share>(segment: &Segment, name: &str, n: u64, write: bool) -> Result<()> {
    let object: Shared<T> = segment.open(&format!("all/{name}"))?;
    let loaded = object.load().map(drop);
    if !write {
        return loaded;
    }
    T::change(&object, n).and(loaded)
}

/// Reads all objects that [`fill`] made, and changes them if it may `write`. Gives the errors.
pub fn try_all(segment: &Segment, n: u64, write: bool) -> Vec<Error> {
    let results = [
        try_object::<HashMap<String, u64>>(segment, "words", n, write),
        try_object::<HashSet<u32>>(segment, "set", n, write),
        try_object::<BTreeMap<String, Vec<u8>>>(segment, "tree", n, write),
        try_object::<BTreeSet<u64>>(segment, "ordered", n, write),
        try_object::<Vec<String>>(segment, "list", n, write),
        try_object::<VecDeque<(u32, String)>>(segment, "queue", n, write),
        try_object::<Nested>(segment, "nested", n, write),
        try_object::<String>(segment, "text", n, write),
        try_object::<Option<Box<Vec<u64>>>>(segment, "boxed", n, write),
        try_object::<Vec<State>>(segment, "states", n, write),
        try_object::<Part>(segment, "part", n, write),
        (if write { segment.open::<AtomicU64>("all/count") } else { return_nothing() }).map(|count| {
            count.fetch_add(1, Ordering::Relaxed);
        }),
    ];
    results.into_iter().filter_map(Result::err).filter(|error| !matches!(error, Error::ReadOnly)).collect()
}

/// Atomics cannot be used read-only.
fn return_nothing() -> Result<Shared<AtomicU64>> {
    Err(Error::ReadOnly)
}

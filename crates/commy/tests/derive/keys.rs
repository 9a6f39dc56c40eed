//! Keys.

use super::{Cell, Level, Name, Shape, State, Two};
use commy::{Key, Lookup, Share, Shared};
use std::collections::{BTreeMap, HashMap};

/// A key of everything.
type Composed = (Option<Name>, Box<u16>, State);

fn composed() -> [Composed; 4] {
    let key = |name: Option<&str>, number: u16, state| (name.map(|name| Name(name.into(), 0)), Box::new(number), state);
    [
        key(Some("b"), 1, State::Idle),
        key(None, 2, State::Busy),
        key(Some("a"), 9, State::Idle),
        key(None, 2, State::Idle),
    ]
}

/// What a stored key hashes to and what a borrowed one does must be the same for all derived kinds: a type
/// that is generic over its field.
#[derive(Clone, Debug, PartialEq, Eq, Share, Hash, Key)]
struct Keyed<T> {
    name: String,
    part: T,
}

#[test]
fn derived_keys_find_their_values() {
    let two = Two::new();
    let cell = |small, level| Cell { small, large: 5, level };
    let cells: Shared<HashMap<Cell, u32>> = two.here.open_or_create("cells").unwrap();
    cells.write().unwrap().insert(cell(1, Level::Low), 1).unwrap();
    cells.write().unwrap().insert(cell(1, Level::High), 2).unwrap();
    assert_eq!(cells.read().unwrap().get(&cell(1, Level::High)), Some(&2));
    assert_eq!(cells.read().unwrap().get(&cell(2, Level::High)), None);

    let shapes: Shared<HashMap<Shape, String>> = two.here.open_or_create("shapes").unwrap();
    let nested = Shape::Named("n".into(), Box::new(Shape::Circle { radius: 1 }));
    for shape in [Shape::Empty, Shape::Circle { radius: 1 }, Shape::Circle { radius: 2 }, nested.clone()] {
        shapes.write().unwrap().insert(shape.clone(), format!("{shape:?}")).unwrap();
    }
    assert_eq!(shapes.read().unwrap().get(&nested), Some(format!("{nested:?}").as_str()));
    assert_eq!(shapes.read().unwrap().get(&Shape::Circle { radius: 3 }), None);
    assert_eq!(shapes.read().unwrap().get(&Shape::Empty), Some("Empty"));

    let hashed: Shared<HashMap<Composed, u32>> = two.here.open_or_create("hashed").unwrap();
    let [first, second, ..] = composed();
    hashed.write().unwrap().insert(first.clone(), 5).unwrap();
    assert_eq!(hashed.read().unwrap().get(&first), Some(&5));
    assert_eq!(hashed.read().unwrap().get(&second), None);
}

#[test]
fn derived_keys_are_ordered_by_their_fields() {
    let two = Two::new();
    let levels: Shared<BTreeMap<Level, u8>> = two.here.open_or_create("levels").unwrap();
    for (index, level) in [Level::High, Level::Low, Level::Normal].into_iter().enumerate() {
        levels.write().unwrap().insert(level, u8::try_from(index).unwrap()).unwrap();
    }
    let order: Vec<Level> = levels.read().unwrap().iter().map(|(level, _)| *level).collect();
    assert_eq!(order, [Level::Low, Level::Normal, Level::High]);

    let map: Shared<BTreeMap<Composed, u32>> = two.here.open_or_create("composed").unwrap();
    for (index, key) in composed().into_iter().enumerate() {
        map.write().unwrap().insert(key, u32::try_from(index).unwrap()).unwrap();
    }
    let order: Vec<u32> = map.read().unwrap().iter().map(|(_, index)| *index).collect();
    assert_eq!(order, [3, 1, 2, 0]);
    assert_eq!(map.read().unwrap().get(&composed()[2]), Some(&2));
}

#[test]
fn a_generic_key_asks_for_a_key() {
    fn assert<T: Key + Lookup<T>>() {}
    assert::<Keyed<Keyed<u8>>>();
    let two = Two::new();
    let map: Shared<HashMap<Keyed<Shape>, u8>> = two.here.open_or_create("keyed").unwrap();
    let key = Keyed { name: "k".into(), part: Shape::Circle { radius: 1 } };
    map.write().unwrap().insert(key.clone(), 1).unwrap();
    assert_eq!(map.read().unwrap().get(&key), Some(&1));
}

//! The lines of the guide's reference, container by container.

use commy::{
    FreeListAllocator, Result, SharedBTreeMap, SharedBTreeSet, SharedBox, SharedHashMap, SharedHashSet, SharedString,
    SharedVec, SharedVecDeque,
};
use std::alloc::Layout;
use std::fs;
use std::ops::{Deref, DerefMut};

pub fn main() -> Result<()> {
    fs::write("snippets.mmap", vec![0u8; 1024 * 1024])?;
    let file = fs::OpenOptions::new().read(true).write(true).open("snippets.mmap")?;
    // SAFETY: nobody else has the file.
    let mmap = unsafe { memmap2::MmapMut::map_mut(&file)? };
    let allocator = FreeListAllocator::new(mmap, "snippets.mmap");

    let layout = Layout::new::<[u8; 100]>();
    let block = allocator.allocate(layout)?;
    allocator.deallocate(block.cast(), layout);

    let mut vec: SharedVec<i32> = SharedVec::new_in(&allocator);
    assert_eq!((vec.capacity(), vec.is_empty()), (0, true));
    let capacities = [1, 2, 3, 4].map(|number| {
        vec.push(number);
        vec.capacity()
    });
    assert_eq!(capacities, [1, 2, 3, 5]);
    if let Some(first) = vec.get_mut(0) {
        *first += 10;
    }
    assert_eq!((vec.get(0), vec[1]), (Some(&11), 2));
    assert_eq!(vec.pop(), Some(4));
    vec.reserve(10)?;
    vec.shrink_to_fit()?;
    for item in &vec {
        println!("{:?}", item);
    }
    let rust_vec: Vec<i32> = vec.into_inner();
    let shared = SharedVec::from_iter_in(rust_vec.into_iter(), &allocator);
    assert_eq!(shared, [11, 2, 3]);

    let mut string: SharedString = SharedString::new_in(&allocator);
    assert!(string.is_empty());
    string = SharedString::from_str_in("Hello, World!", &allocator)?;
    string.push_str("more text")?;
    assert_eq!(string.len(), 22);
    assert_eq!(string.from_utf8()?, "Hello, World!more text");
    let rust_string: String = string.into_inner()?;
    assert_eq!(rust_string.len(), 22);

    let mut box_val: SharedBox<i32> = SharedBox::new_in(&allocator);
    *box_val = 42;
    *box_val.deref_mut() += 1;
    assert_eq!((*box_val, *box_val.deref()), (43, 43));

    let mut map: SharedHashMap<i32, String> = SharedHashMap::new_in(&allocator);
    map.insert(1, "one".to_string());
    assert_eq!((map.get(&1), map.contains_key(&2), map.len()), (Some("one"), false, 1));
    for (k, v) in &map {
        println!("{k} {v}");
    }
    assert_eq!(map.remove(&1), Some("one".to_string()));
    map.clear();

    let mut set: SharedHashSet<i32> = SharedHashSet::new_in(&allocator);
    assert!(set.insert(5) && !set.insert(5) && set.contains(&5));
    for item in &set {
        println!("{item}");
    }
    assert!(set.remove(&5) && set.is_empty());

    let mut map: SharedBTreeMap<i32, String> = SharedBTreeMap::new_in(&allocator);
    for key in [3, 1, 2] {
        map.insert(key, key.to_string());
    }
    assert!(map.keys().eq(&[1, 2, 3]) && map.values().eq(["1", "2", "3"]));
    assert_eq!(map.iter().next(), Some((&1, "1")));

    let mut set: SharedBTreeSet<i32> = SharedBTreeSet::new_in(&allocator);
    for item in [2, 1] {
        set.insert(item);
    }
    assert!(set.iter().eq(&[1, 2]));

    let mut deque: SharedVecDeque<i32> = SharedVecDeque::new_in(&allocator);
    deque.push_back(2);
    deque.push_front(1);
    assert_eq!((deque.front(), deque.back(), deque.len()), (Some(&1), Some(&2), 2));
    assert_eq!((deque.pop_front(), deque.pop_back(), deque.pop_back()), (Some(1), Some(2), None));
    println!("done");
    Ok(())
}

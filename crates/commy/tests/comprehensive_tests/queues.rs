//! `SharedVecDeque`.

use super::{fresh, map};
use commy::{Share, SharedVecDeque};
use std::collections::VecDeque;
use std::time::Duration;

#[test]
fn a_queue_does_what_one_of_std_does() {
    let (_folder, _path, allocator) = fresh();
    let mut queue: SharedVecDeque<u32> = SharedVecDeque::new_in(&allocator);
    let mut model = VecDeque::new();
    for number in 0..200 {
        queue.push_back(number);
        model.push_back(number);
        if number % 3 == 0 {
            queue.push_front(number);
            model.push_front(number);
            assert_eq!((queue.pop_front(), queue.pop_back()), (model.pop_front(), model.pop_back()));
        }
    }
    assert_eq!((queue.front(), queue.back(), queue.get(5)), (model.front(), model.back(), model.get(5)));
    *queue.front_mut().expect("an element") = 1000;
    *queue.back_mut().expect("an element") += 1;
    queue[3] = 7;
    queue.iter_mut().for_each(|number| *number += 1);
    *model.front_mut().expect("an element") = 1000;
    *model.back_mut().expect("an element") += 1;
    model[3] = 7;
    model.iter_mut().for_each(|number| *number += 1);
    queue.rotate_left(10);
    model.rotate_left(10);
    queue.rotate_right(3);
    model.rotate_right(3);
    queue.insert(4, 44);
    model.insert(4, 44);
    queue.swap(0, 1);
    model.swap(0, 1);
    assert_eq!((queue.remove(2), queue.contains(&44)), (model.remove(2), true));
    queue.retain(|number| number % 2 == 0);
    model.retain(|number| number % 2 == 0);
    assert_eq!(queue, model);
    assert_eq!(queue.drain(1..3).collect::<Vec<_>>(), model.drain(1..3).collect::<Vec<_>>());
    queue.set(0, 5).expect("stored");
    model[0] = 5;
    queue.truncate(10);
    model.truncate(10);
    queue.reserve(100).expect("room");
    queue.shrink_to_fit().expect("smaller");
    assert!(queue.iter().eq(&model) && queue.capacity() < 100);
    assert_eq!(queue.pop_front_wait(Duration::ZERO).expect("no failure"), model.pop_front());
    assert_eq!(queue.pop_back_wait(Duration::ZERO).expect("no failure"), model.pop_back());
    assert_eq!(queue.into_iter().collect::<Vec<_>>(), Vec::from(model));
}

#[test]
fn tasks_of_a_derived_type_go_through_a_queue() {
    #[derive(Debug, PartialEq, Share)]
    struct Task {
        id: u32,
        work: String,
        parts: Vec<(u8, Option<String>)>,
    }
    let (_folder, path, allocator) = fresh();
    let task = |id: u32| Task { id, work: format!("work {id}"), parts: vec![(1, None), (2, Some("x".into()))] };
    let mut queue: SharedVecDeque<Task> = SharedVecDeque::new_in(&allocator);
    queue.extend((0..100).map(task));
    let mut other: SharedVecDeque<Task> = SharedVecDeque::new_in(&map(&path));
    assert_eq!(other.get(3).expect("a task").work(), "work 3");
    assert!((0..100).all(|id| other.pop_front() == Some(task(id))) && queue.is_empty());
}

//! Every method that changes something, of every view: a file for each view, which `tests/methods.rs` compares with the
//! public methods of that view. What counts as covered is called in the third argument of `run` or
//! `changed`. The operations
//! of handles are in `forms`.

mod box_view;
mod btree_map_view;
mod btree_set_view;
mod deque_view;
mod dynamic;
mod entries;
mod forms;
mod hash_map_view;
mod hash_set_view;
mod option_view;
mod text;
mod vec_view;

use commy::Segment;

/// A few texts, short and long.
fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("text {n} ").repeat(1 + n % 4)).collect()
}

/// What an object `x` is before: this value.
fn stored<T: commy::Share + Default>(segment: &Segment, value: T) {
    crate::scenarios::x::<T>(segment).store(value).unwrap();
}

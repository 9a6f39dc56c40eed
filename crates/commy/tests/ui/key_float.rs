// Not a number equals nothing, itself included.

use commy::{Segment, Shared};
use std::collections::HashMap;

#[derive(Clone, Copy, commy::Plain, commy::Key)]
#[repr(C)]
struct Point {
    x: f64,
}

fn main() {
    let segment = Segment::open("shared.commy").unwrap();
    let _: Shared<HashMap<f64, u32>> = segment.open("counts").unwrap();
}

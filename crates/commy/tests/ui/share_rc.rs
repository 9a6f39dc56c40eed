// A reference count in one process is not known to another.

use commy::{Segment, Shared};
use std::rc::Rc;

fn main() {
    let segment = Segment::open("shared.commy").unwrap();
    let _: Shared<Rc<u32>> = segment.open("count").unwrap();
}

// What is under one lock cannot be put under another.

use commy::Shared;

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let names: Shared<Vec<String>> = segment.open("names").unwrap();
    let others: Shared<Vec<String>> = segment.open("others").unwrap();
    let (mut a, mut b) = (names.write().unwrap(), others.write().unwrap());
    std::mem::swap(&mut *a, &mut *b);
}

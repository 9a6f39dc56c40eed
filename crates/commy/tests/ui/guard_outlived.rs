// What a guard lends is gone with the guard.

use commy::Shared;

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let names: Shared<Vec<String>> = segment.open("names").unwrap();
    let first = {
        let guard = names.read().unwrap();
        guard.get(0)
    };
    println!("{first:?}");
}

// A lock belongs to the thread that took it.

use commy::Shared;

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let names: Shared<Vec<String>> = segment.open("names").unwrap();
    let guard = names.write().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}

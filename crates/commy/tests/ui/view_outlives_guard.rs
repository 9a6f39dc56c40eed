// What a nested view refers to is locked for as long as its guard lives, and no longer.

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let names: commy::Shared<Vec<Vec<String>>> = segment.open("names").unwrap();
    let inner = {
        let mut guard = names.write().unwrap();
        guard.get_mut(0).unwrap()
    };
    inner.push("late".into()).unwrap();
}

// What a guard lends for changing belongs to its thread too, for that has the transaction.

use commy::Shared;

#[derive(commy::Share)]
struct Task {
    work: String,
}

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let tasks: Shared<Task> = segment.open("task").unwrap();
    let mut guard = tasks.write().unwrap();
    let task = &mut *guard;
    std::thread::scope(|scope| {
        scope.spawn(move || task.set_work("name".into()));
    });
}

// A reference means nothing to another process.

#[derive(commy::Share)]
struct Task {
    work: &'static str,
}

fn main() {}

// A type that borrows means nothing to another process.

#[derive(commy::Share)]
struct Task<'a> {
    work: &'a str,
}

fn main() {}

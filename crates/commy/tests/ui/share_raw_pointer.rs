// An address in one process is another thing in another.

#[derive(commy::Share)]
enum Place {
    Nowhere,
    At(*const u32),
}

fn main() {}

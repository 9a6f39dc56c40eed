// Methods for fields must have different names.

#[derive(commy::Share)]
struct Both {
    work: u32,
    work_mut: u32,
}

fn main() {}

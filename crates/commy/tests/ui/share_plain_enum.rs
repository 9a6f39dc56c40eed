// An enum that is plain gets the derive that keeps it so.

#[derive(commy::Share)]
#[repr(u8)]
enum Level {
    Low,
    High,
}

fn main() {}

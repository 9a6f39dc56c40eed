// Without a repr every compilation may lay the fields out otherwise.

#[derive(Clone, Copy, commy::Plain)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Clone, Copy, commy::Plain)]
enum Level {
    Low,
    High,
}

#[derive(Clone, Copy, commy::Plain)]
#[repr(C, packed)]
struct Packed {
    small: u8,
    large: u64,
}

fn main() {}

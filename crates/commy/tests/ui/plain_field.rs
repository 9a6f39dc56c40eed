// A string is not stored as it is.

#[derive(Clone, Copy, commy::Plain)]
#[repr(C)]
struct Task {
    id: u64,
    work: &'static str,
}

#[derive(Clone, Copy, commy::Plain)]
#[repr(C)]
enum Shape {
    Empty,
    Circle(f32),
}

fn main() {}

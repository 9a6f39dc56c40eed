// A float that is not a number equals nothing, itself included.

#[derive(Clone, Copy, commy::Plain, commy::Key)]
#[repr(C)]
struct Point {
    x: f64,
}

fn main() {}

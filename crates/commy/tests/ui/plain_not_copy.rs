// What is plain can be copied.

#[derive(commy::Plain)]
#[repr(C)]
struct Point {
    x: f64,
}

fn main() {}

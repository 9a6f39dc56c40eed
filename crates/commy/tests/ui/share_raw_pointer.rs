// An address in one process is another thing in another.

#[derive(commy::Share)]
enum Place {
    Nowhere,
    At(*const std::ffi::c_void),
}

fn main() {}

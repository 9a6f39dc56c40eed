// A reference count in one process is not known to another.

fn count(_: commy::Shared<std::rc::Rc<u32>>) {}

fn main() {}

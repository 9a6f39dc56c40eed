// A float that is not a number equals nothing, itself included.

use std::collections::HashMap;

fn count(_: commy::Shared<HashMap<f64, u32>>) {}

fn main() {}

// An order written by hand is known to one program only.

use std::collections::BTreeMap;

#[derive(PartialEq, Eq, commy::Share)]
struct Backwards(String);

impl PartialOrd for Backwards {
    fn partial_cmp(&self, other: &Backwards) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Backwards {
    fn cmp(&self, other: &Backwards) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

fn words(_: commy::Shared<BTreeMap<Backwards, u64>>) {}

fn main() {}

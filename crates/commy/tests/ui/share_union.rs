// Nothing says which of a union's fields it holds.

#[derive(commy::Share)]
union Number {
    whole: u64,
    real: f64,
}

fn main() {}

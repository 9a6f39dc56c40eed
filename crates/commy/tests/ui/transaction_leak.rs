// What a transaction lends is gone with the transaction.

use commy::Shared;

fn main() {
    let segment = commy::Segment::open("shared.commy").unwrap();
    let names: Shared<Vec<String>> = segment.open("names").unwrap();
    let kept = segment.transaction(|tx| tx.write(&names)).unwrap();
    println!("{}", kept.len());
}

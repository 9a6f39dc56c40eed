//! What a worker does: operations of all kinds, each of which has happened when it returns.
//!
//! Of each kind the worker does the 0th, the 1st, the 2nd .. - so the segment alone tells how many have happened, and a
//! successor goes on from there.

use commy::{Segment, Shared};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub const WORKERS: u64 = 8;
const ACCOUNTS: u64 = 10;
const MONEY: u64 = 1000;
/// All money that there is.
pub const ALL_MONEY: u64 = 2 * ACCOUNTS * MONEY;
/// Elements that a worker has in a set, at least.
const FEW: u64 = 4;

pub type Done<R = ()> = Result<R, Box<dyn Error>>;
type Nested = HashMap<String, BTreeMap<u32, Vec<String>>>;

/// What all share, and what one has for itself.
pub struct Objects {
    pub segment: Segment,
    worker: u64,
    log: Shared<Vec<u64>>,
    accounts: Shared<HashMap<u64, u64>>,
    savings: Shared<BTreeMap<u64, u64>>,
    queue: Shared<VecDeque<String>>,
    nested: Shared<Nested>,
    blocks: Shared<Vec<Vec<u8>>>,
    hashed: Shared<HashMap<u64, u64>>,
    ordered: Shared<BTreeMap<u64, Vec<String>>>,
    hash_set: Shared<HashSet<String>>,
    tree_set: Shared<BTreeSet<String>>,
    stream: Shared<VecDeque<(u64, u64)>>,
    taken: Shared<BTreeMap<u64, u64>>,
    list: Shared<Vec<u64>>,
    text: Shared<String>,
    option: Shared<Option<String>>,
    plain: Shared<[u64; 6]>,
    count: Shared<AtomicU64>,
    ballast: Shared<Vec<u8>>,
}

/// One kind of operation: its name, how many have happened, and doing the one of that number.
pub struct Kind {
    pub name: &'static str,
    pub count: fn(&Objects) -> Done<u64>,
    pub operate: fn(&Objects, u64) -> Done,
}

/// All kinds whose operations are counted.
pub const KINDS: [Kind; 11] = [
    Kind { name: "transaction", count: Objects::logged, operate: Objects::transact },
    Kind {
        name: "hash-map",
        count: |at| Ok(at.hashed.get(&at.worker)?.unwrap_or(0)),
        operate: |at, number| {
            let was = at.hashed.insert(at.worker, number + 1)?;
            same(was.unwrap_or(0), number)
        },
    },
    Kind {
        name: "ordered-map",
        count: |at| counted(at.ordered.get(&at.worker)?, |texts| texts[0].parse()),
        operate: |at, number| {
            let was = at.ordered.insert(at.worker, texts(number + 1))?;
            same(was.unwrap_or_else(|| texts(0)), texts(number))
        },
    },
    Kind {
        name: "hash-set",
        count: |at| at.window(at.hash_set.load()?),
        operate: |at, number| at.turn(number, |new| at.hash_set.insert(new), |old| at.hash_set.remove(old)),
    },
    Kind {
        name: "ordered-set",
        count: |at| at.window(at.tree_set.load()?),
        operate: |at, number| at.turn(number, |new| at.tree_set.insert(new), |old| at.tree_set.remove(old)),
    },
    Kind {
        name: "stream",
        count: Objects::streamed,
        operate: |at, number| Ok(at.stream.push_back((at.worker, number))?),
    },
    Kind {
        name: "list",
        count: |at| in_a_row(at.list.load()?),
        operate: |at, number| {
            let done = if number % 100 == 99 { at.list.store(vec![number]) } else { at.list.push(number) };
            Ok(done?)
        },
    },
    Kind {
        name: "text",
        count: |at| {
            let numbers: Result<Vec<u64>, _> = at.text.load()?.split_whitespace().map(str::parse).collect();
            in_a_row(numbers?)
        },
        operate: |at, number| {
            let more = format!(" {number}");
            let done = if number % 200 == 199 { at.text.set(&more) } else { at.text.push_str(&more) };
            Ok(done?)
        },
    },
    Kind {
        name: "option",
        count: |at| counted(at.option.load()?, |text| text.trim().parse()),
        operate: |at, number| {
            let was = at.option.replace(format!("{:1$}", number + 1, 10 + number as usize % 50))?;
            same(was.map_or(Ok(0), |was| was.trim().parse())?, number)
        },
    },
    Kind {
        name: "plain",
        count: |at| {
            let value = at.plain.load()?;
            same(value, [value[0]; 6])?;
            Ok(value[0])
        },
        operate: |at, number| Ok(at.plain.store([number + 1; 6])?),
    },
    Kind {
        name: "atomic",
        count: |at| Ok(at.count.load(Ordering::Relaxed)),
        operate: |at, number| same(at.count.fetch_add(1, Ordering::Relaxed), number),
    },
];

fn same<T: PartialEq + std::fmt::Debug>(is: T, wanted: T) -> Done {
    if is == wanted { Ok(()) } else { Err(format!("{is:?} where {wanted:?} should be").into()) }
}

fn counted<T>(value: Option<T>, count: impl Fn(T) -> Result<u64, std::num::ParseIntError>) -> Done<u64> {
    Ok(value.map_or(Ok(0), count)?)
}

/// How many there are of numbers that follow each other and of which only the last ones are left.
fn in_a_row(numbers: Vec<u64>) -> Done<u64> {
    let first = numbers.first().copied().unwrap_or(0);
    let count = first + numbers.len() as u64;
    same(numbers, (first..count).collect())?;
    Ok(count)
}

fn texts(number: u64) -> Vec<String> {
    vec![number.to_string(); 1 + number as usize % 5]
}

impl Objects {
    pub fn open(path: &Path, worker: u64) -> commy::Result<Objects> {
        // The test says who waits too long, for it knows how slow the machine is.
        let options = Segment::options().max_size(256 << 20).lock_timeout(Duration::from_secs(600));
        let segment = options.open_or_create(path)?;
        let funds = || (0..ACCOUNTS).map(|n| (n, MONEY));
        let elements = || (0..WORKERS).flat_map(|worker| (0..FEW).map(move |element| format!("{worker} {element}")));
        Ok(Objects {
            log: segment.open_or_create(&format!("log/{worker}"))?,
            accounts: segment.open_or_create_with("accounts", || funds().collect())?,
            savings: segment.open_or_create_with("savings", || funds().collect())?,
            queue: segment.open_or_create("queue")?,
            nested: segment.open_or_create("nested")?,
            blocks: segment.open_or_create("blocks")?,
            hashed: segment.open_or_create("hashed")?,
            ordered: segment.open_or_create("ordered")?,
            hash_set: segment.open_or_create_with("hash set", || elements().collect())?,
            tree_set: segment.open_or_create_with("ordered set", || elements().collect())?,
            stream: segment.open_or_create("stream")?,
            taken: segment.open_or_create("taken")?,
            list: segment.open_or_create(&format!("list/{worker}"))?,
            text: segment.open_or_create(&format!("text/{worker}"))?,
            option: segment.open_or_create(&format!("option/{worker}"))?,
            plain: segment.open_or_create(&format!("plain/{worker}"))?,
            count: segment.open_or_create(&format!("count/{worker}"))?,
            ballast: segment.open_or_create(&format!("ballast/{worker}"))?,
            worker,
            segment,
        })
    }

    /// Money on all accounts.
    pub fn money(&self) -> Done<u64> {
        Ok(self.accounts.load()?.values().sum::<u64>() + self.savings.load()?.values().sum::<u64>())
    }

    fn logged(&self) -> Done<u64> {
        in_a_row(self.log.load()?)
    }

    /// Several objects at once: all of it happens, or nothing.
    fn transact(&self, number: u64) -> Done {
        let mut draw = crate::common::Draw::new(number * WORKERS + self.worker);
        let (from, to) = (draw.below(ACCOUNTS), draw.below(ACCOUNTS));
        let (amount, kind) = (draw.below(50), draw.below(4));
        Ok(self.segment.transaction(|tx| {
            let mut log = tx.write(&self.log)?;
            if number % 1000 == 999 {
                log.clear()?;
            }
            log.push(number)?;
            let mut accounts = tx.write(&self.accounts)?;
            let mut savings = tx.write(&self.savings)?;
            let has = accounts.get(&from).copied().unwrap_or(0);
            let moved = amount.min(has);
            accounts.insert(from, has - moved)?;
            let has = savings.get(&to).copied().unwrap_or(0);
            // Sometimes back.
            let back = if has > MONEY { has / 2 } else { 0 };
            savings.insert(to, has + moved - back)?;
            let has = accounts.get(&to).copied().unwrap_or(0);
            accounts.insert(to, has + back)?;
            match kind {
                0 => {
                    let mut queue = tx.write(&self.queue)?;
                    queue.push_back("job ".repeat(amount as usize))?;
                    if queue.len() > 100 {
                        queue.pop_front()?;
                    }
                }
                1 | 2 => {
                    let mut nested = tx.write(&self.nested)?;
                    let value = (0..amount as u32 % 7).map(|n| (n, vec!["text".repeat(amount as usize); 2])).collect();
                    nested.insert(format!("key {}", amount * 7 % 40), value)?;
                    nested.remove(&format!("key {from}"))?;
                }
                _ => {
                    let mut blocks = tx.write(&self.blocks)?;
                    blocks.push(vec![7; (amount * amount * 40) as usize])?;
                    if blocks.len() > 30 {
                        blocks.truncate(5)?;
                    }
                }
            }
            Ok(())
        })?)
    }

    /// Every other operation adds an element to a set in which all have theirs, the others remove the oldest.
    fn turn(
        &self,
        number: u64,
        insert: impl Fn(String) -> commy::Result<bool>,
        remove: impl Fn(&str) -> commy::Result<bool>,
    ) -> Done {
        let name = |element| format!("{} {element}", self.worker);
        let element = number / 2;
        same(if number % 2 == 0 { insert(name(FEW + element))? } else { remove(&name(element))? }, true)
    }

    /// How many of these there were: the elements are in a row.
    fn window(&self, set: impl IntoIterator<Item = String>) -> Done<u64> {
        let own = format!("{} ", self.worker);
        let numbers = set.into_iter().filter_map(|element| Some(element.strip_prefix(&own)?.parse::<u64>()));
        let mut numbers = numbers.collect::<Result<Vec<u64>, _>>()?;
        numbers.sort_unstable();
        let first = numbers.first().copied().ok_or("a set lost its elements")?;
        Ok(in_a_row(numbers)? - FEW + first)
    }

    /// What came out of the stream of this worker's, and what is still in it, in its order.
    fn streamed(&self) -> Done<u64> {
        let (taken, stream) = (self.taken.read()?, self.stream.read()?);
        let mut next = taken.get(&self.worker).copied().unwrap_or(0);
        for (_, number) in stream.iter().filter(|(worker, _)| **worker == self.worker) {
            same(*number, next)?;
            next += 1;
        }
        Ok(next)
    }

    /// Takes out of the stream what is the next one of its producer, or it has lost its order.
    pub fn consume(&self) -> Done {
        let wrong = self.segment.transaction(|tx| {
            let mut taken = tx.write(&self.taken)?;
            let mut stream = tx.write(&self.stream)?;
            while stream.len() > 20 {
                let Some((worker, number)) = stream.pop_front()? else { break };
                let expected = taken.insert(worker, number + 1)?.unwrap_or(0);
                if expected != number {
                    return Ok(Some((worker, number, expected)));
                }
            }
            Ok(None)
        })?;
        same(wrong, None)
    }

    /// Takes much room, or little, so that the file has to grow.
    pub fn grow(&self, bytes: u64) -> Done {
        Ok(self.ballast.store(vec![self.worker as u8; bytes as usize])?)
    }

    /// Gives free room back, so that the file shrinks.
    pub fn shrink(&self) -> Done {
        self.segment.shrink_to_usage()?;
        Ok(())
    }

    /// An object that comes and goes.
    pub fn come_and_go(&self) -> Done {
        let name = format!("own/{}", self.worker);
        self.segment.open_or_create_with(&name, || vec!["own".to_string(); 50])?;
        Ok(self.segment.remove(&name)?)
    }
}

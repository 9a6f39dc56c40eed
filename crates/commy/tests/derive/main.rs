//! Derived types in a segment, seen through two attachments of one file.

#![forbid(unsafe_code)]
#![deny(missing_docs, unused, clippy::all, clippy::pedantic)]

mod changes;
mod enums;
mod keys;
mod nested;
mod structs;

use commy::{Key, Plain, Segment, Share, Shared};

/// A struct of several kinds of fields.
#[derive(Clone, Debug, Default, PartialEq, Share)]
pub struct Task {
    /// A number.
    pub id: u64,
    /// A text.
    pub work: String,
    done: bool,
    r#type: (u8, String),
}

/// A plain struct, with padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Plain, Hash, Key)]
#[repr(C)]
pub struct Cell {
    small: u8,
    large: u64,
    level: Level,
}

/// A plain enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Plain, Hash, Key)]
#[repr(i16)]
pub enum Level {
    /// Below.
    Low = -5,
    /// The usual.
    #[default]
    Normal,
    /// Above.
    High = 300,
}

/// A tuple struct.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, PartialOrd, Ord, Hash, Key)]
struct Name(String, pub u32);

/// An enum with fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, Hash, Key)]
enum Shape {
    /// Nothing.
    #[default]
    Empty,
    Circle {
        radius: u32,
    },
    Named(String, Box<Shape>),
}

/// An enum without fields, of no fixed layout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Share, PartialOrd, Ord, Hash, Key)]
enum State {
    #[default]
    Idle,
    Busy,
}

/// A struct that contains itself.
#[derive(Clone, Debug, Default, PartialEq, Share)]
struct Node {
    name: String,
    kids: Vec<Node>,
    next: Option<Box<Node>>,
}

fn node(name: &str) -> Node {
    Node { name: name.into(), ..Node::default() }
}

/// Two attachments of one file.
struct Two {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    here: Segment,
    there: Segment,
}

impl Two {
    fn new() -> Two {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("two.commy");
        // One test reads the file while it is open, when it is so long on Windows.
        let here = Segment::options().max_size(64 << 20).create(&path).unwrap();
        let there = Segment::open(&path).unwrap();
        Two { _dir: dir, path, here, there }
    }

    /// Both attachments' handles of one object.
    fn object<T: Share>(&self, value: T) -> (Shared<T>, Shared<T>) {
        let here = self.here.open_or_create_with("object", || value).unwrap();
        (here, self.there.open("object").unwrap())
    }
}

fn task() -> Task {
    Task { id: 7, work: "resize".into(), done: true, r#type: (3, "third".into()) }
}

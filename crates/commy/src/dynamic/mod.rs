//! Objects without their Rust types: by the description that each object carries.
//!
//! [`Objects::dynamic`](crate::Objects::dynamic) opens any object as a [`Dynamic`], whose values are [`Value`]s and whose
//! type is a [`Type`], which can also be written as text. Locks and transactions are those of [`Shared`].
//!
//! ```text
//! text --text--> expressions --describe--> Description = Type          the same bytes as the derives make
//! stored form --path--> place in it --load--> Value                    Untyped: a place and a node (walk)
//! Value --fit--> its parts in the order of the type's                  or an error that names the place
//! ```
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
//! use commy::dynamic::Value;
//! use std::collections::HashMap;
//! let series: commy::Shared<HashMap<String, Vec<f32>>> = segment.open_or_create("series")?;
//! series.write()?.insert("a".into(), vec![0.5, 1.5])?;
//!
//! let series = segment.dynamic("series")?;
//! assert_eq!(series.type_of().to_string(), "HashMap<String, Vec<f32>>");
//! assert_eq!(series.get("a/-1")?, Some(Value::Float32(1.5)));
//! assert_eq!(series.len("a")?, Some(2));
//! # Ok::<(), commy::Error>(())
//! ```

mod change;
mod changes;
mod describe;
mod fit;
mod follow;
#[cfg(feature = "json")]
mod json;
mod keyed;
mod leaf;
mod load;
mod pages;
mod path;
mod scan;
mod sizes;
mod store;
mod text;
mod types;
mod value;
mod view;
mod written;

pub use change::WriteView;
pub use changes::{Change, Changes};
#[cfg(feature = "json")]
pub use json::Missing;
pub use pages::Pages;
pub use path::{Path, Step};
pub use scan::{Bookmark, Page};
pub use types::Type;
pub use value::Value;
pub use view::{Entries, ReadView, View};

use crate::directory::{self, Found};
use crate::error::{Error, Result};
use crate::schema::{Description, Kind};
use crate::segment::Segment;
use crate::shared::{Part, Shared, Transaction};
use crate::tx::Cx;
use crate::walk::Plan;

/// An object whose type is known by its description alone, with its lock: what [`Shared`] is for a Rust type.
///
/// Reading takes no lock unless others change the object all the time, and works through read-only attachments, too.
#[derive(Clone, Debug)]
pub struct Dynamic {
    lock: Shared<()>,
    /// Offset of the value.
    value: u64,
    described: Type,
    /// Values, and bytes of texts, that a copy may have.
    limit: u64,
    /// Whether a value that one step leads to takes little time to be found and, if it is no long text, copied.
    brief: bool,
}

/// Bytes of a text that is not long.
const BRIEF: u64 = 1024;

/// Whether, whatever is in the file, an entry takes little time to be found and, if it is no long text, copied.
fn is_brief(plan: &Plan) -> bool {
    let value = plan.entries(0).1.filter(|_| plan.node(0).kind == Kind::HashMap).map(|value| plan.node(value).kind);
    value.is_some_and(|kind| kind == Kind::String || leaf::has_no_parts(kind))
}

impl Dynamic {
    /// The object of that name.
    pub(crate) fn open(segment: &Segment, name: &str) -> Result<Dynamic> {
        match directory::find(segment, name)? {
            Some(found) => Dynamic::new(segment, name, &found),
            None => Err(Error::NotFound { name: name.into() }),
        }
    }

    /// Makes an object.
    pub(crate) fn create(
        segment: &Segment,
        name: &str,
        changes: Option<u64>,
        described: &Type,
        value: &Value,
    ) -> Result<Dynamic> {
        let (plan, node) = (&described.0, described.0.node(0));
        let form = (node.size as u64, node.align as u64);
        let made = directory::insert_described(segment, name, changes, described.description(), form, |cx| {
            store::stored(cx, plan, 0, value).map_err(|error| fit::inside(error, name))
        })?;
        match made {
            (found, true) => Dynamic::new(segment, name, &found),
            (_, false) => Err(Error::ObjectExists { name: name.into() }),
        }
    }

    fn new(segment: &Segment, name: &str, found: &Found) -> Result<Dynamic> {
        let described = Type::described(Description::from_bytes(&found.description)?)?;
        // A lock that knows where the value is, by which the transactions that note changes recognise the object.
        let lock = Shared::<()>::new(segment, name, found)?;
        let brief = is_brief(&described.0);
        Ok(Dynamic { lock, value: found.value, described, limit: u64::MAX, brief })
    }

    /// The name it was opened by.
    pub fn name(&self) -> &str {
        self.lock.name()
    }

    /// Its type.
    pub fn type_of(&self) -> &Type {
        &self.described
    }

    /// How often it was changed since it was made; equal versions mean equal content. It stays the same for atomics.
    pub fn version(&self) -> u64 {
        self.lock.version()
    }

    /// Waits until it is another version, or for so long. Gives the version it has then; see
    /// [`Shared::wait`](crate::Shared::wait).
    ///
    /// # Errors
    /// As [`Shared::wait`](crate::Shared::wait).
    pub fn wait(&self, version: u64, patience: std::time::Duration) -> Result<u64> {
        self.lock.wait(version, patience)
    }

    /// The same, which copies nothing that has more values, and bytes of texts, than this: reading what has more is
    /// [`Error::ValueTooLarge`] before it takes up memory. For who passes values on to others whose objects these are.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let segment = commy::Segment::create(dir.path().join("s.commy"))?;
    /// segment.open_or_create_with("numbers", || vec![7u64; 1000])?;
    /// let numbers = segment.dynamic("numbers")?.copying_at_most(100);
    /// assert!(matches!(numbers.load(), Err(commy::Error::ValueTooLarge { .. })));
    /// assert!(numbers.get("..50").is_ok());
    /// # Ok::<(), commy::Error>(())
    /// ```
    #[must_use]
    pub fn copying_at_most(mut self, limit: u64) -> Dynamic {
        self.limit = limit;
        self
    }

    fn view(&self, cx: Cx) -> View<'_> {
        View::new(cx, &self.described, self.value, self.limit)
    }

    /// What `look` gives for the value as it is at one moment.
    fn at_one_moment<R>(&self, look: impl Fn(&View<'_>) -> Result<R>) -> Result<R> {
        self.lock.at_length(|_, cx| look(&self.view(cx)))
    }

    /// A copy of the whole value, of one moment.
    ///
    /// # Errors
    /// [`Error::LockTimeout`]; [`Error::Deadlock`] if this thread has a write guard of it; [`Error::Removed`];
    /// [`Error::Corrupt`] if it is damaged.
    pub fn load(&self) -> Result<Value> {
        self.at_one_moment(|view| view.load())
    }

    /// A copy of what is at a path, `None` if nothing is. See [`View::get`] for ranges.
    ///
    /// # Errors
    /// [`Error::BadPath`] if no value of the type has anything there; as [`load`](Dynamic::load).
    pub fn get<'p>(&self, path: impl Into<Path<'p>>) -> Result<Option<Value>> {
        let path = path.into();
        if let Some(step) = path.only_step().filter(|_| self.brief) {
            let view = |cx| View::new(cx, &self.described, self.value, self.limit.min(BRIEF));
            let soon = |cx| view(cx).entry(&path, step).ok();
            return self.lock.at_once(|_, cx| soon(cx), |_, cx| self.view(cx).at(&path));
        }
        self.at_one_moment(|view| view.at(&path))
    }

    /// How many elements or entries the container at a path has, in a text bytes; `None` if there is none.
    ///
    /// # Errors
    /// As [`get`](Dynamic::get).
    pub fn len<'p>(&self, path: impl Into<Path<'p>>) -> Result<Option<u64>> {
        let path = path.into();
        self.at_one_moment(|view| view.len_at(&path))
    }

    /// Locks it for reading; see [`Shared::read`](crate::Shared::read).
    ///
    /// # Errors
    /// As [`Shared::read`](crate::Shared::read); [`Error::ReadOnly`] through a read-only attachment, which cannot lock.
    pub fn read(&self) -> Result<ReadView<'_>> {
        Ok(ReadView::new(self.lock.read()?, self.view(self.lock.reader())))
    }

    /// Locks it for changing, in a transaction; see [`Shared::write`](crate::Shared::write). Atomics are changed at once,
    /// and not undone.
    ///
    /// # Errors
    /// As [`Shared::write`](crate::Shared::write).
    pub fn write(&self) -> Result<WriteView<'_>> {
        let lock = self.lock.write()?;
        let view = self.view(lock.cx());
        Ok(WriteView::new(lock, view, self.name()))
    }

    /// Locks it for changing in a transaction; see [`Transaction::write_dynamic`](crate::Transaction::write_dynamic).
    pub(crate) fn write_in<'t>(&'t self, transaction: &'t Transaction<'_>) -> Result<WriteView<'t, Part<'t, ()>>> {
        let lock = transaction.write(&self.lock)?;
        let view = self.view(lock.cx());
        Ok(WriteView::new(lock, view, self.name()))
    }
}

//! What the containers of one [`FreeListAllocator`](super::FreeListAllocator) share: the attachment, and who holds
//! what.
//!
//! The n-th container of a kind that an allocator makes without a name is the n-th of every other allocator on the
//! file. It is held by the attachments that have a handle of it, which is noted in the file:
//!
//! ```text
//! .direct/holders: HashMap<String, Vec<u64>>     name of the container -> owners that hold it
//! owner: generation of the process slot << 32 | index of the process slot
//! ```
//!
//! An owner that is dead holds nothing, whatever is noted. What nobody holds keeps its content until space is needed,
//! and is then removed. Making, letting go and removing all happen under the lock of the list of holders.

use super::blocks::{Blocks, in_stock};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::participant::{Attachment, ForkMutex, Liveness};
use crate::schema::Share;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tx::Cx;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Below this name is what has no name of the user's.
const OWN: &str = ".direct/";
const BLOCKS: &str = ".direct/blocks/";
const PRIVATE: &str = ".direct/private/";
const HOLDERS: &str = ".direct/holders";

/// The kinds of containers, which are counted apart.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Vec,
    Box,
    HashMap,
    HashSet,
    BTreeMap,
    BTreeSet,
    VecDeque,
}

/// How many kinds there are.
const KINDS: usize = 7;

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Vec => "vec",
            Kind::Box => "box",
            Kind::HashMap => "hashmap",
            Kind::HashSet => "hashset",
            Kind::BTreeMap => "btreemap",
            Kind::BTreeSet => "btreeset",
            Kind::VecDeque => "vecdeque",
        }
    }
}

type Holders = Shared<HashMap<String, Vec<u64>>>;

/// See the module.
pub(super) struct Home {
    pub segment: Segment,
    holders: Holders,
    /// How many containers of each kind were made.
    made: [AtomicU64; KINDS],
    pub blocks: ForkMutex<Blocks>,
}

// What panics under a guard is undone; what is noted of blocks is changed when their transaction has ended.
impl std::panic::UnwindSafe for Home {}
impl std::panic::RefUnwindSafe for Home {}

/// The homes of this process. In a forked child the list is empty, until it uses the allocator.
static HOMES: ForkMutex<Vec<Weak<Home>>> = ForkMutex::new(Vec::new());

impl Home {
    pub(super) fn new(segment: Segment) -> Result<Arc<Home>> {
        let holders = segment.open_or_create(HOLDERS)?;
        let home = Arc::new(Home {
            segment,
            holders,
            made: [const { AtomicU64::new(0) }; KINDS],
            blocks: ForkMutex::default(),
        });
        home.bury_dead()?;
        home.segment.attachment().relieve_by(relieve);
        home.enlist();
        Ok(home)
    }

    /// Makes it one of the homes of this process.
    pub(super) fn enlist(self: &Arc<Home>) {
        let mut homes = HOMES.lock();
        if !homes.iter().any(|home| std::ptr::eq(home.as_ptr(), Arc::as_ptr(self))) {
            homes.retain(|home| home.strong_count() > 0);
            homes.push(Arc::downgrade(self));
        }
    }

    /// The home of who works in this context, if it was reached through an allocator.
    pub(super) fn of(cx: Cx) -> Option<Arc<Home>> {
        Home::on(cx.map())
    }

    fn on(map: &Map) -> Option<Arc<Home>> {
        let homes: Vec<_> = HOMES.lock().iter().filter_map(Weak::upgrade).collect();
        homes.into_iter().find(|home| std::ptr::eq(home.segment.map(), map))
    }

    /// This attachment, in this very process.
    pub(super) fn owner(&self) -> Result<u64> {
        let attachment = self.segment.attachment();
        attachment.own_place()?;
        Ok(u64::from(attachment.process_generation()) << 32 | attachment.process() as u64)
    }

    fn is_alive(&self, owner: u64) -> bool {
        let (attachment, index) = (self.segment.attachment(), owner as u32 as usize);
        let slot = self.segment.map().process(index);
        slot.is_some_and(|slot| u64::from(slot.generation()) == owner >> 32)
            && attachment.process_liveness(index) == Liveness::Alive
    }

    /// The next container of a kind, and its name; held from now on.
    pub(super) fn next<T: Share + Default>(&self, kind: Kind) -> Result<(Shared<T>, String)> {
        self.with_room(|| self.hold_next(kind))
    }

    fn hold_next<T: Share + Default>(&self, kind: Kind) -> Result<(Shared<T>, String)> {
        let (owner, made) = (self.owner()?, &self.made[kind as usize]);
        let mut holders = self.holders.write()?;
        let number = made.load(Ordering::Relaxed) + 1;
        let name = format!("{OWN}{}/{number}", kind.name());
        let shared = self.segment.open_or_create(&name)?;
        holders.entry_or_default(&name)?.push(owner)?;
        holders.commit()?;
        made.store(number, Ordering::Relaxed);
        Ok((shared, name))
    }

    /// The container of a name of the user's.
    pub(super) fn named<T: Share + Default>(&self, name: &str) -> Result<Shared<T>> {
        self.with_room(|| self.segment.open_or_create(name))
    }

    /// A container of nobody else's.
    pub(super) fn private<T: Share + Default>(&self, content: Option<T>) -> Result<Shared<T>> {
        let name = self.own_name(PRIVATE)?;
        let shared: Shared<T> = self.named(&name)?;
        if let Some(content) = content
            && let Err(error) = shared.store(content)
        {
            self.remove(&name)?;
            return Err(error);
        }
        Ok(shared)
    }

    /// Makes a container; once more, if there was no room for it, after making some. Under the lock of the directory
    /// nobody can make room.
    fn with_room<R>(&self, make: impl Fn() -> Result<R>) -> Result<R> {
        match make() {
            Err(Error::OutOfSpace { .. }) if self.clear_out()? => make(),
            made => made,
        }
    }

    /// Ends the holding of a container by this attachment, which began in the name of `owner`.
    pub(super) fn let_go(&self, name: &str, owner: u64) -> Result<()> {
        if self.owner()? != owner {
            return Ok(());
        }
        let mut holders = self.holders.write()?;
        let empty = match holders.get_mut(name) {
            Some(owners) => {
                if let Some(place) = owners.iter().position(|other| *other == owner) {
                    owners.swap_remove(place)?;
                }
                owners.is_empty()
            }
            None => false,
        };
        if empty {
            holders.remove(name)?;
        }
        holders.commit()
    }

    /// A name for an object of blocks.
    pub(super) fn blocks_name(&self) -> Result<String> {
        self.own_name(BLOCKS)
    }

    /// A name that nobody else has.
    fn own_name(&self, below: &str) -> Result<String> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Ok(format!("{below}{:x}/{}", self.owner()?, NUMBERS.fetch_add(1, Ordering::Relaxed)))
    }

    /// Removes what dead owners left.
    /// Gives whether there was anything.
    pub(super) fn bury_dead(&self) -> Result<bool> {
        let mut any = false;
        let mut alive: HashMap<u64, bool> = HashMap::new();
        let mut is_alive = |owner: u64| *alive.entry(owner).or_insert_with(|| self.is_alive(owner));
        if self.holders.load()?.into_values().flatten().any(|owner| !is_alive(owner)) {
            let mut holders = self.holders.write()?;
            holders.retain(|_, owners| {
                // One that cannot be taken out is taken for dead later as well.
                let _ = owners.retain(|owner| is_alive(*owner));
                !owners.is_empty()
            })?;
            holders.commit()?;
        }
        for name in self.segment.objects_under(OWN)? {
            let rest = name.strip_prefix(BLOCKS).or_else(|| name.strip_prefix(PRIVATE));
            let owner = rest.and_then(|rest| rest.split('/').next());
            let Some(owner) = owner.and_then(|owner| u64::from_str_radix(owner, 16).ok()) else { continue };
            if !is_alive(owner) {
                self.remove(&name)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Removes a container; another may have been quicker.
    fn remove(&self, name: &str) -> Result<()> {
        match self.segment.remove(name) {
            Err(Error::NotFound { .. }) => Ok(()),
            removed => removed,
        }
    }

    /// The names of the containers without a name of the user's that nobody holds, going by this list of holders.
    fn abandoned(&self, held: impl Fn(&str) -> Option<Vec<u64>>) -> Result<Vec<String>> {
        let is_held = |name: &String| held(name).is_some_and(|owners| owners.iter().any(|owner| self.is_alive(*owner)));
        let mut names = self.segment.objects_under(OWN)?;
        let kept = |name: &String| name.starts_with(BLOCKS) || name.starts_with(PRIVATE) || name == HOLDERS;
        names.retain(|name| !kept(name) && !is_held(name));
        Ok(names)
    }

    /// Removes what nobody holds, and gives back what is in stock. Gives whether anything was removed.
    pub(super) fn clear_out(&self) -> Result<bool> {
        self.blocks.lock().clear_out()?;
        self.abandon(self.segment.attachment().patience)
    }

    /// Removes what nobody holds. Gives whether there was anything.
    fn abandon(&self, patience: Duration) -> Result<bool> {
        let dead = self.bury_dead()?;
        let mut holders = self.holders.write_for(patience)?;
        let names = self.abandoned(|name| holders.get(name).map(|owners| owners.to_vec().unwrap_or_default()))?;
        for name in &names {
            holders.remove(name)?;
            self.remove(name)?;
        }
        holders.commit()?;
        Ok(dead || !names.is_empty())
    }

    /// Bytes that are handed out, without what nobody holds.
    pub(super) fn size(&self) -> Result<u64> {
        self.bury_dead()?;
        let holders = self.holders.load()?;
        let names = self.abandoned(|name| holders.get(name).cloned())?;
        let mut size = self.segment.stats()?.allocated;
        let unused = names.iter().map(|name| self.segment.object_size(name));
        let blocks = self.segment.objects_under(BLOCKS)?;
        for unused in unused.chain(blocks.iter().map(|name| in_stock(self, name))) {
            match unused {
                Ok(bytes) => size = size.saturating_sub(bytes),
                Err(Error::NotFound { .. } | Error::Removed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(size)
    }
}

/// Removes what nobody holds, for somebody who finds the segment full, and may be in the middle of anything: what cannot
/// be had at once is let be.
fn relieve(attachment: &Attachment) -> bool {
    thread_local! {
        static RELIEVING: Cell<bool> = const { Cell::new(false) };
    }
    if RELIEVING.replace(true) {
        return false;
    }
    let relieved = Home::on(&attachment.map).is_some_and(|home| {
        let stock = home.blocks.try_lock().is_some_and(|mut blocks| blocks.clear_out().unwrap_or(false));
        home.abandon(Duration::ZERO).unwrap_or(false) || stock
    });
    RELIEVING.set(false);
    relieved
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed now is removed by who comes next: the owner is gone then.
        if self.segment.attachment().is_own()
            && let Some(name) = self.blocks.lock().name()
        {
            let _ = self.segment.remove(name);
        }
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("segment", &self.segment.path()).finish_non_exhaustive()
    }
}

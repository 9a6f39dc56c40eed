//! The walk over a stored value by its description alone, without its Rust types.
//!
//! ```text
//! value --inline: struct, enum, option, array--> headers of containers     Untyped (value)
//! header --> Contents: a cursor over entries and blocks                    containers::untyped
//! entry --> value, and so on                                               Walker: a stack of cursors
//! ```
//!
//! The dead, the tools and whoever removes an object have no Rust type for it. What its type's `drop_stored` frees
//! is freed by [`free`]; how much it holds is told by [`size`]; [`check`](check::check) looks for what cannot be.
//!
//! The file is not trusted. A [`Plan`] is made of a description only if that can be walked at all (see `plan`).
//! What is nested in blocks is followed with a stack of cursors in memory, not by recursion; what lies inline within a
//! value is followed by recursion that the plan has bounded. Offsets are followed only after `Map::at` has checked
//! them. Each cursor stands for a header or node of its own, so that more of them than there are words in the file, or
//! a stack of more than [`DEEPEST`], is damage: thus every walk ends.
//!
//! The last entry of a block is not needed any more once its headers have been read, which their cursors replace. So
//! the block of a container with no further entries is given *before* what is nested in the last one: the stack
//! stays flat along lists that are linked through their last field, however long.

mod check;
mod claims;
mod keys;
mod plan;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use crate::containers::untyped::{Block, Step};
pub use check::Finding;
pub(crate) use check::check;
pub(crate) use claims::Claims;
pub(crate) use keys::Keys;
pub(crate) use plan::Plan;
pub(crate) use value::{NANOSECONDS_AT, Untyped, duration_of, number_of};

use crate::alloc::classes::class_of;
use crate::containers::untyped::{Contents, WORDS};
use crate::error::{Error, Result};
use crate::map::Map;
use crate::schema::Kind;
use crate::tx::Cx;

/// Cursors on the stack of a walk, at most.
const DEEPEST: usize = 1 << 22;

/// Words that a container which is being walked over fits in.
pub(crate) const FRAME_WORDS: usize = WORDS + 1;

/// A container that is being walked over.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The container's node.
    node: usize,
    contents: Contents,
}

/// A walk over all blocks that values own.
pub(crate) struct Walker<'a> {
    map: &'a Map,
    plan: &'a Plan,
    stack: Vec<Frame>,
    /// Blocks that were met and have nothing in them to be walked over.
    ready: Vec<Block>,
    /// Frames and ready blocks that there were.
    opened: u64,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(map: &'a Map, plan: &'a Plan) -> Walker<'a> {
        Walker { map, plan, stack: Vec::new(), ready: Vec::new(), opened: 0 }
    }

    fn push(&mut self, frame: Frame) -> Result<()> {
        self.count()?;
        self.stack.push(frame);
        Ok(())
    }

    fn count(&mut self) -> Result<()> {
        self.opened += 1;
        if self.stack.len() >= DEEPEST || self.opened > self.map.size() / 8 {
            return Err(Error::corrupt(0, "values that contain themselves"));
        }
        Ok(())
    }

    /// How many containers the walk is within; `None` where it cannot be put aside.
    pub(crate) fn unfinished(&self) -> Option<usize> {
        self.ready.is_empty().then_some(self.stack.len())
    }

    /// What is left of the walk, as words: see [`resume`](Walker::resume).
    pub(crate) fn words(&self) -> impl Iterator<Item = [u64; FRAME_WORDS]> {
        self.stack.iter().map(|frame| {
            let [a, b, c, d, e, f] = frame.contents.words();
            [frame.node as u64, a, b, c, d, e, f]
        })
    }

    /// Goes on with what was left of a walk over the same values, whose blocks that were given may be gone.
    pub(crate) fn resume(&mut self, [node, a, b, c, d, e, f]: [u64; FRAME_WORDS]) -> Result<()> {
        let corrupt = || Error::corrupt(a, "a walk over something that is not described");
        let node = usize::try_from(node).ok().filter(|node| *node < self.plan.nodes()).ok_or_else(corrupt)?;
        let (kind, forms) = (self.plan.node(node).kind, self.plan.forms(node));
        let contents = Contents::resume(self.map, kind, forms, [a, b, c, d, e, f])?;
        self.push(Frame { node, contents })
    }

    /// Adds what a value owns.
    pub(crate) fn enter(&mut self, value: Untyped<'_>) -> Result<()> {
        if !self.plan.owns(value.node) {
            return Ok(());
        }
        let node = value.type_of();
        match node.kind {
            Kind::Struct | Kind::Enum | Kind::SignedEnum | Kind::Option => {
                value.fields()?.iter().try_for_each(|field| self.enter(value.field(field)))
            }
            Kind::Array => {
                let (element, size) = self.plan.element(value.node);
                (0..node.size as u64).step_by(size).try_for_each(|at| self.enter(value.at(element, value.offset + at)))
            }
            _ => {
                let Some(contents) = value.contents()? else { return Ok(()) };
                if self.plan.entries_own(value.node) || matches!(contents, Contents::Table(_) | Contents::Node(_)) {
                    return self.push(Frame { node: value.node, contents });
                }
                let block = contents.block(self.map, self.plan.forms(value.node))?;
                if block.bytes > 0 {
                    self.count()?;
                    self.ready.push(block);
                }
                Ok(())
            }
        }
    }

    /// The next block that is not needed any more by the walk.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            if let Some(block) = self.ready.pop() {
                return Ok(Some(block));
            }
            let Some(top) = self.stack.len().checked_sub(1) else { return Ok(None) };
            let (frame, plan) = (&mut self.stack[top], self.plan);
            let forms = plan.forms(frame.node);
            let (first, second) = plan.entries(frame.node);
            match frame.contents.step(self.map, forms, plan.entries_own(frame.node))? {
                Step::Block(block) => return Ok(Some(block)),
                Step::End => {
                    self.stack.pop();
                    continue;
                }
                Step::Down(contents) => {
                    let node = frame.node;
                    self.push(Frame { node, contents })?;
                }
                Step::Entry(key, value) => {
                    for (node, offset) in [(first, key), (second, value)] {
                        if let Some(node) = node {
                            self.enter(Untyped { map: self.map, plan, node, offset })?;
                        }
                    }
                }
            }
            if self.stack[top].contents.only_block_left() {
                self.stack[top..].rotate_left(1);
            }
        }
    }
}

/// Frees everything that a value owns, as `drop_stored` of its type does. The bytes of the value stay as they are, and
/// must not be used as a value again.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::OutOfSpace`]; what was freed until then is to be rolled back.
pub(crate) fn free(cx: Cx, plan: &Plan, offset: u64) -> Result<()> {
    free_value(cx, Untyped::root(cx.map(), plan, offset)?)
}

/// The same for a value anywhere in an object.
pub(crate) fn free_value(cx: Cx, value: Untyped<'_>) -> Result<()> {
    if !value.plan.owns(value.node) {
        return Ok(());
    }
    let mut walker = Walker::new(cx.map(), value.plan);
    walker.enter(value)?;
    while let Some(block) = walker.next_block()? {
        free_block(cx, block)?;
    }
    Ok(())
}

/// Gives a block back after the commit.
pub(crate) fn free_block(cx: Cx, block: Block) -> Result<()> {
    let Block { offset, bytes, align } = block;
    if class_of(bytes, align).is_some() {
        return cx.free(offset, bytes, align);
    }
    // See `vec::release`: a span may stand in the log in pieces.
    cx.atomically(|| cx.free(offset, bytes, align))
}

/// Blocks between two looks at whether walking on is of use.
const STRIDE: u64 = 256;

/// Hands over the blocks that a value owns; for who may be reading without a lock.
pub(crate) fn blocks(cx: Cx, plan: &Plan, offset: u64, mut visit: impl FnMut(Block)) -> Result<()> {
    let mut walker = Walker::new(cx.map(), plan);
    walker.enter(Untyped::root(cx.map(), plan, offset)?)?;
    let mut count = 0u64;
    while let Some(block) = walker.next_block()? {
        visit(block);
        count += 1;
        if count.is_multiple_of(STRIDE) && cx.is_stale() {
            return Err(Error::corrupt(offset, "an object that was changed while it was read"));
        }
    }
    Ok(())
}

//! How deep values may contain values.
//!
//! Moving a value into the segment or out of it follows its structure by recursion, so a value that
//! contains itself (through `Box`, `Vec` and the like) takes stack for every level: half a KiB to one KiB as a
//! rule, about 5 KiB without optimisation. [`LEVELS`] are always allowed; more, as long as the stack they took
//! stays below [`STACK`], so that threads with small stacks are safe. Beyond that it is an error. Seeing and
//! changing a value in place has no such bound.
//!
//! Dropping has none either where what a container owns is dropped by [`drop_block`]: from
//! [`DEFERRED`] levels on, blocks are put on a list instead, which the outermost call works off.

use crate::error::{Error, Result};
use crate::tx::Cx;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

/// Levels of structs and enums within each other that can be moved in and out on any stack.
const LEVELS: usize = 128;
/// Bytes of stack that further levels may reach to, counted from the outermost.
const STACK: usize = 512 * 1024;
/// Blocks within each other that are dropped by recursion.
const DEFERRED: usize = 32;

/// Drops what lies in a block that is described by up to three words, and frees it.
pub(crate) type DropBlock = unsafe fn(Cx, [u64; 3]) -> Result<()>;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the stack was at the outermost level.
    static OUTERMOST: Cell<usize> = const { Cell::new(0) };
    static DROPS: Cell<usize> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<(Cx, [u64; 3], DropBlock)>> = const { RefCell::new(Vec::new()) };
}

/// One level, for as long as it lives.
#[derive(Debug)]
pub struct Nesting {
    counted: bool,
    thread: PhantomData<*mut ()>,
}

impl Nesting {
    /// Goes one level deeper, if `counted`: values that own nothing contain no values of their own type.
    ///
    /// # Errors
    /// [`Error::BadArgument`] if that is too deep.
    #[inline(always)]
    pub fn enter(counted: bool) -> Result<Nesting> {
        if counted {
            let depth = DEPTH.get();
            if depth == 0 {
                OUTERMOST.set(stack_position());
            } else if depth >= LEVELS && OUTERMOST.get().abs_diff(stack_position()) > STACK {
                return Err(too_deep(depth));
            }
            DEPTH.set(depth + 1);
        }
        Ok(Nesting { counted, thread: PhantomData })
    }
}

impl Drop for Nesting {
    #[inline(always)]
    fn drop(&mut self) {
        if self.counted {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
}

/// The address of something on the stack.
#[inline(always)]
fn stack_position() -> usize {
    let here = 0u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

#[cold]
fn too_deep(depth: usize) -> Error {
    Error::BadArgument {
        what: "the depth of the nested value",
        value: depth as u64 + 1,
        rule: "at most 128 levels, or what takes half a MiB of stack, can be moved in or out at once; see it in place",
    }
}

/// Drops a block by `free`: at once, or if too many blocks are being dropped around it, before the
/// outermost call returns.
///
/// # Safety
/// As for `free` with these words. They still mean the same when the caller has returned, that is, nobody else
/// frees the block.
pub(crate) unsafe fn drop_block(cx: Cx, block: [u64; 3], free: DropBlock) -> Result<()> {
    let depth = DROPS.get();
    if depth >= DEFERRED {
        WAITING.with_borrow_mut(|waiting| waiting.push((cx, block, free)));
        return Ok(());
    }
    DROPS.set(depth + 1);
    let _frame = Frame(depth);
    // SAFETY: the caller's promise.
    unsafe { free(cx, block)? };
    if depth == 0 {
        while let Some((cx, block, free)) = WAITING.with_borrow_mut(Vec::pop) {
            // SAFETY: the promise of the caller that put it on the list.
            unsafe { free(cx, block)? };
        }
    }
    Ok(())
}

/// Ends a call of [`drop_block`], however it ends; the list is empty after the outermost one.
struct Frame(usize);

impl Drop for Frame {
    fn drop(&mut self) {
        DROPS.set(self.0);
        if self.0 == 0 {
            WAITING.with_borrow_mut(Vec::clear);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes down as deep as is allowed, from a frame of 4 KiB to the next, and gives the number of levels.
    fn descend() -> usize {
        let frame = std::hint::black_box([0u8; 4096]);
        match Nesting::enter(true) {
            Ok(_level) => 1 + descend() + usize::from(frame[0]),
            Err(error) => {
                assert!(error.to_string().contains("at most 128 levels"), "{error}");
                assert!(Nesting::enter(false).is_ok());
                0
            }
        }
    }

    #[test]
    fn going_too_deep_is_an_error_and_levels_are_given_back() {
        let levels = descend();
        assert!((LEVELS..=LEVELS + STACK / 4096).contains(&levels), "{levels}");
        assert_eq!(descend(), levels);
    }

    #[test]
    fn levels_that_take_no_stack_are_not_limited() {
        let levels: Vec<_> = (0..100 * LEVELS).map(|_| Nesting::enter(true).unwrap()).collect();
        drop(levels);
        assert_eq!(DEPTH.get(), 0);
    }
}

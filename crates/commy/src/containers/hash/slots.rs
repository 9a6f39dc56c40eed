//! A walk over the full slots of a map, of both tables if it is moving.

use super::group::{Bits, WIDTH};
use super::head::Head;
use super::table::Table;
use crate::tx::Cx;

/// The full slots: those of the table, then those that are still in the one that is being moved out of.
pub(super) struct Slots<T> {
    /// Full slots of the current group that are still to come.
    bits: Bits,
    /// The end of the current group's slots: slot 0 of it lies right below.
    end: *mut T,
    /// Where the next group is.
    next: usize,
    table: Option<Range<T>>,
    /// The old table, until its turn comes.
    old: Option<Range<T>>,
    in_old: bool,
}

/// A table, of each `part` slots of which the first `ready` have control bytes.
struct Range<T> {
    table: Table<T>,
    part: usize,
    ready: usize,
}

impl<T> Clone for Range<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Range<T> {}

impl<T> Range<T> {
    fn all(table: Table<T>) -> Range<T> {
        Range { table, part: table.slots(), ready: table.slots() }
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Slots { ..*self }
    }
}

impl<T> Slots<T> {
    /// None, if the head does not check out.
    pub(super) fn of(head: &Head, cx: Cx) -> Slots<T> {
        let end = std::ptr::null_mut();
        let mut slots = Slots { bits: Bits::NONE, end, next: 0, table: None, old: None, in_old: false };
        let table: Option<Table<T>> = head.table(cx);
        if head.moving.get() == 0 {
            slots.table = table.map(Range::all);
        } else if let Some((table, moving)) = table.zip(head.moving(cx)) {
            let part = moving.slots.get() as usize & !(WIDTH - 1);
            slots.table = Some(Range { table, part, ready: moving.ready.get() as usize }).filter(|_| part > 0);
            slots.old = moving.table(cx).map(Range::all);
        }
        slots
    }

    /// Goes on to the next group, until there is a full slot; false at the end.
    fn next_group(&mut self) -> bool {
        while let Some(Range { table, part, ready }) = self.table {
            if self.next >= table.slots() {
                self.table = self.old.take();
                self.in_old = true;
                self.next = 0;
            } else if ready < part && self.next % part >= ready {
                // On to where the next part begins.
                self.next = self.next - self.next % part + part;
            } else {
                self.bits = table.group(self.next).full().below(table.slots() - self.next);
                self.end = table.end_of_group(self.next);
                self.next += WIDTH;
                if self.bits.any() {
                    return true;
                }
            }
        }
        false
    }

    /// The next full slot: its table, whether that is the old one, its index.
    pub(super) fn next_place(&mut self) -> Option<(Table<T>, bool, usize)> {
        if !self.bits.any() && !self.next_group() {
            return None;
        }
        let index = self.next - WIDTH + self.bits.next()?;
        self.table.map(|range| (range.table, self.in_old, index))
    }
}

impl<T> Iterator for Slots<T> {
    type Item = *mut T;

    #[inline]
    fn next(&mut self) -> Option<*mut T> {
        if !self.bits.any() && !self.next_group() {
            return None;
        }
        let slot = self.bits.next()?;
        // SAFETY: a full slot of the group that ends there, hence in its table.
        Some(unsafe { self.end.sub(slot + 1) })
    }
}

//! A walk over the full slots of a map, of both tables if it is moving.

use super::group::{Bits, WIDTH};
use super::head::Head;
use super::table::Table;
use crate::tx::Cx;

/// The full slots: those of the table, then those that are still in the one that is being moved out of.
pub(super) struct Slots<T> {
    table: Option<Range<T>>,
    /// The old table, until its turn comes.
    old: Option<Range<T>>,
    in_old: bool,
    /// The position of the group after the one that `bits` are of.
    next: usize,
    bits: Bits,
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
        let table: Option<Table<T>> = head.table(cx);
        let mut slots = Slots { table: None, old: None, in_old: false, next: 0, bits: Bits::NONE };
        if head.moving.get() == 0 {
            slots.table = table.map(Range::all);
        } else if let Some((table, moving)) = table.zip(head.moving(cx)) {
            let old: Option<Table<T>> = moving.table(cx);
            let part = moving.slots.get() as usize & !(WIDTH - 1);
            slots.table = Some(Range { table, part, ready: moving.ready.get() as usize }).filter(|_| part > 0);
            slots.old = old.map(Range::all);
        }
        slots
    }

    /// The next full slot: its table, whether that is the old one, its index.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<(Table<T>, bool, usize)> {
        loop {
            let Range { table, part, ready } = self.table?;
            if let Some(slot) = self.bits.next() {
                let index = self.next - WIDTH + slot;
                if index < table.slots() {
                    return Some((table, self.in_old, index));
                }
            } else if self.next >= table.slots() {
                self.table = self.old.take();
                self.in_old = true;
                self.next = 0;
            } else if ready < part && self.next % part >= ready {
                // On to where the next part begins.
                self.next = self.next - self.next % part + part;
            } else {
                self.bits = table.group(self.next).full();
                self.next += WIDTH;
            }
        }
    }
}

impl<T> Iterator for Slots<T> {
    type Item = *mut T;

    #[inline]
    fn next(&mut self) -> Option<*mut T> {
        self.next_place().map(|(table, _, index)| table.slot(index))
    }
}

//! A walk over the full slots of a map, of both tables if it is moving.

use super::group::{Bits, WIDTH};
use super::head::Head;
use super::table::Table;
use crate::tx::Cx;

/// The full slots: those of the table, then those that are still in the one that is being moved out of.
pub(super) struct Slots<T> {
    /// The table, and the position up to which it has control bytes.
    table: Option<(Table<T>, usize)>,
    /// The old table, until its turn comes.
    old: Option<(Table<T>, usize)>,
    in_old: bool,
    /// The position of the group after the one that `bits` are of.
    next: usize,
    bits: Bits,
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Slots { ..*self }
    }
}

impl<T> Slots<T> {
    /// None, if the head does not check out.
    pub(super) fn of(head: &Head, cx: Cx) -> Slots<T> {
        let table = head.table(cx);
        let mut slots = Slots { table: None, old: None, in_old: false, next: 0, bits: Bits::NONE };
        if head.moving.get() == 0 {
            slots.table = table.map(|table| (table, table.slots()));
        } else if let Some((table, moving)) = table.zip(head.moving(cx)) {
            let ready = table.slots().min(moving.ready.get() as usize);
            slots.table = Some((table, ready));
            slots.old = moving.table(cx).map(|old| (old, old.slots()));
        }
        slots
    }

    /// The next full slot: its table, whether that is the old one, its index.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<(Table<T>, bool, usize)> {
        loop {
            let (table, end) = self.table?;
            if let Some(slot) = self.bits.next() {
                let index = self.next - WIDTH + slot;
                if index < table.slots() {
                    return Some((table, self.in_old, index));
                }
            } else if self.next < end {
                self.bits = table.group(self.next).full();
                self.next += WIDTH;
            } else {
                self.table = self.old.take();
                self.in_old = true;
                self.next = 0;
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

//! A walk over the full slots of a map, of both tables if it is moving.

use super::group::{Bits, WIDTH};
use super::head::Head;
use super::table::{Shape, Table};
use crate::tx::Cx;

/// The full slots: those of the table, then those that are still in the one that is being moved out of.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    /// The table, and the position up to which it has control bytes.
    table: Option<(Table, usize)>,
    /// The old table, until its turn comes.
    old: Option<(Table, usize)>,
    in_old: bool,
    /// The position of the group after the one that `bits` are of.
    next: usize,
    bits: Bits,
}

impl Slots {
    /// None, if the head does not check out.
    pub(super) fn of(head: &Head, cx: Cx, shape: Shape) -> Slots {
        let table = head.table(cx, shape);
        let mut slots = Slots { table: None, old: None, in_old: false, next: 0, bits: Bits::NONE };
        if head.moving.get() == 0 {
            slots.table = table.map(|table| (table, table.slots()));
        } else if let Some((table, moving)) = table.zip(head.moving(cx)) {
            let ready = table.slots().min(moving.ready.get() as usize);
            slots.table = Some((table, ready));
            slots.old = moving.table(cx, shape).map(|old| (old, old.slots()));
        }
        slots
    }

    /// The next full slot: its table, whether that is the old one, its index.
    #[inline]
    pub(super) fn next_place(&mut self) -> Option<(Table, bool, usize)> {
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

impl Iterator for Slots {
    type Item = *mut u8;

    #[inline]
    fn next(&mut self) -> Option<*mut u8> {
        self.next_place().map(|(table, _, index)| table.slot(index))
    }
}

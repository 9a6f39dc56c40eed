//! Going through a map page by page, while it may change between two pages.
//!
//! A page has the keys of some home groups, and a cursor says which comes next. It counts the groups with the
//! bits of their numbers in reverse order: in a table twice as large a group's keys are in the group of the same
//! number, and in the one whose number has one more bit at the top. So a cursor means the same in tables of any
//! size: what was gone through stays gone through, whatever size the table has next time.
//!
//! ```text
//! 4 groups: 00 10 01 11          8 groups: 000 100  010 110  001 101  011 111
//! ```
//!
//! While a map moves from one table to another, the keys of a group of the smaller one are in the groups of the
//! larger one that have the same low bits; of the old table's groups those above the cursor of the move.

use super::group::WIDTH;
use super::head::Moving;
use super::raw::{Raw, Slot};
use super::table::{Table, home};
use crate::containers::load::go_on;
use crate::error::Result;
use crate::schema::{Key, Share};

/// Where to go on: groups that were gone through, with the bits in reverse order.
type Cursor = u64;

/// The group that a cursor leads to, of so many.
pub(super) fn group_of(cursor: Cursor, groups: u64) -> u64 {
    cursor.reverse_bits() & (groups - 1)
}

/// The cursor behind a group, of so many; `None` behind the last. It counts from the top bit down.
pub(super) fn behind(group: u64, groups: u64) -> Option<Cursor> {
    let step = (1u64 << 63) >> groups.trailing_zeros().saturating_sub(1);
    if groups == 1 { None } else { group.reverse_bits().checked_add(step) }
}

impl<K: Key, V: Share> Raw<'_, K, V> {
    /// Hands the slots of the next home groups to `take`, until there were `enough` entries. Gives the cursor of
    /// the next page; `None` at the end.
    pub(super) fn scan(
        &self,
        mut cursor: Cursor,
        enough: usize,
        mut take: impl FnMut(*const Slot<K, V>) -> Result<()>,
    ) -> Result<Option<Cursor>> {
        let Some(table) = self.head.table::<Slot<K, V>>(self.cx) else { return Ok(None) };
        let old = match self.head.moving.get() {
            0 => None,
            _ => match self.head.moving(self.cx) {
                Some(moving) => moving.table::<Slot<K, V>>(self.cx).map(|old| (old, moving)),
                None => return Err(self.head.corrupt()),
            },
        };
        // Only with powers of two does the count below come to an end.
        let sizes = [Some(table), old.as_ref().map(|(old, _)| *old)];
        if sizes.into_iter().flatten().any(|table| !table.slots().is_power_of_two()) {
            return Err(self.head.corrupt());
        }
        let groups = |table: Table<Slot<K, V>>| table.slots().div_ceil(WIDTH).max(1) as u64;
        let fewest = old.as_ref().map_or(groups(table), |(old, _)| groups(*old).min(groups(table)));
        let mut taken = 0;
        loop {
            go_on(self.cx)?;
            let group = group_of(cursor, fewest);
            let mut each = |slot| {
                taken += 1;
                take(slot)
            };
            let moved = |home: u64| {
                old.as_ref().is_none_or(|(_, moving): &(_, &Moving)| home * (WIDTH as u64) < moving.cursor.get())
            };
            let mut any_moved = old.is_none();
            if let Some((old, _)) = &old {
                for home in (group..groups(*old)).step_by(fewest as usize) {
                    if moved(home) {
                        any_moved = true;
                    } else {
                        self.with_home(*old, home as usize * WIDTH, &mut each)?;
                    }
                }
            }
            if any_moved {
                for home in (group..groups(table)).step_by(fewest as usize) {
                    self.with_home(table, home as usize * WIDTH, &mut each)?;
                }
            }
            match behind(group, fewest) {
                None => return Ok(None),
                Some(next) => cursor = next,
            }
            if taken >= enough {
                return Ok(Some(cursor));
            }
        }
    }

    /// The slots of the keys whose home group begins at a position.
    fn with_home(
        &self,
        table: Table<Slot<K, V>>,
        position: usize,
        take: &mut impl FnMut(*const Slot<K, V>) -> Result<()>,
    ) -> Result<()> {
        let mut at = position;
        loop {
            let group = table.group(at);
            for slot in group.full().below(table.slots() - at) {
                let slot = table.slot(at + slot).cast_const();
                // SAFETY: a full slot of a table in the map.
                let hash = unsafe { self.hash_stored(&raw const (*slot).key, self.cx) };
                if home(hash, table.slots()) == position {
                    take(slot)?;
                }
            }
            at = table.after(at);
            if group.empty().any() || at == position {
                return Ok(());
            }
        }
    }
}

//! What happens to the two words of a thread slot, `state` and `rescuer`: who has it, and who buries whom.
//!
//! ```text
//! occupy   FREE g --swap--> CLAIMED g --lit--> LIVE g          one of those who saw FREE g wins the swap
//! vacate   any g -----------------------------> FREE g+1      by the occupant, or by whoever buries it
//!
//! rescue   rescuer: nobody, or one who died --swap--> me
//!          state still g, its occupant dead, state still the same: bury, which ends with vacate
//!          rescuer: nobody
//! ```
//!
//! From the swap of `rescuer` to its release nobody else buries, so what the dead left is put right by one at
//! a time; a rescuer that dies is replaced by the next, who begins again. Signs of death belong to a slot, not
//! to an occupant of it: that the state is unchanged after one was seen tells whose death it was.
//!
//! Generic over the words, so that loom can run this very code.

use crate::layout::{Point, SlotState, at, thread_status};
use crate::sync::Word64;
use std::sync::atomic::Ordering;

/// What came of an attempt to rescue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt<R> {
    /// Somebody alive is at it.
    Busy,
    /// There is nothing to do, or somebody else was quicker to begin.
    Passed,
    /// The dead one was buried.
    Buried(R),
}

/// Takes a slot that was seen free, in the name of a process. `light` prepares the slot and lights its beacon;
/// if it cannot, the slot is free again. `None`: somebody else was quicker.
pub(crate) fn occupy<W: Word64, E>(
    state: &W,
    seen: SlotState,
    (process, process_generation): (u16, u16),
    light: impl FnOnce() -> Result<(), E>,
) -> Option<Result<SlotState, E>> {
    let claimed = SlotState { status: thread_status::CLAIMED, process, process_generation, ..seen };
    at(Point::SlotClaim);
    state.compare_exchange(seen.pack(), claimed.pack(), Ordering::AcqRel, Ordering::Relaxed).ok()?;
    let lit = light();
    let status = if lit.is_ok() { thread_status::LIVE } else { thread_status::FREE };
    let now = SlotState { status, ..claimed };
    state.publish(now.pack());
    Some(lit.map(|()| now))
}

/// Makes a slot free for others and ends the generation: lock words that name it are stale from here on.
pub(crate) fn vacate<W: Word64>(state: &W, was: SlotState) {
    at(Point::SlotRelease);
    let generation = was.generation.wrapping_add(1);
    state.publish(SlotState { status: thread_status::FREE, generation, ..was }.pack());
}

/// Buries the occupant that a slot has in this generation, if it is dead: `bury` puts right what it left and
/// then [`vacate`]s the slot. `me` names the rescuer's process, and `lives` tells of one that is named so
/// whether it lives.
pub(crate) fn rescue<W: Word64, R>(
    (state, rescuer): (&W, &W),
    me: u64,
    generation: u32,
    lives: impl FnOnce(u64) -> bool,
    dead: impl FnOnce(SlotState) -> bool,
    bury: impl FnOnce(SlotState) -> R,
) -> Attempt<R> {
    let other = rescuer.load(Ordering::Acquire);
    // It may be another thread of this process, or this one further up the stack.
    if other != 0 && (other == me || lives(other)) {
        return Attempt::Busy;
    }
    at(Point::SlotRescue);
    if rescuer.compare_exchange(other, me, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Attempt::Passed;
    }
    let word = state.load(Ordering::Acquire);
    let seen = SlotState::unpack(word);
    let is_its = seen.generation == generation && dead(seen) && state.load(Ordering::Acquire) == word;
    let result = if is_its { Attempt::Buried(bury(seen)) } else { Attempt::Passed };
    rescuer.publish(0);
    result
}

//! A private copy of a segment, in which all is recovered: how the segment would be if everybody had been killed now.
//!
//! The copy is a mapping that is written to for oneself only, so just the pages that recovery changes are copied. As all
//! processes are taken for dead there, recovery is that of every day: it finds the same slots, intents and logs. What it
//! would do to the file itself it leaves (see `Map::is_private`).

use super::rescue;
use crate::error::{Error, Result};
use crate::layout::{PROCESS_FREE, thread_status};
use crate::map::Map;
use crate::os::Access;
use crate::participant::Attachment;
use std::time::Duration;

/// A private copy, which shows what others do to pages that have not been changed here.
pub(crate) fn private(map: &Map) -> Result<Map> {
    Map::new(map.shared_file(), map.path(), map.size(), Access::Private)
}

/// Recovers everything in a private copy.
///
/// # Errors
/// [`Error::Corrupt`] and others if that cannot be done.
pub(crate) fn recover_all(copy: Map) -> Result<Attachment> {
    let header = copy.header();
    header.pause.put(0);
    for slot in (0..).map_while(|index| copy.process(index)) {
        slot.state.publish(u64::from(slot.generation().wrapping_add(1)) << 32 | PROCESS_FREE);
    }
    // Nobody is there who could be waited for.
    let attachment = Attachment::alone(copy, Duration::ZERO, rescue);
    super::put_out_beacons(&attachment);
    for index in 0..attachment.thread_slots() {
        let Some(slot) = attachment.map.thread(index) else { continue };
        slot.rescuer.put(0);
        let state = attachment.state(slot);
        if state.status != thread_status::FREE {
            rescue(&attachment, index, state.generation)?;
        }
        if attachment.state(slot).status != thread_status::FREE {
            return Err(Error::corrupt(attachment.map.offset_of(slot), "a slot whose thread cannot be recovered"));
        }
    }
    Ok(attachment)
}

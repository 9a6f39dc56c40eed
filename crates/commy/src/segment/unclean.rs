//! Whether a file may be opened that was in use when the machine went down.
//!
//! The pages of such a file may be of different moments. It is opened only if it is shown to be whole: in a private
//! copy everything is recovered and checked. Else it is left as it is: `Error::Unclean` with what was found.

use super::check::check_recovered;
use crate::error::{Error, Result};
use crate::map::Map;
use crate::recovery;

/// Refuses a file that is not whole. Changes nothing. The caller has passed the gate, and nobody has it open.
pub(super) fn examine(map: &Map) -> Result<()> {
    match check_recovered(recovery::private(map)?, &mut |_, _| {}).first() {
        None => Ok(()),
        Some(finding) => Err(Error::Unclean { path: map.path().to_path_buf(), finding: finding.to_string() }),
    }
}

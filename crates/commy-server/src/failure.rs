//! From what goes wrong inside to what clients are told.

use commy_wire::{Code, Failure};

pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A failure of a request.
pub fn fail(code: Code, message: impl Into<String>) -> Failure {
    Failure::new(code, message)
}

/// Whether it says that a segment is damaged, so that trying again does not help.
#[cfg(unix)]
pub fn is_damage(error: &commy::Error) -> bool {
    use commy::Error as E;
    matches!(
        error,
        E::NotASegment { .. } | E::Incompatible { .. } | E::Truncated { .. } | E::Unclean { .. } | E::Corrupt { .. }
    )
}

/// What the library says, for clients: paths of the server are not theirs to know.
pub fn of_library(error: commy::Error) -> Failure {
    use commy::Error as E;
    let code = match &error {
        E::NotFound { .. } | E::Removed { .. } => Code::NotFound,
        E::ObjectExists { .. } => Code::Exists,
        E::BadName { .. } | E::BadArgument { .. } | E::NoChanges { .. } => Code::BadRequest,
        E::BadType { .. } | E::TypeMismatch { .. } => Code::BadType,
        E::BadPath { .. } => Code::BadPath,
        E::BadValue { .. } => Code::BadValue,
        E::ValueTooLarge { .. } => Code::TooLarge,
        E::Retired { .. }
        | E::LockTimeout { .. }
        | E::Deadlock { .. }
        | E::TooManyParticipants { .. }
        | E::TooManyGuards { .. } => Code::Busy,
        E::OutOfSpace { .. } => Code::OutOfSpace,
        E::Corrupt { .. } | E::Unclean { .. } | E::Truncated { .. } | E::NotASegment { .. } => Code::Corrupt,
        _ => Code::Internal,
    };
    if let E::Other(own) = error {
        return own.downcast::<Failure>().map_or_else(|other| fail(Code::Internal, other.to_string()), |own| *own);
    }
    match (code, &error) {
        (Code::Internal, _) | (_, E::Unclean { .. } | E::Truncated { .. } | E::NotASegment { .. }) => {
            tracing::error!(%error, "a segment");
            fail(code, "the segment of the service cannot be used; the server's log says why")
        }
        (Code::OutOfSpace, _) => fail(code, "the service has no room for that: its quota or the disk is used up"),
        (Code::Busy, E::LockTimeout { .. }) => fail(code, "it was locked by somebody else for too long; try again"),
        _ => fail(code, error.to_string()),
    }
}

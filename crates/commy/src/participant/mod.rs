//! Who is attached: slots for processes and threads, their signs of life, and what they are to each
//! other as owners of locks.

mod attachment;
mod seat;

pub(crate) use attachment::{Attachment, Liveness};
pub(crate) use seat::{Actor, tag};

//! The programs of the user's guide, written anew: with the same types, calls and shapes. Each of them works in the
//! current folder.
//!
//! Where the guide ignores the result of `push`, so do they: it says nothing else there.

// A lint takes the loop that waits for another process's flag for one without end; and the guide writes `into_iter()`.
#![allow(unused_must_use, clippy::while_immutable_condition, clippy::useless_conversion)]

pub mod configuration;
pub mod counter_reader;
pub mod counter_writer;
pub mod growing;
pub mod minimal;
pub mod mismatch;
pub mod quick;
pub mod ready;
pub mod snippets;
pub mod task_queue;

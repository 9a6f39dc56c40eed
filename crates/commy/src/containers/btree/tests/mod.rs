//! What must not go wrong with trees.

mod check;
mod failures;
mod model;

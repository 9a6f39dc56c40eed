//! Commy.
mod os;

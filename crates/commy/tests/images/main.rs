//! Killed at any instruction: nothing is lost, nothing leaks, nothing stays locked.
//!
//! Each test runs one operation of the optimised build one machine instruction at a time and judges every
//! state that the file passes through; see `judge`. `COMMY_IMAGES=all` follows recoveries of recoveries to the
//! fixpoint.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod judge;
mod scenarios;
mod stepper;

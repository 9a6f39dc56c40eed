//! Killed at any instruction: nothing is lost, nothing leaks, nothing stays locked.
//!
//! Each test runs one operation of the optimised build one machine instruction at a time and judges every
//! state that the file passes through; see `judge`. `COMMY_IMAGES=all` follows recoveries of recoveries to the
//! fixpoint.
// Of the unoptimised build nothing is learnt, at ten times the steps.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(debug_assertions)))]

mod alone;
mod changes;
mod dead;
mod direct;
mod dynamic;
mod judge;
mod memory;
mod methods;
mod numbers;
mod scenarios;
mod stepper;

//! The engine's tests: tables of decisions, a simulator of whole runs with its laws,
//! and the driver over a real journal.
#![cfg(test)]

mod drill;
mod driver;
mod kit;
mod laws;
mod properties;
mod random;
mod several;
mod simulator;
mod tables;
mod world;

//! The engine's tests: tables of decisions, a simulator of whole runs with its laws,
//! and the driver over a real journal.
#![cfg(test)]

mod actions;
mod asking;
mod cases;
mod chaos;
mod driver;
mod driver_asks;
mod driver_attempts;
mod driver_ends;
mod graph;
mod kit;
mod kit_driver;
mod laws;
mod laws_at_end;
mod operator;
mod order;
mod properties;
mod random;
mod scripts;
mod seeds;
mod simulator;
mod so_far;
mod standing;
mod stores;
mod storing;
mod undoing;
mod world;

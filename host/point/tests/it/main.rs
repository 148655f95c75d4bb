//! The tests of the protocol of one recovery point: what is asked for after which inputs,
//! case by case, and properties for any input.
#![cfg(test)]

mod border;
mod commits;
mod contributors;
mod crashes;
mod failures;
mod kit;
mod locks;
mod properties;
mod uploads;

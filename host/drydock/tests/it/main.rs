//! The binary against real servers: what an operator does, and what goes wrong.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start processes, read the environment and wait for conditions"
)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test where something is not as it should be"
)]

mod archive;
mod backup;
mod bad_input;
mod classic;
mod cluster_trouble;
mod command_line;
mod crash;
mod crash_at_a_service;
mod daemon;
mod drill;
mod faulty;
mod graph;
mod histories;
mod init;
mod inside;
mod interrupted;
mod large_values;
mod levers;
mod maintain;
mod migrate;
mod notify;
mod open;
mod outside;
mod plugins;
mod publishing;
mod questions;
mod rescue;
mod restore;
mod restore_by_hand;
mod several;
mod silent;
mod stores;
mod stream;
mod targets;
mod trouble;
mod world;

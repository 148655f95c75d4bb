//! Runs whose target is a service, with the proxy of faults before it; and store plugins, held to
//! the contract by the program itself.

mod faults;
pub mod node;
mod plugin_test;

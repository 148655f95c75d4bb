//! For tests of this crate and of the crates that implement [`Target`](crate::Target):
//! the contract that every target keeps, and a fake that keeps it in memory.

pub mod contract;
pub mod fake;
pub mod sample;
pub mod ssh;

pub use fake::FakeTarget;

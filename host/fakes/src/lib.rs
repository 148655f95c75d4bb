//! Fakes for tests alone: of a target ([`FakeTarget`]). It is held to the [`contract`] that every
//! real target keeps, so that the fake cannot lie.
//!
//! The crate refuses to know how anything real works: it implements the traits of the
//! crates below it in memory, and nothing that ships depends on it.
//!
//! A test makes a fake, tells it how to fail or damages what it keeps, and hands it to the
//! code under test through the trait; afterwards it looks at what the fake holds.
//!
//! **Invariant:** a fake that was told nothing behaves as the contract says.
//!
//! A crash leaves nothing: everything is in memory.

pub mod target;

pub use drydock_repository::contract;
pub use target::{Call, FakeTarget};

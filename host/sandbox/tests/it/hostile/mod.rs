//! Hostile and broken guests. Whatever one does, the operator reads one sentence about it,
//! the host holds afterwards what it held before, and a good guest runs right after.
//!
//! What the fixtures can do stands in files that they share with these tests, and is
//! claimed by exhaustive matches: a behaviour that no test claims does not compile, and a
//! fixture that no test claims fails [`fixtures`].

mod alone;
mod bytes;
mod cases;
mod components;
mod fixtures;
mod leaks;
mod noise;
mod sentences;
mod sequences;

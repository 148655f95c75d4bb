//! Faults between a store plugin and its server: each of them at each call of an upload, a
//! commit, a listing, a download, a removal and a sweep, and the laws that hold afterwards. The
//! tests of `it` try a few pairs; `cargo xtask torture stores` tries them all.

pub mod calls;
pub mod cell;
pub mod grid;
pub mod laws;
pub mod play;
pub mod service;
pub mod table;

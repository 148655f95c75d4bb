//! Hostile guests, how each has to end, and what must be as before afterwards. The tests
//! of `it` go through them one by one; `cargo xtask torture` throws them together at
//! random, beside a real backup.

pub mod backup;
pub mod behaviours;
pub mod company;
pub mod ends;
pub mod footprint;
pub mod heart;
pub mod run;
pub mod scene;
pub mod sequence;
pub mod summary;

//! Drills on real etcd, out of recovery points that real runs made.

mod data;
pub mod kit;
pub mod kubernetes;
mod machine;
mod nothing;
mod page;
mod passing;
mod schedule;

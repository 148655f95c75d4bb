//! The crate against real files, damaged files and real servers.

mod allocations;
mod build;
mod damage;
mod files;
mod golden;
mod inspect;
mod live;
mod long;
mod mutants;
mod noise;
mod origin;
mod restore;
mod stream;
mod tools;
mod witness;

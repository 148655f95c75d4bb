//! The crate against real files, damaged files and real servers.

mod damage;
mod files;
mod golden;
mod live;
mod noise;
mod restore;
mod stream;
mod tools;

//! One run that stores at several targets, real services among them.

mod kit;
mod limits;
mod several;
mod switched;

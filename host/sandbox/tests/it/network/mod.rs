//! Servers and secrets, over a real server: what goes, what is refused, and what is never
//! told.

mod bindings;
mod bodies;
pub mod identities;
pub mod kit;
mod notify;
mod refusals;
mod requests;
mod secrets;

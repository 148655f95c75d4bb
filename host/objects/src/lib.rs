//! What a Kubernetes API server stored: which resource a key belongs to, and what a value
//! says.
//!
//! This crate refuses to know files, snapshots, networks and terminals: it is given keys and
//! values as bytes, and gives back words and JSON.
//!
//! # The way data flows
//!
//! A key's resource, as it stands in the key, is looked up in the table of built-in
//! [`resource`]s. A value that was encrypted is opened by [`encryption`]. [`stored`] takes
//! its envelope off and looks its kind up in the [`table`]; [`decode`] goes through the
//! message ([`wire`]) as the table says and makes the JSON that `kubectl get -o json` shows.
//!
//! # Invariants
//!
//! **Invariant:** bytes are never trusted: depth and number of values are limited, and what
//! cannot be understood is said to be so; nothing panics.
//!
//! **Invariant:** the JSON of a value equals that of Go's encoder at the version of the
//! table, for every kind in it.
//!
//! **Invariant:** keys of an encryption configuration are in no error and no `Debug` output.

pub mod compare;
pub mod decode;
pub mod encryption;
pub mod key;
mod own;
pub mod resource;
pub mod stored;
pub mod table;
pub mod wire;
pub mod yaml;

//! What a Kubernetes API server stored: which resource a key belongs to.
//!
//! This crate refuses to know files, snapshots, networks and terminals: it is given keys and
//! values as bytes, and gives back words and JSON.
//!
//! # The way data flows
//!
//! A key's resource, as it stands in the key, is looked up in the table of built-in
//! [`resource`]s.
//!
//! # Invariants
//!
//! **Invariant:** bytes are never trusted; what cannot be understood is said to be so, and
//! nothing panics.

pub mod resource;

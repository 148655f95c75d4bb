//! The testkit against the real servers that it starts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod etcd;
mod fakes;
mod guard;
mod kube;
mod lock_server;
mod pki;
mod stores;

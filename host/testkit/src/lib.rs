//! Real servers for tests, for the quickstart and for the benchmarks.
//!
//! The testkit starts etcd clusters on loopback, makes the certificates for them, loads
//! them with what a Kubernetes API server would have written, starts servers that keep
//! objects ([`azurite`], [`versitygw`], [`fake_gcs`]), and finds the programs that a restore
//! by hand needs. Every server is the real program, out of the cache folder that
//! `cargo xtask tools` fills. What pretends says so by its name: the servers in [`fake`],
//! at which a cloud hands out credentials and which nobody can run at home.
//!
//! It refuses to know the product: tests bring Drydock to the servers, never the other
//! way round.
//!
//! Data passes through it from [`tools`] (programs) and [`pki`] (certificates) into
//! [`etcd`] (a running cluster), from there into [`kube`] (an API server on it), and from
//! [`kube_objects`] and [`random_values`] into that cluster's keys.
//!
//! **Invariant:** no server outlives the process that started it, however that ends: see
//! [`guard`].
//! **Invariant:** nothing is awaited for a time, only for a condition with a limit: see
//! [`wait`].
//! **Invariant:** the same seed loads the same keys and values.
//!
//! A crash leaves nothing: the guard stops the servers and removes their folders.
#![expect(
    clippy::disallowed_methods,
    reason = "test support, not the product: it reads the environment to find the cache folder"
)]

pub mod azurite;
pub mod client;
pub mod etcd;
pub mod fake;
pub mod fake_gcs;
pub mod fault_proxy;
pub mod gnu_tar;
pub mod guard;
pub mod guests;
pub mod instant;
pub mod kube;
pub mod kube_objects;
pub mod lock_server;
pub mod mounts;
pub mod pki;
pub mod port;
pub mod process;
pub mod program;
pub mod proxy;
pub mod random;
pub mod random_values;
pub mod s3_signature;
pub mod scratch;
pub mod ssh;
pub mod strace;
pub mod tools;
pub mod versitygw;
pub mod wait;
pub mod web;

pub use port::free_port;
pub use scratch::Scratch;
pub use wait::wait_until;

//! What Drydock and its plugins can ask of an etcd cluster: status, member list, hash of
//! the key-value store, the snapshot stream; and what they can change in one: a member's
//! free pages, old revisions, alarms, the leadership, the members. No key is read or written.
//! This is the only crate that knows an etcd client.
//!
//! It refuses to know what a snapshot contains and which member is the best to take it
//! from: that is decided by a plugin, and the bytes are judged elsewhere.
//!
//! A call names one configured endpoint and is answered by the member there: each
//! endpoint has a client of its own, made when it is first needed. Answers come back as
//! plain values, errors as a `Fault` whose code tells a wrong CA from a refused
//! connection from something that is no etcd at all.
//!
//! **Invariant:** no call reaches an endpoint that the cluster's configuration does not
//! name, and no call is made that was not granted.
//!
//! **Invariant:** every call has a time limit, and a stream that stays silent ends.
//!
//! **Invariant:** no call that a backup needs waits for quorum, except the log-in with a user
//! name, which etcd itself sends through raft.
//!
//! **Invariant:** what changes the cluster is sent once, and its fault says whether it surely
//! did not happen.
//!
//! A crash leaves nothing: there is no state beyond open connections.

mod alarm;
mod backend;
pub mod certificates;
mod config;
mod connect;
mod count;
mod fault;
pub mod grant;
mod probe;
mod snapshot;
mod write;

pub use alarm::{Alarm, RaisedAlarm};
pub use backend::{EtcdAccess, HashKv, Member, MemberStatus};
pub use config::{EtcdConfig, Timeouts};
pub use fault::is_silence;
pub use grant::EtcdCall;
pub use snapshot::{Chunk, SnapshotStream};

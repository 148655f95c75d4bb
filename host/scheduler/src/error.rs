//! Why the daemon does not begin.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use drydock_runs::ServiceError;

/// The daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// No signal handler can be had.
    #[error(transparent)]
    Signals(io::Error),
    /// The state folder, or what the documents name, cannot be had.
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(
        "cannot listen on {wanted}: stop whoever uses that address, or set spec.daemon.listen of the node's configuration to another one or to none: {why}"
    )]
    Listen { wanted: SocketAddr, why: String },
    #[error("the daemon listens at {wanted}, and the kernel does not say on which port: {why}")]
    NoPort { wanted: SocketAddr, why: String },
    /// The file that tells where the daemon answers.
    #[error("cannot write {}: {why}", file.display())]
    Address { file: PathBuf, why: String },
}

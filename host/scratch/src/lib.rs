//! Throw-away servers on this machine: a scratch folder, an authority of its own, etcd
//! members, and a kube-apiserver on top. Drills and `drydock open` work in it.
//!
//! The way: [`scratch`] makes a private folder with an owner's lock, and removes what
//! dead owners left; [`authority`] makes certificates that live as long as the folder;
//! [`children`] starts programs that end with this process, however it ends; [`program`]
//! finds them; [`etcd`] and [`api_server`] boot servers that only holders of the folder's
//! certificates can speak to; [`https`] asks the API server.
//!
//! **Invariant:** no server outlives this process: the kernel kills it when we are gone.
//!
//! **Invariant:** nobody reaches the restored data without a certificate out of the scratch
//! folder, which only this user can read.
//!
//! A crash leaves the scratch folder; whoever works in the same place next removes it,
//! since nobody holds its lock.

pub mod api_server;
pub mod authority;
pub mod children;
pub mod etcd;
pub mod https;
pub mod port;
pub mod program;
pub mod scratch;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

pub use scratch::Scratch;

/// Something about this machine, not about the data: a folder, a program, a port.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error(
        "the scratch folder {} cannot be used: {why}; name another one as spec.drill.scratch of the node's configuration, or as TMPDIR where --target-folder is given",
        folder.display()
    )]
    Scratch { folder: PathBuf, why: String },
    #[error(
        "the scratch folder {} has {free} bytes free and this needs {needed}: free some, or name another one as spec.drill.scratch of the node's configuration, or as TMPDIR where --target-folder is given",
        folder.display()
    )]
    NoSpace {
        folder: PathBuf,
        free: u64,
        needed: u64,
    },
    #[error(
        "this node names no {name}: give it as --{name} FILE, or say where it is as spec.drill.{key} of the node's configuration, e.g. `{key}: {{path: /usr/local/bin/{name}}}`"
    )]
    NoProgram {
        name: &'static str,
        key: &'static str,
    },
    #[error("spec.drill.{key} of the node's configuration cannot be used: {why}")]
    Program { key: &'static str, why: String },
    #[error("no certificates could be made for the scratch servers")]
    Certificates(#[from] rcgen::Error),
    #[error("{} cannot be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("no free port could be found on 127.0.0.1")]
    NoPort,
    #[error("{name} cannot be started: {why}")]
    Start { name: String, why: String },
    #[error(
        "{name} was not ready within {seconds} s, and still runs: this machine is too slow or too busy for it"
    )]
    Slow { name: String, seconds: u64 },
    #[error("{name} ended by itself ({exit}): {why}")]
    Ended {
        name: String,
        exit: ExitStatus,
        why: String,
    },
    #[error("{name} does not answer: {why}")]
    Silent { name: String, why: String },
}

impl ScratchError {
    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

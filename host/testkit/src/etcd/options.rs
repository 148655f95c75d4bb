//! What a test's cluster looks like.

use std::path::PathBuf;

use crate::tools::ETCD_VERSION;

/// How a cluster is to be made. The default is one member without TLS.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// How many members vote.
    pub members: usize,
    /// Mutual TLS for clients and peers.
    pub tls: bool,
    /// The version, one that `cargo xtask tools` knows.
    pub version: &'static str,
    /// Limit of the database's size; etcd's own default when absent.
    pub quota_bytes: Option<u64>,
    /// Users and passwords.
    pub auth: Option<Auth>,
    /// The token that keeps clusters apart whose ports get mixed up.
    pub token: String,
    /// More arguments for every member.
    pub arguments: Vec<String>,
    /// An empty or new folder that stays; a scratch folder when absent.
    pub folder: Option<PathBuf>,
}

/// Authentication with the user `root`.
#[derive(Clone)]
pub struct Auth {
    pub root_password: String,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            members: 1,
            tls: false,
            version: ETCD_VERSION,
            quota_bytes: None,
            auth: None,
            token: "drydock-test".to_owned(),
            arguments: Vec::new(),
            folder: None,
        }
    }
}

/// Shows that there is a password, never which.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

//! How to reach a cluster.

use std::fmt;
use std::time::Duration;

/// A cluster's endpoints and the credentials for it. `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct EtcdConfig {
    /// URLs, e.g. `https://127.0.0.1:2379`, in the order of the operator's file.
    pub endpoints: Vec<String>,
    /// PEM of the certificate authority; needed for `https` endpoints.
    pub ca: Option<Vec<u8>>,
    /// PEM of the client certificate, with its chain.
    pub certificate: Option<Vec<u8>>,
    /// PEM of the client certificate's private key.
    pub key: Option<Vec<u8>>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub timeouts: Timeouts,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the answer to a call, the connection included.
    pub request: Duration,
    /// For the next piece of a snapshot stream.
    pub stream_idle: Duration,
    /// For the answer to what rewrites a database: a defragmentation, a compaction that is
    /// waited for.
    pub rewrite: Duration,
}

impl Default for Timeouts {
    /// 5 s, 10 s and 30 s: a healthy member answers in milliseconds; a busy one may take
    /// seconds, and its first piece of a snapshot waits for a commit of its database. A
    /// database is rewritten within 15 minutes where it has the 8 GiB that etcd advises as
    /// the most, on a disk that writes 10 MB/s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            stream_idle: Duration::from_secs(30),
            rewrite: Duration::from_mins(15),
        }
    }
}

impl fmt::Debug for EtcdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdConfig")
            .field("endpoints", &self.endpoints)
            .field("ca", &self.ca.is_some())
            .field("certificate", &self.certificate.is_some())
            .field("key", &self.key.is_some())
            .field("username", &self.username)
            .field("password", &self.password.is_some())
            .field("timeouts", &self.timeouts)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let config = EtcdConfig {
            key: Some(b"KEYBYTES".to_vec()),
            password: Some("hunter2".to_owned()),
            ..EtcdConfig::default()
        };
        let shown = format!("{config:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("75, 69, 89"),
            "{shown}"
        );
    }
}

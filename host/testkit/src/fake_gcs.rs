//! fake-gcs-server, a server of the JSON API of Google Cloud Storage, over TLS.
//!
//! It checks no credentials, appends chunks of a resumable upload wherever they belong, and
//! finalises an upload whose status is asked for: what is to be resumed is tested against a
//! fake of ours.

use std::process::Command;

use anyhow::Result;

use crate::pki::{Authority, Purpose, Validity};
use crate::process::ServerProcess;
use crate::{Scratch, free_port, tools};

/// A running fake-gcs-server.
#[derive(Debug)]
pub struct FakeGcs {
    process: ServerProcess,
    ca_pem: String,
    /// Removed after the process has ended, so declared after it.
    _scratch: Scratch,
}

impl FakeGcs {
    /// Starts it with these buckets.
    ///
    /// # Errors
    /// When it is not in the cache folder or does not come up.
    pub async fn start(buckets: &[&str]) -> Result<Self> {
        let program = tools::fake_gcs()?;
        let scratch = Scratch::new()?;
        let port = free_port();
        let authority = Authority::new("gcs test authority")?;
        let files = authority
            .issue("gcs", Purpose::Server, Validity::Now)?
            .write(scratch.path(), "server")?;
        // A folder in the root is a bucket.
        for bucket in buckets {
            scratch.folder(format!("data/{bucket}"))?;
        }
        let mut command = Command::new(program);
        command
            .args(["-scheme", "https", "-host", "127.0.0.1", "-port"])
            .arg(port.to_string())
            .args(["-public-host", &format!("localhost:{port}")])
            .args(["-backend", "filesystem", "-filesystem-root"])
            .arg(scratch.folder("data")?)
            .arg("-cert-location")
            .arg(&files.certificate)
            .arg("-private-key-location")
            .arg(&files.key);
        let process =
            ServerProcess::start("fake-gcs-server", command, port, scratch.path()).await?;
        Ok(Self {
            process,
            ca_pem: authority.pem(),
            _scratch: scratch,
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.process.port()
    }

    /// The authority of its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

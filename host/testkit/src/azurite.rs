//! Azurite, the emulator of Azure Blob Storage that its vendor's SDKs are tested with.
//!
//! It listens over TLS, or in the clear where a bench wants that, checks SharedKey and SAS as the service does, and of an OAuth token
//! issuer, audience and times, but neither signature nor role. It has no versions, soft
//! delete, immutability or holds, and refuses CRC64, or passes over it. An account is the first part of a path.

use std::process::Command;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::pki::{Authority, Purpose, Validity};
use crate::process::ServerProcess;
use crate::{Scratch, free_port, tools};

/// The one account. Its key opens a server on loopback that ends with the test.
pub const ACCOUNT: &str = "drydocktest";

/// The account's key, in base64.
pub const ACCOUNT_KEY: &str =
    "yJ0vTf+9bS1yqN3s7yPaXjGZ0n4o5kE2mWc8dR6uHtBv1lQxA0gKpJiLwEeFzYhOsTnMbCrDqUaVfIkGy5XxZw==";

/// A running Azurite.
#[derive(Debug)]
pub struct Azurite {
    process: ServerProcess,
    /// None in the clear.
    ca_pem: Option<String>,
    /// Removed after the process has ended, so declared after it.
    _scratch: Scratch,
}

impl Azurite {
    /// Starts it for who has the account's key or a shared access signature.
    ///
    /// # Errors
    /// When it is not in the cache folder or does not come up.
    pub async fn start() -> Result<Self> {
        Self::with(&[]).await
    }

    /// The same in the clear.
    ///
    /// # Errors
    /// As [`Azurite::start`].
    pub async fn http() -> Result<Self> {
        Self::listening(&[], None).await
    }

    /// The same, which passes over headers and parameters that it does not know, CRC64 among them,
    /// in the place of refusing them.
    ///
    /// # Errors
    /// As [`Azurite::start`].
    pub async fn loose() -> Result<Self> {
        Self::with(&["--loose"]).await
    }

    /// The same, for who has a token as well. A wrong key is then taken for a token that is
    /// none: 400 in the place of 403.
    ///
    /// # Errors
    /// As [`Azurite::start`].
    pub async fn with_oauth() -> Result<Self> {
        Self::with(&["--oauth", "basic"]).await
    }

    async fn with(arguments: &[&str]) -> Result<Self> {
        let authority = Authority::new("azurite test authority")?;
        Self::listening(arguments, Some(authority)).await
    }

    async fn listening(arguments: &[&str], authority: Option<Authority>) -> Result<Self> {
        let program = tools::azurite()?;
        let scratch = Scratch::new()?;
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"])
            .args(arguments)
            .args(["--blobHost", "127.0.0.1", "--blobPort"])
            .args([&port.to_string(), "--location"])
            .arg(scratch.folder("data")?)
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{ACCOUNT_KEY}"));
        if let Some(authority) = &authority {
            let issued = authority.issue("azurite", Purpose::Server, Validity::Now)?;
            let files = issued.write(scratch.path(), "server")?;
            command.arg("--cert").arg(files.certificate);
            command.arg("--key").arg(files.key);
        }
        let process = ServerProcess::start("azurite", command, port, scratch.path()).await?;
        Ok(Self {
            process,
            ca_pem: authority.map(|authority| authority.pem()),
            _scratch: scratch,
        })
    }

    /// A URL at this server, e.g. of the path `/drydocktest/container/blob`.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.ca_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}{path}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.process.port()
    }

    /// The authority of its certificate; none in the clear.
    pub fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().unwrap_or_default()
    }
}

/// A shared access signature of the account under this key: to read, write, remove, list and
/// create until 2090.
///
/// # Errors
/// When the key is no base64.
pub fn sas(key: &str) -> Result<String> {
    let (version, end) = ("2020-12-06", "2090-01-01T00:00:00Z");
    let text = format!("{ACCOUNT}\nrwdlc\nb\nsco\n\n{end}\n\nhttps\n{version}\n\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key)?);
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let signature = signature
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    Ok(format!(
        "sv={version}&ss=b&srt=sco&sp=rwdlc&se=2090-01-01T00%3A00%3A00Z&spr=https&sig={signature}"
    ))
}

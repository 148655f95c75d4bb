//! versitygw, an S3 server over a folder. It checks SigV4, payload hashes, checksums,
//! policies and conditions as S3 does; buckets are asked for by path. A session token that it did
//! not hand out itself is refused, whatever the signature.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::client::{Answer, Client, Message};
use crate::pki::{Authority, Purpose, Validity};
use crate::process::ServerProcess;
use crate::program::run;
use crate::s3_signature::{self, Signed};
use crate::{Scratch, free_port, tools};

/// The region that every signature names.
pub const REGION: &str = "us-east-1";

/// A bucket without versions, which [`WRITER`] may read and write, but not delete in.
pub const BUCKET: &str = "plain";

/// The same with versions.
pub const VERSIONED_BUCKET: &str = "versioned";

/// A user with its key. It opens a server on loopback that ends with the test.
#[derive(Clone, Copy)]
pub struct User {
    pub id: &'static str,
    pub secret: &'static str,
}

/// Who may do everything.
pub const ROOT: User = User {
    id: "AKIADRYDOCKROOT00001",
    secret: "rOotSecret/0123456789+abcdefghijklmnopqr",
};

/// Who may store and read in the two buckets and nothing else.
pub const WRITER: User = User {
    id: "AKIADRYDOCKWRITER001",
    secret: "wRiterSecret/9876543210+zyxwvutsrqponmlk",
};

/// A running versitygw.
#[derive(Debug)]
pub struct Versitygw {
    process: ServerProcess,
    ca_pem: Option<String>,
    /// Removed after the process has ended, so declared after it.
    scratch: Scratch,
}

impl Versitygw {
    /// Starts it in the clear, with both buckets and the writer.
    ///
    /// # Errors
    /// When it is not in the cache folder, does not come up, or cannot be set up.
    pub async fn http() -> Result<Self> {
        Self::start(None, None).await
    }

    /// The same over TLS, for buckets that are asked for as `BUCKET.DOMAIN`, too.
    ///
    /// # Errors
    /// As [`Versitygw::http`].
    pub async fn with_domain(domain: &str) -> Result<Self> {
        Self::start(Some(Authority::new("s3 test authority")?), Some(domain)).await
    }

    /// The same over TLS.
    ///
    /// # Errors
    /// As [`Versitygw::http`].
    pub async fn https() -> Result<Self> {
        Self::start(Some(Authority::new("s3 test authority")?), None).await
    }

    async fn start(authority: Option<Authority>, domain: Option<&str>) -> Result<Self> {
        let program = tools::versitygw()?;
        let scratch = Scratch::new()?;
        let port = free_port();
        let mut command = Command::new(program);
        command
            .env("ROOT_ACCESS_KEY", ROOT.id)
            .env("ROOT_SECRET_KEY", ROOT.secret)
            .args(["--port", &format!("127.0.0.1:{port}"), "--quiet"])
            .args(["--region", REGION, "--iam-dir"])
            .arg(scratch.folder("iam")?);
        if let Some(authority) = &authority {
            let issued = authority.issue("s3", Purpose::Server, Validity::Now)?;
            let files = issued.write(scratch.path(), "server")?;
            command.arg("--cert").arg(files.certificate);
            command.arg("--key").arg(files.key);
        }
        if let Some(domain) = domain {
            command.args(["--virtual-domain", domain]);
        }
        command
            .args(["posix", "--versioning-dir"])
            .arg(scratch.folder("versions")?)
            .arg(scratch.folder("data")?);
        let process = ServerProcess::start("versitygw", command, port, scratch.path()).await?;
        let server = Self {
            process,
            ca_pem: authority.map(|authority| authority.pem()),
            scratch,
        };
        server.set_up().await?;
        Ok(server)
    }

    /// A URL at this server, e.g. of the path `/plain/key`.
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
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The folder of a bucket: each object is a file in it, for damaging a backup in a test.
    pub fn folder(&self, bucket: &str) -> std::path::PathBuf {
        self.scratch.join("data").join(bucket)
    }

    /// A request of a user's, signed by the testkit. The path and query are sent as they are.
    ///
    /// # Errors
    /// When the server cannot be spoken to. A refusal is an answer.
    pub async fn request(
        &self,
        user: User,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Answer> {
        let host = format!("localhost:{}", self.port());
        let headers = s3_signature::headers(&Signed {
            user,
            method,
            host: &host,
            path,
            body,
        });
        let message = Message {
            method,
            path,
            headers: &headers,
            body,
        };
        let client = match &self.ca_pem {
            Some(ca_pem) => Client::tls(self.port(), ca_pem),
            None => Client::clear(self.port()),
        };
        client.send(&message).await
    }

    async fn set_up(&self) -> Result<()> {
        self.make_writer()?;
        for bucket in [BUCKET, VERSIONED_BUCKET] {
            self.must("PUT", &format!("/{bucket}"), b"").await?;
            let policy = policy(bucket);
            self.must("PUT", &format!("/{bucket}?policy="), policy.as_bytes())
                .await?;
        }
        let path = format!("/{VERSIONED_BUCKET}?versioning=");
        self.must("PUT", &path, VERSIONING).await
    }

    async fn must(&self, method: &str, path: &str, body: &[u8]) -> Result<()> {
        let answer = self.request(ROOT, method, path, body).await?;
        ensure!(
            answer.status < 300,
            "versitygw answers {method} {path} with {}: {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    fn make_writer(&self) -> Result<()> {
        let mut command = Command::new(tools::versitygw()?);
        command
            .args(["admin", "--allow-insecure", "--access", ROOT.id])
            .args(["--secret", ROOT.secret, "--endpoint-url", &self.url("")])
            .args(["create-user", "--access", WRITER.id])
            .args(["--secret", WRITER.secret, "--role", "user"]);
        run(&mut command).context("cannot make the writer")?;
        Ok(())
    }

    /// The folder with its data and its log.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

const VERSIONING: &[u8] = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";

/// What a writer that may not delete needs.
fn policy(bucket: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [WRITER.id]},
                "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": format!("arn:aws:s3:::{bucket}/*"),
            },
            {
                "Effect": "Allow",
                "Principal": {"AWS": [WRITER.id]},
                "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketVersioning"],
                "Resource": format!("arn:aws:s3:::{bucket}"),
            },
        ],
    })
    .to_string()
}

/// Shows that there is a secret, never which.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

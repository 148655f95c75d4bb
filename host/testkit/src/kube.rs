//! A real kube-apiserver on a cluster of the testkit, and kubectl for it.
//!
//! It listens on loopback with certificates of its own, takes one token as an
//! administrator, and runs no controller: what a test makes stays as it was made. It must
//! be dropped before its cluster, as it cannot end without etcd in good order.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::etcd::Cluster;
use crate::pki::{Authority, CertificateFiles, Purpose, Validity};
use crate::program::{Printed, run};
use crate::{Scratch, free_port, guard, tools, wait_until};

/// How long it may take until it is ready. Four seconds are usual, several times that while
/// the machine compiles.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// The administrator's token. It opens a server on loopback that ends with the test.
const TOKEN: &str = "drydock-test";

/// How much of a server's log an error repeats, in lines.
const LOG_LINES_MAX: usize = 20;

/// A running API server.
#[derive(Debug)]
pub struct ApiServer {
    process: Mutex<Child>,
    kubectl: PathBuf,
    port: u16,
    scratch: Scratch,
}

impl ApiServer {
    /// Starts an API server on `cluster` and waits until it is ready. `encryption` is the
    /// text of an `EncryptionConfiguration`; `arguments` are passed on.
    ///
    /// # Errors
    /// When it is not in the cache folder or does not become ready; the message holds the
    /// end of its log.
    pub async fn start(
        cluster: &Cluster,
        encryption: Option<&str>,
        arguments: &[&str],
    ) -> Result<Self> {
        let programs = tools::kubernetes()?;
        let scratch = Scratch::new()?;
        let port = free_port();
        let mut command = Command::new(programs.join("kube-apiserver"));
        command.env_clear().args(OWN_ARGUMENTS);
        command.args(["--secure-port", &port.to_string()]);
        add_files(&mut command, scratch.path())?;
        add_etcd(&mut command, cluster);
        if let Some(text) = encryption {
            let path = scratch.join("encryption.yaml");
            fs::write(&path, text)?;
            command.arg("--encryption-provider-config").arg(path);
        }
        let log = File::create(scratch.join("log"))?;
        let process = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start kube-apiserver")?;
        guard::kill_at_exit(process.id());
        let server = Self {
            process: Mutex::new(process),
            kubectl: programs.join("kubectl"),
            port,
            scratch,
        };
        server.write_kubeconfig()?;
        server.wait_ready().await?;
        Ok(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The configuration with which kubectl is its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.scratch.join("kubeconfig")
    }

    /// Runs `kubectl` as administrator.
    ///
    /// # Errors
    /// When it fails; the message holds what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Printed> {
        run(self.kubectl_command().args(arguments))
    }

    /// What `kubectl ... -o json` prints.
    ///
    /// # Errors
    /// As [`ApiServer::kubectl`], or when it prints something else.
    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<Value> {
        let mut arguments = arguments.to_vec();
        arguments.extend(["-o", "json"]);
        Ok(serde_json::from_str(&self.kubectl(&arguments)?.stdout)?)
    }

    /// Makes or changes the objects of these YAML documents.
    ///
    /// # Errors
    /// As [`ApiServer::kubectl`].
    pub fn apply(&self, documents: &str) -> Result<()> {
        let path = self.scratch.join("apply.yaml");
        fs::write(&path, documents)?;
        self.kubectl(&["apply", "--server-side", "-f", &path.display().to_string()])?;
        Ok(())
    }

    /// A `kubectl` that is still to be told what to do.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .env_clear()
            .env("HOME", self.scratch.path())
            .arg("--kubeconfig")
            .arg(self.kubeconfig());
        command
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that has ended already is as good.
        let _ended = process.kill();
        let _code = process.wait();
        guard::ended(process.id());
    }

    async fn wait_ready(&self) -> Result<()> {
        let mut ended = false;
        let waited = wait_until("kube-apiserver is ready", READY_LIMIT, async || {
            ended = self.has_ended();
            ended || self.is_ready()
        });
        let waited = waited.await;
        ensure!(
            waited.is_ok() && !ended,
            "kube-apiserver did not become ready:\n{}",
            self.log_end()
        );
        Ok(())
    }

    /// kubectl is started only when somebody listens: it takes the processor from the server.
    fn is_ready(&self) -> bool {
        let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        listens && self.kubectl(&["get", "--raw", "/readyz"]).is_ok()
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(process.try_wait(), Ok(None))
    }

    fn log_end(&self) -> String {
        let log = fs::read(self.scratch.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
    }

    fn write_kubeconfig(&self) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "clusters": [{
                "name": "test",
                "cluster": {
                    "server": self.url(),
                    "certificate-authority": self.scratch.join("pki/ca.crt"),
                },
            }],
        });
        fs::write(self.kubeconfig(), config.to_string())?;
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// No controller fills service accounts in, so pods must do without.
const OWN_ARGUMENTS: &[&str] = &[
    "--bind-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--disable-admission-plugins=ServiceAccount",
    "--authorization-mode=RBAC",
];

fn add_files(command: &mut Command, folder: &Path) -> Result<()> {
    let pki = folder.join("pki");
    fs::create_dir_all(&pki)?;
    let authority = Authority::new("kubernetes test authority")?;
    authority.write(&pki, "ca")?;
    let issue = |name: &str| -> Result<CertificateFiles> {
        authority
            .issue(name, Purpose::Server, Validity::Now)?
            .write(&pki, name)
    };
    let (server, accounts) = (issue("kube-apiserver")?, issue("service-accounts")?);
    let tokens = folder.join("tokens.csv");
    fs::write(&tokens, format!("{TOKEN},admin,admin,system:masters\n"))?;
    command
        .arg("--tls-cert-file")
        .arg(server.certificate)
        .arg("--tls-private-key-file")
        .arg(server.key)
        .arg("--service-account-key-file")
        .arg(accounts.certificate)
        .arg("--service-account-signing-key-file")
        .arg(accounts.key)
        .arg("--token-auth-file")
        .arg(tokens)
        .arg("--cert-dir")
        .arg(pki);
    Ok(())
}

fn add_etcd(command: &mut Command, cluster: &Cluster) {
    command.args(["--etcd-servers", &cluster.endpoints().join(",")]);
    if let (Some(ca), Some(client)) = (cluster.ca(), cluster.client_certificate()) {
        command
            .arg("--etcd-cafile")
            .arg(ca)
            .arg("--etcd-certfile")
            .arg(&client.certificate)
            .arg("--etcd-keyfile")
            .arg(&client.key);
    }
}

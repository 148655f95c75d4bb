//! Real etcd clusters on loopback.
//!
//! [`Cluster::start`] makes a scratch folder, certificates if they are wanted, and one
//! process a member, and returns when every member answers that it is healthy. Members can
//! be stopped, killed and started again one by one. Dropping the cluster stops it.

mod member;
mod options;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};

use crate::pki::{Authority, CertificateFiles, Purpose, Validity};
use crate::program::{Printed, run};
use crate::{Scratch, tools, wait_until};

pub use member::Member;
pub use options::{Auth, EtcdOptions};

/// How often a start is tried with other ports, should another process take one.
const START_TRIES_MAX: u32 = 3;

/// How long members may take until they are healthy. Three seconds are usual; a machine
/// that compiles at the same time takes several times that.
const HEALTHY_LIMIT: Duration = Duration::from_secs(60);

/// How long one call of a test's client may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    // The members are dropped, and so stopped, before the folder is removed.
    members: Vec<Member>,
    options: EtcdOptions,
    programs: PathBuf,
    certificates: Option<Certificates>,
    scratch: Scratch,
}

/// The files of a cluster with TLS.
#[derive(Debug, Clone)]
struct Certificates {
    issuer: Arc<Authority>,
    authority: PathBuf,
    member: CertificateFiles,
    client: CertificateFiles,
}

impl Cluster {
    /// Starts a new, empty cluster and waits until it is healthy.
    ///
    /// # Errors
    /// When etcd is not in the cache folder or does not become healthy; the message holds
    /// the end of the members' logs.
    pub async fn start(options: EtcdOptions) -> Result<Self> {
        let cluster = Self::start_prepared(options, |_| Ok(())).await?;
        if let Some(auth) = &cluster.options.auth {
            cluster.enable_auth(auth).await?;
        }
        Ok(cluster)
    }

    /// Starts a cluster out of a snapshot file: `etcdutl snapshot restore` makes every
    /// member's data folder first. `arguments` are passed on to it.
    ///
    /// # Errors
    /// As [`Cluster::start`], or when the restore fails.
    pub async fn start_restored(
        options: EtcdOptions,
        snapshot: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        Self::start_prepared(options, |cluster| cluster.restore(snapshot, arguments)).await
    }

    /// Starts a cluster whose members find in their data folders what `prepare` put there.
    /// It is called anew for every try with other ports. Users and passwords are what the
    /// data says.
    ///
    /// # Errors
    /// As [`Cluster::start`], or when `prepare` fails.
    pub async fn start_prepared(
        options: EtcdOptions,
        prepare: impl Fn(&Self) -> Result<()>,
    ) -> Result<Self> {
        let mut failure = None;
        for _ in 0..START_TRIES_MAX {
            let cluster = Self::new(options.clone())?;
            prepare(&cluster)?;
            match cluster.boot().await {
                Ok(()) => return Ok(cluster),
                Err(error) if cluster.lost_a_port() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(failure.expect("the tries are at least one"))
    }

    /// Lays out folders, certificates and ports; nothing runs yet.
    fn new(options: EtcdOptions) -> Result<Self> {
        let programs = tools::etcd(options.version)?;
        let scratch = match &options.folder {
            Some(folder) => Scratch::at(folder)?,
            None => Scratch::new()?,
        };
        let certificates = if options.tls {
            Some(make_certificates(&scratch.folder("pki")?)?)
        } else {
            None
        };
        let mut cluster = Self {
            members: Vec::new(),
            options,
            programs,
            certificates,
            scratch,
        };
        for index in 0..cluster.options.members {
            let member = cluster.new_member(index)?;
            cluster.members.push(member);
        }
        Ok(cluster)
    }

    fn new_member(&self, index: usize) -> Result<Member> {
        let folder = self.scratch.folder(format!("member-{index}"))?;
        Ok(Member::new(index, folder, self.options.tls))
    }

    async fn boot(&self) -> Result<()> {
        let initial = initial_cluster(&self.members);
        for member in &self.members {
            member.launch(self.command(member, &initial, "new"))?;
        }
        self.wait_healthy().await
    }

    /// The members as `--initial-cluster` names them.
    pub fn initial_cluster(&self) -> String {
        initial_cluster(&self.members)
    }

    fn restore(&self, snapshot: &Path, arguments: &[&str]) -> Result<()> {
        let initial = initial_cluster(&self.members);
        for member in &self.members {
            let mut command = Command::new(self.programs.join("etcdutl"));
            command
                .args(["snapshot", "restore"])
                .arg(snapshot)
                .arg("--data-dir")
                .arg(member.data_folder())
                .args(["--name", member.name()])
                .args(["--initial-cluster", &initial])
                .args(["--initial-cluster-token", &self.options.token])
                .args(["--initial-advertise-peer-urls", member.peer_url()])
                .args(arguments);
            run(&mut command)?;
        }
        Ok(())
    }

    /// Tells whether a member ended because another process took its port.
    fn lost_a_port(&self) -> bool {
        let logs = self.members.iter().map(Member::log);
        logs.into_iter()
            .any(|log| log.contains("address already in use"))
    }

    fn command(&self, member: &Member, initial_cluster: &str, state: &str) -> Command {
        let mut command = Command::new(self.programs.join("etcd"));
        // Variables such as ETCD_NAME would change what etcd does.
        command.env_clear();
        command.args(member.arguments());
        command
            .args(["--initial-cluster", initial_cluster])
            .args(["--initial-cluster-state", state])
            .args(["--initial-cluster-token", &self.options.token]);
        if let Some(bytes) = self.options.quota_bytes {
            command.args(["--quota-backend-bytes", &bytes.to_string()]);
        }
        if let Some(files) = &self.certificates {
            add_certificates(&mut command, files);
        }
        command.args(&self.options.arguments);
        command
    }

    /// Waits until every member that runs is healthy: it has a leader and no alarm.
    ///
    /// # Errors
    /// When one is not within a minute, or ended; the message holds the end of its log.
    pub async fn wait_healthy(&self) -> Result<()> {
        for member in self.members.iter().filter(|member| member.is_started()) {
            member.wait_healthy(HEALTHY_LIMIT).await?;
        }
        Ok(())
    }

    async fn enable_auth(&self, auth: &Auth) -> Result<()> {
        let mut client = self.connect(&self.endpoints(), None).await?;
        client
            .user_add("root", auth.root_password.as_str(), None)
            .await?;
        client.user_grant_role("root", "root").await?;
        client.auth_enable().await?;
        Ok(())
    }

    /// The client URLs of all members.
    pub fn endpoints(&self) -> Vec<String> {
        let urls = self.members.iter().map(Member::client_url);
        urls.map(str::to_owned).collect()
    }

    /// The members, in the order in which they joined.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One member.
    ///
    /// # Panics
    /// When there is none of that index.
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// The scratch folder: certificates under `pki`, one folder a member.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The authority's certificate, with TLS.
    pub fn ca(&self) -> Option<&Path> {
        let files = self.certificates.as_ref()?;
        Some(&files.authority)
    }

    /// The authority itself, to issue other certificates that the cluster may judge.
    pub fn authority(&self) -> Option<&Authority> {
        let files = self.certificates.as_ref()?;
        Some(&files.issuer)
    }

    /// A client's certificate and key that the cluster accepts, with TLS.
    pub fn client_certificate(&self) -> Option<&CertificateFiles> {
        let files = self.certificates.as_ref()?;
        Some(&files.client)
    }

    /// A client of the whole cluster, as root where the cluster asks for a password.
    ///
    /// # Errors
    /// When no member answers.
    pub async fn client(&self) -> Result<Client> {
        self.connect(&self.endpoints(), self.options.auth.as_ref())
            .await
    }

    /// A client of one member only.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn client_of(&self, index: usize) -> Result<Client> {
        let endpoint = self.member(index).client_url().to_owned();
        self.connect(&[endpoint], self.options.auth.as_ref()).await
    }

    async fn connect(&self, endpoints: &[String], auth: Option<&Auth>) -> Result<Client> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CALL_LIMIT)
            .with_timeout(CALL_LIMIT);
        if let Some(files) = &self.certificates {
            options = options.with_tls(client_tls(files)?);
        }
        if let Some(auth) = auth {
            options = options.with_user("root", auth.root_password.as_str());
        }
        Client::connect(endpoints, Some(options))
            .await
            .with_context(|| format!("cannot connect to etcd at {}", endpoints.join(", ")))
    }

    /// Runs `etcdctl` against all members.
    ///
    /// # Errors
    /// When it fails; the message holds what it printed.
    pub fn etcdctl(&self, arguments: &[&str]) -> Result<Printed> {
        self.etcdctl_at(&self.endpoints().join(","), arguments)
    }

    /// Runs `etcdctl` against one member, as `snapshot save` wants it.
    ///
    /// # Errors
    /// As [`Cluster::etcdctl`].
    pub fn etcdctl_of(&self, index: usize, arguments: &[&str]) -> Result<Printed> {
        self.etcdctl_at(self.member(index).client_url(), arguments)
    }

    fn etcdctl_at(&self, endpoints: &str, arguments: &[&str]) -> Result<Printed> {
        let mut command = Command::new(self.programs.join("etcdctl"));
        command.env_clear().args(["--endpoints", endpoints]);
        if let Some(files) = &self.certificates {
            command
                .arg("--cacert")
                .arg(&files.authority)
                .arg("--cert")
                .arg(&files.client.certificate)
                .arg("--key")
                .arg(&files.client.key);
        }
        if let Some(auth) = &self.options.auth {
            // In the environment, not in the arguments that everybody can list.
            command.env("ETCDCTL_USER", format!("root:{}", auth.root_password));
        }
        run(command.args(arguments))
    }

    /// The folder with `etcdutl` and the other programs of this cluster's version.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// The index of the member that leads.
    ///
    /// # Errors
    /// When no member that runs answers, or the leader is none of them.
    pub async fn leader(&self) -> Result<usize> {
        for member in self.members.iter().filter(|member| member.is_started()) {
            let mut client = self.client_of(member.index()).await?;
            let status = client.status().await?;
            let own = status.header().map(etcd_client::ResponseHeader::member_id);
            if own == Some(status.leader()) {
                return Ok(member.index());
            }
        }
        anyhow::bail!("no running member says that it leads")
    }

    /// Starts a stopped member again and waits until it is healthy.
    ///
    /// # Errors
    /// When it runs already or does not become healthy.
    pub async fn start_member(&self, index: usize) -> Result<()> {
        let member = self.member(index);
        ensure!(!member.is_started(), "member {index} runs already");
        let initial = initial_cluster(&self.members);
        member.launch(self.command(member, &initial, "existing"))?;
        member.wait_healthy(HEALTHY_LIMIT).await
    }

    /// Puts every member back to what a snapshot holds, at the same addresses and under the
    /// same token, as an operator does who restores a cluster in its place: etcd's ids stay.
    /// `arguments` are passed on to etcdutl.
    ///
    /// # Errors
    /// When the restore fails or the members do not become healthy.
    pub async fn put_back(&self, snapshot: &Path, arguments: &[&str]) -> Result<()> {
        for member in &self.members {
            member.stop();
            std::fs::remove_dir_all(member.data_folder())
                .context("the member's old data cannot be removed")?;
        }
        self.restore(snapshot, arguments)?;
        self.boot().await
    }

    /// Adds a member that learns and does not vote, and waits until it runs. Returns its
    /// index.
    ///
    /// # Errors
    /// When the cluster refuses it or it does not start.
    pub async fn add_learner(&mut self) -> Result<usize> {
        let index = self.members.len();
        let member = self.new_member(index)?;
        let options = etcd_client::MemberAddOptions::new().with_is_learner();
        let mut client = self.client().await?;
        client
            .member_add([member.peer_url()], Some(options))
            .await?;
        self.members.push(member);
        let initial = initial_cluster(&self.members);
        let member = self.member(index);
        member.launch(self.command(member, &initial, "existing"))?;
        // A learner never calls itself healthy, but it answers for its own status.
        wait_until("the learner answers", HEALTHY_LIMIT, async || {
            self.answers_status(index).await
        })
        .await?;
        Ok(index)
    }

    async fn answers_status(&self, index: usize) -> bool {
        let Ok(mut client) = self.client_of(index).await else {
            return false;
        };
        client.status().await.is_ok()
    }

    /// Puts one key.
    ///
    /// # Errors
    /// When the cluster does not take it.
    pub async fn put(&self, key: &str, value: &str) -> Result<()> {
        let mut client = self.client().await?;
        client.put(key, value, None).await?;
        Ok(())
    }

    /// The newest value of a key.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut client = self.client().await?;
        let mut answer = client.get(key, None).await?;
        let value = answer.take_kvs().pop();
        Ok(value.map(|pair| pair.into_key_value().1))
    }
}

fn initial_cluster(members: &[Member]) -> String {
    let entries: Vec<String> = members
        .iter()
        .map(|member| format!("{}={}", member.name(), member.peer_url()))
        .collect();
    entries.join(",")
}

fn make_certificates(folder: &Path) -> Result<Certificates> {
    let authority = Authority::new("drydock test authority")?;
    let member = authority.issue("etcd-member", Purpose::Peer, Validity::Now)?;
    let client = authority.issue("drydock", Purpose::Client, Validity::Now)?;
    Ok(Certificates {
        authority: authority.write(folder, "ca")?,
        member: member.write(folder, "member")?,
        client: client.write(folder, "client")?,
        issuer: Arc::new(authority),
    })
}

fn add_certificates(command: &mut Command, files: &Certificates) {
    for prefix in ["--", "--peer-"] {
        command
            .arg(format!("{prefix}cert-file"))
            .arg(&files.member.certificate)
            .arg(format!("{prefix}key-file"))
            .arg(&files.member.key)
            .arg(format!("{prefix}trusted-ca-file"))
            .arg(&files.authority)
            .arg(format!("{prefix}client-cert-auth"));
    }
}

fn client_tls(files: &Certificates) -> Result<TlsOptions> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let authority = Certificate::from_pem(read(&files.authority)?);
    let identity = Identity::from_pem(read(&files.client.certificate)?, read(&files.client.key)?);
    Ok(TlsOptions::new()
        .ca_certificate(authority)
        .identity(identity))
}

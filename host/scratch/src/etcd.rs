//! Scratch etcd members on loopback, mutual TLS between everybody. Names and ports are
//! chosen first, since a restore writes the peers' addresses into the data.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig, Timeouts};
use tokio::time::Instant;

use super::authority::{Authority, Pair};
use super::children::{Guarded, Nursery, Wanted};
use super::port::Held;
use super::{Scratch, ScratchError};

/// How long members may take from their start until they have a leader: seconds as a
/// rule; several GiB on a slow disk take minutes.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// Between two looks at members that start.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The most that one call may take: hashing several GiB of keys takes a minute.
const CALL_LIMIT: Duration = Duration::from_secs(300);

/// Room for what a scratch etcd writes beside the data that it starts with.
const QUOTA_SLACK_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The word that keeps a scratch cluster apart from all others.
pub const TOKEN: &str = "drydock-scratch";

/// Where the members of a cluster that is not there yet will be.
#[derive(Debug)]
pub struct Layout {
    members: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    name: String,
    peer: Held,
    client: Held,
}

/// Programs and certificates by which members are started.
pub struct Means<'a> {
    pub scratch: &'a Scratch,
    pub nursery: &'a Nursery,
    pub program: &'a Path,
    pub authority: &'a Authority,
    pub pair: &'a Pair,
    /// Of the restored database.
    pub data_bytes: u64,
}

/// Members under way. Dropping them kills them.
pub struct Members {
    children: Vec<Guarded>,
    names: Vec<String>,
    access: EtcdAccess,
    endpoints: Vec<String>,
}

impl Layout {
    /// # Errors
    /// [`ScratchError::NoPort`].
    pub fn new(count: usize) -> Result<Self, ScratchError> {
        let members = (1..=count).map(|number| {
            Ok(Place {
                name: format!("member-{number}"),
                peer: Held::new()?,
                client: Held::new()?,
            })
        });
        Ok(Self {
            members: members.collect::<Result<_, ScratchError>>()?,
        })
    }

    /// Name and peer URL of each member.
    pub fn peers(&self) -> impl Iterator<Item = (&str, String)> {
        self.members
            .iter()
            .map(|place| (place.name.as_str(), place.peer.url()))
    }

    fn initial_cluster(&self) -> String {
        let pairs: Vec<String> = self
            .peers()
            .map(|(name, url)| format!("{name}={url}"))
            .collect();
        pairs.join(",")
    }
}

impl Members {
    /// Starts a member on each data folder, in the order of the layout, and waits until all
    /// of them have a leader.
    ///
    /// # Errors
    /// [`ScratchError::Start`], [`ScratchError::Ended`] with the end of a member's log, or
    /// [`ScratchError::Slow`].
    pub async fn boot(
        layout: Layout,
        folders: &[PathBuf],
        means: &Means<'_>,
    ) -> Result<Self, ScratchError> {
        let initial = layout.initial_cluster();
        let (mut children, mut endpoints, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (place, data) in layout.members.into_iter().zip(folders) {
            let Place { name, peer, client } = place;
            let urls = (peer.url(), client.url());
            // From here on others could take the ports; etcd has them in milliseconds.
            drop((peer, client));
            let log = means.scratch.join(&format!("{name}.log"));
            children.push(means.nursery.server(Wanted {
                name: &format!("etcd {name}"),
                program: means.program,
                arguments: arguments(&name, data, &urls, &initial, means),
                environment: Vec::new(),
                log: &log,
            })?);
            endpoints.push(urls.1);
            names.push(name);
        }
        let mut members = Self {
            children,
            names,
            access: access(&endpoints, means),
            endpoints,
        };
        members.wait().await?;
        Ok(members)
    }

    #[must_use]
    pub fn access(&self) -> &EtcdAccess {
        &self.access
    }

    /// Name and client URL of each member.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.endpoints.iter().map(String::as_str))
    }

    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    async fn wait(&mut self) -> Result<(), ScratchError> {
        let deadline = Instant::now() + BOOT_LIMIT;
        for index in 0..self.children.len() {
            while !self.is_ready(index).await {
                self.look_for_the_dead()?;
                if Instant::now() > deadline {
                    return Err(ScratchError::Slow {
                        name: self.children[index].name.clone(),
                        seconds: BOOT_LIMIT.as_secs(),
                    });
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        }
        Ok(())
    }

    /// It has a leader, which takes part in a quorum.
    async fn is_ready(&self, index: usize) -> bool {
        let status = self.access.status(&self.endpoints[index]).await;
        status.is_ok_and(|status| status.leader != 0)
    }

    fn look_for_the_dead(&mut self) -> Result<(), ScratchError> {
        for child in &mut self.children {
            if let Some(exit) = child.ended() {
                return Err(child.death(exit));
            }
        }
        Ok(())
    }
}

/// The major and minor version of an etcd program, e.g. (3, 6).
///
/// # Errors
/// [`ScratchError::Start`] when it says none.
pub async fn version(program: &Path) -> Result<(u32, u32), ScratchError> {
    let failed = |why: String| ScratchError::Start {
        name: program.display().to_string(),
        why,
    };
    let mut command = Command::new(program);
    command.arg("--version").env_clear();
    let mut command = tokio::process::Command::from(command);
    let printed = command
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(|error| failed(drydock_core::reason(&error)))?;
    let text = String::from_utf8_lossy(&printed.stdout);
    parse_version(&text)
        .ok_or_else(|| failed("it does not answer --version as etcd does".to_owned()))
}

/// From `etcd Version: 3.6.16`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("etcd Version: "))?;
    two_numbers(line)
}

/// The first two numbers of a version, e.g. `3.6.0`.
pub fn two_numbers(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn access(endpoints: &[String], means: &Means<'_>) -> EtcdAccess {
    let config = EtcdConfig {
        endpoints: endpoints.to_vec(),
        ca: Some(means.authority.pem().into_bytes()),
        certificate: Some(means.pair.certificate_pem.clone().into_bytes()),
        key: Some(means.pair.key_pem.clone().into_bytes()),
        timeouts: Timeouts {
            request: CALL_LIMIT,
            ..Timeouts::default()
        },
        ..EtcdConfig::default()
    };
    EtcdAccess::new(config, [EtcdCall::Status, EtcdCall::HashKv].into())
}

fn arguments(
    name: &str,
    data: &Path,
    (peer, client): &(String, String),
    initial: &str,
    means: &Means<'_>,
) -> Vec<OsString> {
    let quota = (means.data_bytes.saturating_mul(2) + QUOTA_SLACK_BYTES).to_string();
    let plain = [
        ("--name", name),
        ("--listen-client-urls", client),
        ("--advertise-client-urls", client),
        ("--listen-peer-urls", peer),
        ("--initial-advertise-peer-urls", peer),
        ("--initial-cluster", initial),
        ("--initial-cluster-token", TOKEN),
        ("--quota-backend-bytes", quota.as_str()),
        ("--logger", "zap"),
        ("--log-level", "warn"),
    ];
    let mut words: Vec<OsString> = plain
        .into_iter()
        .flat_map(|(flag, value)| [flag.into(), value.into()])
        .collect();
    words.extend(["--data-dir".into(), data.into()]);
    for prefix in ["--", "--peer-"] {
        words.extend([
            format!("{prefix}cert-file").into(),
            means.pair.certificate.clone().into(),
            format!("{prefix}key-file").into(),
            means.pair.key.clone().into(),
            format!("{prefix}trusted-ca-file").into(),
            means.authority.certificate.clone().into(),
            format!("{prefix}client-cert-auth").into(),
        ]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_etcd_prints_it() {
        let printed = "etcd Version: 3.6.16\nGit SHA: Not provided\nGo Version: go1.26\n";
        assert_eq!(parse_version(printed), Some((3, 6)));
        assert_eq!(parse_version("kube-apiserver v1.36.3"), None);
        assert_eq!(two_numbers("3.5.0"), Some((3, 5)));
        assert_eq!(two_numbers(""), None);
    }
}

//! What a Kubernetes node tells about its etcd: certificates and addresses in the places
//! where the usual distributions keep them. Nothing is taken without being offered first,
//! and each finding says where it came from.
//!
//! The places are those of kubeadm, RKE2, k3s, OpenShift and Talos as their own papers
//! and sources name them. Files are only read, a bounded part of each.

pub mod files;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use drydock_core::reason;
use drydock_documents::cluster::is_endpoint;

/// Most bytes of a manifest that are read; etcd's own have a few thousand.
const MANIFEST_BYTES_MAX: u64 = 256 * 1024;

/// Where etcd listens when it is not told otherwise.
const LOOPBACK: &str = "https://127.0.0.1:2379";

/// Where a distribution keeps a client's certificate. `{node}` stands for the host name.
struct Place {
    distribution: &'static str,
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
}

/// The first one that is whole is taken. kubeadm's client for health checks comes before
/// the API server's own, so that an audit tells the two apart.
const PLACES: [Place; 7] = [
    Place {
        distribution: "kubeadm",
        ca: "etc/kubernetes/pki/etcd/ca.crt",
        certificate: "etc/kubernetes/pki/etcd/healthcheck-client.crt",
        key: "etc/kubernetes/pki/etcd/healthcheck-client.key",
    },
    Place {
        distribution: "kubeadm with an external etcd",
        ca: "etc/kubernetes/pki/etcd/ca.crt",
        certificate: "etc/kubernetes/pki/apiserver-etcd-client.crt",
        key: "etc/kubernetes/pki/apiserver-etcd-client.key",
    },
    Place {
        distribution: "RKE2",
        ca: "var/lib/rancher/rke2/server/tls/etcd/server-ca.crt",
        certificate: "var/lib/rancher/rke2/server/tls/etcd/server-client.crt",
        key: "var/lib/rancher/rke2/server/tls/etcd/server-client.key",
    },
    Place {
        distribution: "k3s",
        ca: "var/lib/rancher/k3s/server/tls/etcd/server-ca.crt",
        certificate: "var/lib/rancher/k3s/server/tls/etcd/client.crt",
        key: "var/lib/rancher/k3s/server/tls/etcd/client.key",
    },
    Place {
        distribution: "OpenShift",
        ca: "etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-all-bundles/server-ca-bundle.crt",
        certificate: "etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.crt",
        key: "etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.key",
    },
    Place {
        distribution: "OpenShift",
        ca: "etc/kubernetes/static-pod-resources/etcd-certs/configmaps/etcd-serving-ca/ca-bundle.crt",
        certificate: "etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.crt",
        key: "etc/kubernetes/static-pod-resources/etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.key",
    },
    Place {
        distribution: "Talos",
        ca: "system/secrets/etcd/ca.crt",
        certificate: "system/secrets/etcd/admin.crt",
        key: "system/secrets/etcd/admin.key",
    },
];

/// Files in which etcd's own flags or settings stand.
const MANIFESTS: [&str; 3] = [
    "etc/kubernetes/manifests/etcd.yaml",
    "var/lib/rancher/rke2/server/db/etcd/config",
    "var/lib/rancher/k3s/server/db/etcd/config",
];

/// Where the host name stands: as the kernel has it, and as it is set.
const HOST_NAMES: [&str; 2] = ["proc/sys/kernel/hostname", "etc/hostname"];

/// Something that was found, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    pub value: T,
    pub from: String,
}

/// Files with which etcd lets a client in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Node,
    Credentials,
    Endpoints,
    Folders,
}

/// A place that could not be looked at, which says nothing of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub topic: Topic,
    path: PathBuf,
    why: String,
}

/// What was found on a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The host name as a document may use it.
    pub node: Option<Found<String>>,
    pub credentials: Option<Found<Credentials>>,
    /// This node's own member; the others are told by the cluster.
    pub endpoints: Option<Found<Vec<String>>>,
    /// Folders with certificates and encryption configuration.
    pub folders: Option<Found<Vec<String>>>,
    /// Where something may be that was not found.
    pub unread: Vec<Unread>,
}

/// Looks for one thing, and keeps what could not be read.
struct Look<'a> {
    topic: Topic,
    unread: &'a mut Vec<Unread>,
}

impl Survey {
    /// Looks under `root`, which is `/` but for tests.
    pub fn of(root: &Path) -> Self {
        let mut unread = Vec::new();
        let host = host_name(root, &mut Look::of(Topic::Node, &mut unread));
        let node = host.as_ref().map_or("", |h| h.value.as_str());
        let mut look = Look::of(Topic::Credentials, &mut unread);
        let credentials = credentials(root, node, &mut look);
        let mut look = Look::of(Topic::Endpoints, &mut unread);
        let endpoints = endpoints(root, &mut look).or_else(|| {
            credentials.as_ref().map(|found| Found {
                value: vec![LOOPBACK.to_owned()],
                from: format!("etcd's usual port, {}", found.from),
            })
        });
        let mut look = Look::of(Topic::Folders, &mut unread);
        let folders = files::folders(root, &mut look);
        Self {
            node: host.and_then(as_name),
            credentials,
            endpoints,
            folders,
            unread,
        }
    }
}

impl Unread {
    /// What an operator has to know of it, with how to mend it.
    pub fn sentence(&self) -> String {
        let (what, flags) = match self.topic {
            Topic::Node => ("it tells this node's name", "--node"),
            Topic::Credentials => ("etcd's certificates lie there", "--ca, --cert and --key"),
            Topic::Endpoints => ("it tells etcd's addresses", "--endpoint"),
            Topic::Folders => (
                "files of a control plane lie there",
                "--files, or --no-files",
            ),
        };
        format!(
            "{} cannot be looked at ({}), so that nobody knows whether {what}: run init as a user who may read it, or give {flags}",
            self.path.display(),
            self.why
        )
    }
}

impl<'a> Look<'a> {
    fn of(topic: Topic, unread: &'a mut Vec<Unread>) -> Self {
        Self { topic, unread }
    }

    /// What was read; nothing where nothing is, and where that is not known.
    fn at<T>(&mut self, path: &Path, read: io::Result<T>) -> Option<T> {
        let error = match read {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let unread = Unread {
            topic: self.topic,
            path: path.to_owned(),
            why: reason(&error),
        };
        if !is_absence(&error) && !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
        None
    }

    fn has_file(&mut self, path: &Path) -> bool {
        let found = self.at(path, fs::metadata(path));
        found.is_some_and(|found| found.is_file())
    }

    fn has_folder(&mut self, path: &Path) -> bool {
        let found = self.at(path, fs::metadata(path));
        found.is_some_and(|found| found.is_dir())
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        self.at(path, read(path))
    }
}

/// Whether the error says that nothing is there. Every other one leaves that open.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn host_name(root: &Path, look: &mut Look<'_>) -> Option<Found<String>> {
    HOST_NAMES.iter().find_map(|place| {
        let path = root.join(place);
        let name = look.text(&path)?.trim().to_owned();
        (!name.is_empty()).then(|| Found {
            value: name,
            from: path.display().to_string(),
        })
    })
}

/// The host's own label in small letters; what no document may use is left out.
fn as_name(host: Found<String>) -> Option<Found<String>> {
    let label = host.value.split('.').next().unwrap_or_default();
    let name: String = label
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
        .collect();
    let name = name.trim_matches('-').to_owned();
    (!name.is_empty()).then_some(Found {
        value: name,
        from: host.from,
    })
}

fn credentials(root: &Path, node: &str, look: &mut Look<'_>) -> Option<Found<Credentials>> {
    PLACES.iter().find_map(|place| {
        let path = |template: &str| root.join(template.replace("{node}", node));
        let found = Credentials {
            ca: path(place.ca),
            certificate: path(place.certificate),
            key: path(place.key),
        };
        let whole = [&found.ca, &found.certificate, &found.key]
            .iter()
            .all(|file| look.has_file(file));
        whole.then(|| Found {
            value: found,
            from: format!("where {} keeps it", place.distribution),
        })
    })
}

fn endpoints(root: &Path, look: &mut Look<'_>) -> Option<Found<Vec<String>>> {
    MANIFESTS.iter().find_map(|place| {
        let path = root.join(place);
        let (flag, value) = member_addresses(&look.text(&path)?)?;
        Some(Found {
            value,
            from: format!("{flag} in {}", path.display()),
        })
    })
}

/// The member's address as it tells its clients, or else as it listens. Both are one and
/// the same member, so one of them is enough.
fn member_addresses(text: &str) -> Option<(&'static str, Vec<String>)> {
    ["advertise-client-urls", "listen-client-urls"]
        .into_iter()
        .find_map(|flag| {
            let first = addresses(text, flag).into_iter().next()?;
            Some((flag, vec![first]))
        })
}

/// The addresses that stand after `flag`, as `--flag=A,B` or as `flag: A,B`.
fn addresses(text: &str, flag: &str) -> Vec<String> {
    let quotes = ['"', '\''];
    let Some((_, rest)) = text.split_once(flag) else {
        return Vec::new();
    };
    let value = rest
        .trim_start_matches(|c: char| matches!(c, '=' | ':' | ' ') || quotes.contains(&c))
        .split(|c: char| c.is_whitespace() || quotes.contains(&c))
        .next()
        .unwrap_or_default();
    let any = |address: &str| address.contains("//0.0.0.0:") || address.contains("//[::]:");
    value
        .split(',')
        .filter(|address| is_endpoint(address) && !any(address))
        .map(str::to_owned)
        .collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MANIFEST_BYTES_MAX)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;

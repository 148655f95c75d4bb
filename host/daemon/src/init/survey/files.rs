//! The folders of a control plane that a backup of etcd alone does not bring back, and the
//! files in them without which such a backup would be none.
//!
//! What is required is what nobody can make again: the private keys of authorities and of
//! service accounts, what goes with them, tokens, and the configuration by which Secrets are
//! encrypted in etcd. Certificates that an authority issues anew are not.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Found, read};

/// Where a distribution keeps what a control plane cannot be rebuilt without: certificates
/// and their keys, tokens, static manifests, the configuration by which Secrets are
/// encrypted in etcd. Without the latter, a restored etcd cannot be read.
pub(super) struct FilePlace {
    pub distribution: &'static str,
    /// Tells that the node is one of its control plane.
    pub mark: &'static str,
    /// Those of them that are there are taken.
    pub folders: &'static [&'static str],
}

/// The first one whose mark is there is taken.
pub(super) const FILE_PLACES: [FilePlace; 4] = [
    FilePlace {
        distribution: "RKE2",
        mark: "var/lib/rancher/rke2/server/tls",
        folders: &["var/lib/rancher/rke2/server", "etc/rancher/rke2"],
    },
    FilePlace {
        distribution: "k3s",
        mark: "var/lib/rancher/k3s/server/tls",
        folders: &["var/lib/rancher/k3s/server", "etc/rancher/k3s"],
    },
    FilePlace {
        distribution: "Talos",
        mark: "system/secrets",
        folders: &["system/secrets"],
    },
    // kubeadm's, and OpenShift's, whose static pods lie in there too.
    FilePlace {
        distribution: "kubeadm or OpenShift",
        mark: "etc/kubernetes",
        folders: &["etc/kubernetes", "etc/etcd"],
    },
];

/// Folders of etcd's own data inside of those: an archive of a database that is written to
/// is worth nothing, and its snapshot is in the recovery point.
const DATA: [&str; 2] = [
    "var/lib/rancher/rke2/server/db",
    "var/lib/rancher/k3s/server/db",
];

/// In `/etc/kubernetes/pki`, as kubeadm has it.
const KUBEADM: [&str; 8] = [
    "ca.crt",
    "ca.key",
    "sa.key",
    "sa.pub",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
];

/// In the server's folder of RKE2 and of k3s.
const RANCHER: [&str; 13] = [
    "token",
    "cred/encryption-config.json",
    "tls/client-ca.crt",
    "tls/client-ca.key",
    "tls/server-ca.crt",
    "tls/server-ca.key",
    "tls/request-header-ca.crt",
    "tls/request-header-ca.key",
    "tls/service.key",
    "tls/etcd/peer-ca.crt",
    "tls/etcd/peer-ca.key",
    "tls/etcd/server-ca.crt",
    "tls/etcd/server-ca.key",
];

/// In OpenShift's folder of static pods; `{node}` stands for the host name. The operators
/// keep everything else in etcd.
const OPENSHIFT: [&str; 3] = [
    "etcd-certs/configmaps/etcd-all-bundles/server-ca-bundle.crt",
    "etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.crt",
    "etcd-certs/secrets/etcd-all-certs/etcd-peer-{node}.key",
];

/// In Talos' folder of secrets.
const TALOS: [&str; 4] = [
    "etcd/ca.crt",
    "etcd/ca.key",
    "kubernetes/kube-apiserver/ca.crt",
    "kubernetes/kube-apiserver/service-account.key",
];

/// Folders that those names are below.
const SETS: [(&str, &[&str]); 5] = [
    ("etc/kubernetes/pki", &KUBEADM),
    ("var/lib/rancher/rke2/server", &RANCHER),
    ("var/lib/rancher/k3s/server", &RANCHER),
    ("etc/kubernetes/static-pod-resources", &OPENSHIFT),
    ("system/secrets", &TALOS),
];

/// The API server's manifest, and its flag that names the encryption of Secrets.
const API_SERVER: &str = "etc/kubernetes/manifests/kube-apiserver.yaml";
const ENCRYPTION_FLAG: &str = "--encryption-provider-config=";

/// Where a node keeps what a control plane cannot be rebuilt without.
pub(super) fn folders(root: &Path) -> Option<Found<Vec<String>>> {
    let is_there = |place: &&FilePlace| root.join(place.mark).is_dir();
    let place = FILE_PLACES.iter().find(is_there)?;
    let paths = place.folders.iter().map(|folder| root.join(folder));
    let there = paths.filter(|path| path.is_dir());
    Some(Found {
        value: there.map(|path| path.display().to_string()).collect(),
        from: format!("where {} keeps them", place.distribution),
    })
}

/// What of these folders is to be left out.
pub fn to_exclude(root: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    let data = DATA.iter().map(|data| root.join(data));
    data.filter(|data| data.is_dir() && folders.iter().any(|folder| data.starts_with(folder)))
        .collect()
}

/// The files in these folders without whose bytes a backup would be none, as far as they are
/// there: plain files with something in them, or links to such that stay in the folders.
pub fn required(root: &Path, node: &str, folders: &[PathBuf]) -> Vec<PathBuf> {
    let known = SETS.iter().flat_map(|(folder, names)| {
        let below = |name: &&str| root.join(folder).join(name.replace("{node}", node));
        names.iter().map(below).collect::<Vec<_>>()
    });
    let mut found: Vec<PathBuf> = known
        .chain(encryption(root))
        .filter(|path| is_kept(path, folders))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The configuration by which the API server encrypts Secrets.
fn encryption(root: &Path) -> Option<PathBuf> {
    let manifest = read(&root.join(API_SERVER))?;
    let (_, rest) = manifest.split_once(ENCRYPTION_FLAG)?;
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let path = rest[..end.unwrap_or(rest.len())].trim_start_matches('/');
    Some(root.join(path))
}

/// Whether an archive of the folders has this file's bytes. What a pattern would read as
/// something else cannot be named.
fn is_kept(path: &Path, folders: &[PathBuf]) -> bool {
    let within = |path: &Path| folders.iter().any(|folder| path.starts_with(folder));
    let inside = |real: &Path| {
        let real_folders = folders
            .iter()
            .filter_map(|folder| fs::canonicalize(folder).ok());
        real_folders
            .into_iter()
            .any(|folder| real.starts_with(folder))
    };
    let has_bytes = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    let plain = path
        .to_str()
        .is_some_and(|text| !text.contains(['*', '?', '[', ']']));
    plain && has_bytes && within(path) && fs::canonicalize(path).is_ok_and(|real| inside(&real))
}

#[cfg(test)]
mod tests;

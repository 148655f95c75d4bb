//! The folders of a control plane that a backup of etcd alone does not bring back, and the
//! files in them without which such a backup would be none.
//!
//! What is required is what nobody can make again: the private keys of authorities and of
//! service accounts, what goes with them, tokens, and the configuration by which Secrets are
//! encrypted in etcd. Certificates that an authority issues anew are not.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Found, Look, is_absence, read};
use drydock_core::reason;

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
pub(super) fn folders(root: &Path, look: &mut Look<'_>) -> Option<Found<Vec<String>>> {
    let mut places = FILE_PLACES.iter();
    let place = places.find(|place| look.has_folder(&root.join(place.mark)))?;
    let paths = place.folders.iter().map(|folder| root.join(folder));
    let there = paths.filter(|path| look.has_folder(path));
    Some(Found {
        value: there.map(|path| path.display().to_string()).collect(),
        from: format!("where {} keeps them", place.distribution),
    })
}

/// What of these folders is to be left out: what cannot be looked at may be etcd's too.
pub fn to_exclude(root: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    let is_there = |data: &Path| match fs::metadata(data) {
        Ok(found) => found.is_dir(),
        Err(error) => !is_absence(&error),
    };
    let data = DATA.iter().map(|data| root.join(data));
    data.filter(|data| is_there(data) && folders.iter().any(|folder| data.starts_with(folder)))
        .collect()
}

/// The files in these folders without whose bytes a backup would be none, as far as they are
/// there: plain files with something in them, or links to such that stay in the folders.
pub fn required(root: &Path, node: &str, folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = known(root, node)
        .into_iter()
        .chain(encryption(root).ok().flatten())
        .filter(|path| matches!(is_kept(path, folders), Ok(true)))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What may belong to them as well and could not be looked at, a sentence each.
pub fn doubtful(root: &Path, node: &str, folders: &[PathBuf]) -> Vec<String> {
    let mut sentences = Vec::new();
    let encryption = encryption(root).unwrap_or_else(|error| {
        let manifest = root.join(API_SERVER);
        if is_within(&manifest, folders) {
            sentences.push(format!(
                "{} cannot be read ({}), so that nobody knows whether Secrets are encrypted in etcd, and by which file: run init as a user who may read it, or name that file under `required:` of the schedule",
                manifest.display(),
                reason(&error)
            ));
        }
        None
    });
    let mut doubtful: Vec<_> = known(root, node)
        .into_iter()
        .chain(encryption)
        .filter_map(|path| {
            let error = is_kept(&path, folders).err()?;
            Some((path, reason(&error)))
        })
        .collect();
    doubtful.sort();
    doubtful.dedup();
    let told = doubtful.into_iter().map(|(path, why)| {
        format!(
            "{} cannot be looked at ({why}), so that a backup without it would count as whole: run init as a user who may read it, or name it under `required:` of the schedule",
            path.display()
        )
    });
    sentences.extend(told);
    sentences
}

/// Where all of them would lie, whether they are there or not.
fn known(root: &Path, node: &str) -> Vec<PathBuf> {
    let below = |(folder, names): (&str, &[&str])| {
        let folder = root.join(folder);
        let names = names.iter();
        let path = |name: &&str| folder.join(name.replace("{node}", node));
        names.map(path).collect::<Vec<_>>()
    };
    SETS.into_iter().flat_map(below).collect()
}

/// The configuration by which the API server encrypts Secrets, if there is one.
fn encryption(root: &Path) -> io::Result<Option<PathBuf>> {
    let manifest = match read(&root.join(API_SERVER)) {
        Err(error) if is_absence(&error) => return Ok(None),
        read => read?,
    };
    let Some((_, rest)) = manifest.split_once(ENCRYPTION_FLAG) else {
        return Ok(None);
    };
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let path = rest[..end.unwrap_or(rest.len())].trim_start_matches('/');
    Ok(Some(root.join(path)))
}

fn is_within(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Whether an archive of the folders has this file's bytes. What a pattern would read as
/// something else cannot be named.
///
/// # Errors
/// When the file may be there and cannot be looked at.
fn is_kept(path: &Path, folders: &[PathBuf]) -> io::Result<bool> {
    let plain = path
        .to_str()
        .is_some_and(|text| !text.contains(['*', '?', '[', ']']));
    if !plain || !is_within(path, folders) {
        return Ok(false);
    }
    let looked = fs::metadata(path).and_then(|found| {
        let has_bytes = found.is_file() && found.len() > 0;
        Ok(has_bytes && is_inside(&fs::canonicalize(path)?, folders)?)
    });
    match looked {
        Err(error) if is_absence(&error) => Ok(false),
        looked => looked,
    }
}

/// Whether a path without links lies in one of the folders, wherever these lead.
fn is_inside(real: &Path, folders: &[PathBuf]) -> io::Result<bool> {
    for folder in folders {
        match fs::canonicalize(folder) {
            Ok(folder) if real.starts_with(&folder) => return Ok(true),
            Err(error) if !is_absence(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;

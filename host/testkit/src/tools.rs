//! The programs that `cargo xtask tools` put into the cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The version of etcd that is used where nothing else is asked for.
pub const ETCD_VERSION: &str = "3.6.16";

/// The folder with `etcd`, `etcdctl` and `etcdutl` of that version, such as `3.6.16`.
///
/// # Errors
/// When they are not in the cache folder; the message names the command that helps.
pub fn etcd(version: &str) -> Result<PathBuf> {
    let name = format!("etcd-{version}");
    let folder = tools_folder()?.join(&name);
    for program in ["etcd", "etcdctl", "etcdutl"] {
        ensure_present(&folder.join(program), &name)?;
    }
    Ok(folder)
}

/// The folder with `kube-apiserver` and `kubectl`.
///
/// # Errors
/// As [`etcd`].
pub fn kubernetes() -> Result<PathBuf> {
    let name = "kubernetes-1.36.3";
    let folder = tools_folder()?.join(name);
    for program in ["kube-apiserver", "kubectl"] {
        ensure_present(&folder.join(program), name)?;
    }
    Ok(folder)
}

/// The folder with the test data of `k8s.io/api`: `NAME.pb` and `NAME.json` of every kind.
///
/// # Errors
/// As [`etcd`].
pub fn kubernetes_api() -> Result<PathBuf> {
    let name = "kubernetes-api-0.36.3";
    let folder = tools_folder()?.join(name);
    ensure_present(&folder.join("core.v1.Pod.pb"), name)?;
    Ok(folder)
}

/// The program `age`; `age-keygen` lies beside it.
///
/// # Errors
/// As [`etcd`].
pub fn age() -> Result<PathBuf> {
    program("age-1.3.2/age", "age")
}

/// The program `minisign`.
///
/// # Errors
/// As [`etcd`].
pub fn minisign() -> Result<PathBuf> {
    program("minisign-0.3.0/minisign", "minisign")
}

/// The program `zstd`.
///
/// # Errors
/// As [`etcd`].
pub fn zstd() -> Result<PathBuf> {
    program("zstd/zstd", "zstd")
}

/// The program `strace`.
///
/// # Errors
/// As [`etcd`].
pub fn strace() -> Result<PathBuf> {
    program("strace/strace", "strace")
}

/// The program `aws`, the command line of S3's vendor. Only benches need it.
///
/// # Errors
/// As [`etcd`].
pub fn aws() -> Result<PathBuf> {
    program("awscli-1.46.3/aws", "awscli-1.46.3")
}

/// The program `restic`. Only benches need it.
///
/// # Errors
/// As [`etcd`].
pub fn restic() -> Result<PathBuf> {
    program("restic-0.18.0/restic", "restic-0.18.0")
}

/// The program `azurite-blob`. It needs `node` on the search path.
///
/// # Errors
/// As [`etcd`].
pub fn azurite() -> Result<PathBuf> {
    program("azurite-3.35.0/azurite-blob", "azurite")
}

/// The program `versitygw`.
///
/// # Errors
/// As [`etcd`].
pub fn versitygw() -> Result<PathBuf> {
    program("versitygw-1.8.0/versitygw", "versitygw")
}

/// The program `fake-gcs-server`.
///
/// # Errors
/// As [`etcd`].
pub fn fake_gcs() -> Result<PathBuf> {
    program("fake-gcs-server-1.56.1/fake-gcs-server", "fake-gcs-server")
}

/// The program `componentize-py`, which makes components of Python modules.
///
/// # Errors
/// As [`etcd`].
pub fn componentize_py() -> Result<PathBuf> {
    program("componentize-py-0.25.1/componentize-py", "componentize-py")
}

/// The program `componentize-js`, which makes components of JavaScript modules. It needs
/// `node` on the search path.
///
/// # Errors
/// As [`etcd`].
pub fn componentize_js() -> Result<PathBuf> {
    program("componentize-js-0.23.0/componentize-js", "componentize-js")
}

fn program(path: &str, tool: &str) -> Result<PathBuf> {
    let path = tools_folder()?.join(path);
    ensure_present(&path, tool)?;
    Ok(path)
}

fn ensure_present(path: &Path, tool: &str) -> Result<()> {
    ensure!(
        path.is_file(),
        "{} is missing: run `cargo xtask tools {tool}` once",
        path.display()
    );
    Ok(())
}

fn tools_folder() -> Result<PathBuf> {
    Ok(cache_folder()?.join("tools"))
}

/// The cache folder by the same rule as xtask's: `DRYDOCK_CACHE`, else
/// `$XDG_CACHE_HOME/drydock`, else `~/.cache/drydock`.
///
/// # Errors
/// When no variable says where it is.
pub fn cache_folder() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = if let Some(chosen) = set("DRYDOCK_CACHE") {
        PathBuf::from(chosen)
    } else if let Some(caches) = set("XDG_CACHE_HOME") {
        Path::new(&caches).join("drydock")
    } else {
        let home = set("HOME").context("neither DRYDOCK_CACHE nor HOME is set")?;
        Path::new(&home).join(".cache/drydock")
    };
    std::path::absolute(&cache).with_context(|| format!("cannot make {} absolute", cache.display()))
}

//! The name of the contract in `wit/`, and of its interfaces.

/// The contract version that this host links.
pub const CONTRACT: &str = "drydock:plugin@0.1.0";

/// `etcd` for `drydock:plugin/etcd@0.1.0`, none for another package or version.
pub(crate) fn contract_interface(name: &str) -> Option<&str> {
    let (package, version) = CONTRACT.split_once('@')?;
    name.strip_suffix(version)?
        .strip_suffix('@')?
        .strip_prefix(package)?
        .strip_prefix('/')
}

//! From a Cluster document to a connection.

use drydock_capability_etcd::{
    EtcdAccess, EtcdCall, EtcdConfig, Timeouts,
    certificates::{self, Part, Unsound},
};
use drydock_core::UnixTime;
use drydock_documents::{self as documents, Cluster, FileError, Located, SecretFrom, Setting};

use crate::Deps;

/// Everything that the node itself asks of a cluster; no plugin is involved.
pub const OWN_CALLS: [EtcdCall; 3] = [EtcdCall::MemberList, EtcdCall::Status, EtcdCall::HashKv];

/// The cluster of a document, its files and variables read and found fit for use, for every
/// call there is: the caller narrows it.
pub fn cluster_access(cluster: &Located<Cluster>, deps: &Deps) -> Result<EtcdAccess, FileError> {
    let documents::EtcdAccess {
        endpoints,
        ca,
        certificate,
        key,
        username,
        password,
        connect_timeout,
        request_timeout,
        stream_idle,
    } = cluster.resolve(&*deps.env)?;
    let config = EtcdConfig {
        endpoints,
        ca,
        certificate,
        key: key.map(|key| key.expose().to_vec()),
        username,
        password: password.and_then(|password| password.expose_text().map(str::to_owned)),
        timeouts: Timeouts {
            connect: connect_timeout,
            request: request_timeout,
            stream_idle,
            ..Timeouts::default()
        },
    };
    judge_certificates(&config, deps.clock.now()).map_err(|unsound| placed(cluster, unsound))?;
    Ok(EtcdAccess::new(config, EtcdCall::ALL.to_vec()))
}

/// Whether what is shown and trusted at the members can be used at `now`.
pub fn judge_certificates(config: &EtcdConfig, now: UnixTime) -> Result<(), Unsound> {
    let pair = config.certificate.as_deref().zip(config.key.as_deref());
    certificates::judge(config.ca.as_deref(), pair, now)
}

/// Whether the authorities of a document are valid now. Connections are made all the same
/// when they are not, as long as the members' certificates are: so a run goes on, and
/// whoever looks ahead hears of it.
pub fn check_authorities(cluster: &Located<Cluster>, deps: &Deps) -> Result<(), FileError> {
    let etcd = cluster.resolve(&*deps.env)?;
    let Some(pem) = etcd.ca else {
        return Ok(());
    };
    certificates::judge_authorities_time(&pem, deps.clock.now())
        .map_err(|unsound| placed(cluster, unsound))
}

/// What is wrong, at the line that names it.
fn placed(cluster: &Located<Cluster>, Unsound { part, why }: Unsound) -> FileError {
    let etcd = &cluster.value.spec.etcd;
    let secret = |from: &SecretFrom| from.value_from.to_string();
    let (key, place) = match part {
        Part::Authorities => ("ca", etcd.ca.as_ref().map(Setting::place)),
        Part::Certificate => ("certificate", etcd.certificate.as_ref().map(Setting::place)),
        Part::Key => ("key", etcd.key.as_ref().map(secret)),
    };
    let place = place.unwrap_or_default();
    cluster.error(
        &format!("spec.etcd.{key}"),
        format!("comes from {place}, which {why}"),
    )
}

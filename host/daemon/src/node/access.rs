//! From a Cluster document to a connection.

use drydock_capability_etcd::{EtcdAccess, EtcdConfig, Timeouts};
use drydock_core::files::{self, Cluster, Located};
use drydock_core::plugin::EtcdCall;

use crate::environment::Surroundings;
use crate::exit::Failure;

/// Everything that the node itself asks of a cluster; no plugin is involved.
pub const OWN_CALLS: [EtcdCall; 3] = [EtcdCall::MemberList, EtcdCall::Status, EtcdCall::HashKv];

/// The cluster of a document, its files and variables read, for every call there is: the
/// caller narrows it.
pub fn cluster_access(cluster: &Located<Cluster>) -> Result<EtcdAccess, Failure> {
    let files::EtcdAccess {
        endpoints,
        ca,
        certificate,
        key,
        username,
        password,
        connect_timeout,
        request_timeout,
        stream_idle,
    } = cluster.resolve(&Surroundings).map_err(Failure::usage)?;
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
        },
    };
    let calls = OWN_CALLS.into_iter().chain([EtcdCall::Snapshot]).collect();
    Ok(EtcdAccess::new(config, calls))
}

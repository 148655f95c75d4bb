//! What the endpoints say, asked one after the other.

use drydock_plugin_sdk::Error;
use drydock_plugin_sdk::etcd::{self, Member, MemberStatus};

/// An endpoint that answered.
#[derive(Debug)]
pub struct View {
    pub endpoint: String,
    pub status: MemberStatus,
    /// Whether the cluster answers through it, which a member that still defragments does not.
    pub health: Result<(), Error>,
}

/// All endpoints, in the order of the cluster's file; of two that lead to one member, the
/// first.
#[derive(Debug)]
pub struct Survey {
    pub views: Vec<View>,
    /// Why the others did not answer; the host's sentences name them.
    pub silences: Vec<Error>,
    /// Of the first endpoint that could tell; the error of the last where none could.
    pub members: Result<Vec<Member>, Error>,
}

/// Asks all of them.
pub fn take() -> Survey {
    let nobody = Error::bad_configuration(
        "the cluster has no etcd endpoints: add spec.etcd.endpoints to its Cluster document",
    );
    let mut survey = Survey {
        views: Vec::new(),
        silences: Vec::new(),
        members: Err(nobody),
    };
    for endpoint in etcd::endpoints() {
        match etcd::status(&endpoint) {
            Ok(status) => survey.add(endpoint, status),
            Err(error) => survey.silences.push(error),
        }
    }
    for view in &survey.views {
        survey.members = etcd::member_list(&view.endpoint);
        if survey.members.is_ok() {
            break;
        }
    }
    survey
}

impl Survey {
    fn add(&mut self, endpoint: String, status: MemberStatus) {
        let mut known = self.views.iter().map(|view| view.status.member_id);
        if known.any(|id| id == status.member_id) {
            return;
        }
        // A learner answers for itself alone.
        let health = if status.learner {
            Ok(())
        } else {
            etcd::health(&endpoint)
        };
        self.views.push(View {
            endpoint,
            status,
            health,
        });
    }
}

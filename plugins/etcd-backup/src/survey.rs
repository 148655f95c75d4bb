//! What the endpoints said.

use drydock_plugin_sdk::Error;
use drydock_plugin_sdk::etcd::{Alarm, Member, MemberStatus};

/// An endpoint that answered.
#[derive(Debug)]
pub struct View {
    pub endpoint: String,
    pub status: MemberStatus,
}

/// An endpoint that did not.
#[derive(Debug)]
pub struct Silence {
    pub endpoint: String,
    pub error: Error,
}

/// All endpoints, in the order of the cluster's file.
#[derive(Debug, Default)]
pub struct Survey {
    pub views: Vec<View>,
    pub silences: Vec<Silence>,
    /// None when nobody could tell; `members_error` then says why.
    pub members: Option<Vec<Member>>,
    pub members_error: Option<Error>,
}

impl Survey {
    pub fn add(&mut self, endpoint: &str, answer: Result<MemberStatus, Error>) {
        let endpoint = endpoint.to_owned();
        match answer {
            Ok(status) => self.views.push(View { endpoint, status }),
            Err(error) => self.silences.push(Silence { endpoint, error }),
        }
    }

    /// Endpoints whose member reports this alarm.
    pub fn with_alarm(&self, alarm: Alarm) -> Vec<&str> {
        let reporting = self
            .views
            .iter()
            .filter(|view| view.status.alarms.iter().any(|it| it.alarm == alarm));
        reporting.map(|view| view.endpoint.as_str()).collect()
    }

    /// Whether the member of that id answered at some endpoint.
    pub fn heard_from(&self, member: u64) -> bool {
        self.views
            .iter()
            .any(|view| view.status.member_id == member)
    }

    /// Whether `endpoint` is one of the cluster's.
    pub fn knows(&self, endpoint: &str) -> bool {
        let views = self.views.iter().map(|view| &view.endpoint);
        let silences = self.silences.iter().map(|silence| &silence.endpoint);
        views.chain(silences).any(|known| known == endpoint)
    }
}

//! Grants of calls to the step's cluster, call by call.

use drydock_core::{Grant, Power, Reach};
use serde::{Deserialize, Serialize};

/// A call of the interface `etcd` that can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdCall {
    MemberList,
    Status,
    Snapshot,
    HashKv,
}

/// What any of the powers opens: the endpoints are no secret to whoever may call one.
const ENDPOINTS: &[&str] = &["endpoints"];

/// The member list, as an endpoint knows it.
pub const MEMBER_LIST: Power = Power {
    word: "etcd.member-list",
    line: "etcd: [member-list]",
    reach: Reach::Reads,
    discloses: false,
    functions: &["member-list"],
    also: ENDPOINTS,
    reading: None,
};

/// A member's own view.
pub const STATUS: Power = Power {
    word: "etcd.status",
    line: "etcd: [status]",
    reach: Reach::Reads,
    discloses: false,
    functions: &["endpoints", "status"],
    also: &[],
    reading: None,
};

/// Everything that the cluster holds.
pub const SNAPSHOT: Power = Power {
    word: "etcd.snapshot",
    line: "etcd: [snapshot]",
    reach: Reach::Reads,
    discloses: true,
    functions: &["snapshot"],
    also: ENDPOINTS,
    reading: None,
};

/// A hash of it.
pub const HASH_KV: Power = Power {
    word: "etcd.hash-kv",
    line: "etcd: [hash-kv]",
    reach: Reach::Reads,
    discloses: false,
    functions: &["hash-kv"],
    also: ENDPOINTS,
    reading: None,
};

impl EtcdCall {
    /// The power to make it.
    #[must_use]
    pub fn power(self) -> Power {
        match self {
            Self::MemberList => MEMBER_LIST,
            Self::Status => STATUS,
            Self::Snapshot => SNAPSHOT,
            Self::HashKv => HASH_KV,
        }
    }
}

impl Grant for EtcdCall {
    const NAME: &'static str = "etcd";
    const POWERS: &'static [Power] = &[MEMBER_LIST, STATUS, SNAPSHOT, HASH_KV];

    fn common(&self, ceiling: &Self) -> Option<Self> {
        (self == ceiling).then_some(*self)
    }

    fn allows(&self, power: &Power) -> bool {
        self.power() == *power
    }

    fn hint(asked: &[&'static Power]) -> String {
        let calls = asked.iter();
        let calls = calls.filter_map(|power| power.word.strip_prefix("etcd."));
        let calls: Vec<&str> = calls.collect();
        format!("it asks for: {}", calls.join(", "))
    }
}

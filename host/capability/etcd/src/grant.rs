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
    Health,
    Defragment,
    Compact,
    AlarmDisarm,
    MoveLeader,
    MemberAddLearner,
    MemberPromote,
    MemberRemove,
    ProbePut,
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

/// Whether the cluster answers through a member.
pub const HEALTH: Power = Power {
    word: "etcd.health",
    line: "etcd: [health]",
    reach: Reach::Reads,
    discloses: false,
    functions: &["health"],
    also: ENDPOINTS,
    reading: None,
};

/// To give a member's free pages back, which blocks it meanwhile.
pub const DEFRAGMENT: Power = Power {
    word: "etcd.defragment",
    line: "etcd: [defragment]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["defragment"],
    also: ENDPOINTS,
    reading: None,
};

/// To drop the history before a revision.
pub const COMPACT: Power = Power {
    word: "etcd.compact",
    line: "etcd: [compact]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["compact"],
    also: ENDPOINTS,
    reading: None,
};

/// To let an alarm go.
pub const ALARM_DISARM: Power = Power {
    word: "etcd.alarm-disarm",
    line: "etcd: [alarm-disarm]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["alarm-disarm"],
    also: ENDPOINTS,
    reading: None,
};

/// To hand the leadership to another member.
pub const MOVE_LEADER: Power = Power {
    word: "etcd.move-leader",
    line: "etcd: [move-leader]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["move-leader"],
    also: ENDPOINTS,
    reading: None,
};

/// To take in a member that does not vote.
pub const MEMBER_ADD_LEARNER: Power = Power {
    word: "etcd.member-add-learner",
    line: "etcd: [member-add-learner]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["member-add-learner"],
    also: ENDPOINTS,
    reading: None,
};

/// To give a learner its vote.
pub const MEMBER_PROMOTE: Power = Power {
    word: "etcd.member-promote",
    line: "etcd: [member-promote]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["member-promote"],
    also: ENDPOINTS,
    reading: None,
};

/// To put a member out.
pub const MEMBER_REMOVE: Power = Power {
    word: "etcd.member-remove",
    line: "etcd: [member-remove]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["member-remove"],
    also: ENDPOINTS,
    reading: None,
};

/// To try whether a write would be taken.
pub const PROBE_PUT: Power = Power {
    word: "etcd.probe-put",
    line: "etcd: [probe-put]",
    reach: Reach::Writes,
    discloses: false,
    functions: &["probe-put"],
    also: ENDPOINTS,
    reading: None,
};

impl EtcdCall {
    /// All that there are.
    pub const ALL: [Self; 13] = [
        Self::MemberList,
        Self::Status,
        Self::Snapshot,
        Self::HashKv,
        Self::Health,
        Self::Defragment,
        Self::Compact,
        Self::AlarmDisarm,
        Self::MoveLeader,
        Self::MemberAddLearner,
        Self::MemberPromote,
        Self::MemberRemove,
        Self::ProbePut,
    ];

    /// Whether it can change the cluster.
    #[must_use]
    pub fn writes(self) -> bool {
        self.power().reach == Reach::Writes
    }

    /// The power to make it.
    #[must_use]
    pub fn power(self) -> Power {
        match self {
            Self::MemberList => MEMBER_LIST,
            Self::Status => STATUS,
            Self::Snapshot => SNAPSHOT,
            Self::HashKv => HASH_KV,
            Self::Health => HEALTH,
            Self::Defragment => DEFRAGMENT,
            Self::Compact => COMPACT,
            Self::AlarmDisarm => ALARM_DISARM,
            Self::MoveLeader => MOVE_LEADER,
            Self::MemberAddLearner => MEMBER_ADD_LEARNER,
            Self::MemberPromote => MEMBER_PROMOTE,
            Self::MemberRemove => MEMBER_REMOVE,
            Self::ProbePut => PROBE_PUT,
        }
    }
}

impl Grant for EtcdCall {
    const NAME: &'static str = "etcd";
    const POWERS: &'static [Power] = &[
        MEMBER_LIST,
        STATUS,
        SNAPSHOT,
        HASH_KV,
        HEALTH,
        DEFRAGMENT,
        COMPACT,
        ALARM_DISARM,
        MOVE_LEADER,
        MEMBER_ADD_LEARNER,
        MEMBER_PROMOTE,
        MEMBER_REMOVE,
        PROBE_PUT,
    ];

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

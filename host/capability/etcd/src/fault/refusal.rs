//! What etcd says instead of doing what it was asked for. Its words are those of its
//! `rpctypes` package; each of these comes before anything was done.

use drydock_core::{ErrorClass, ErrorCode};
use tonic::Code;

use super::{Reading, read_log_in, says};

/// What etcd itself says instead of changing something.
pub(super) fn read(said: &str) -> Option<Reading> {
    use ErrorClass::{Permanent, Transient};
    let refusals: [(&[&str], ErrorClass, ErrorCode, &str); 10] = [
        (
            &["not leader"],
            Transient,
            ErrorCode::NotLeader,
            "the member does not lead any more: look which one does, and ask that one",
        ),
        (
            &["bad leader transferee"],
            Permanent,
            ErrorCode::BadTransferee,
            "the leadership can be handed only to a member of the cluster that votes: name one of its member list",
        ),
        (
            &["in sync with leader"],
            Transient,
            ErrorCode::LearnerNotReady,
            "the learner is too far behind the leader: wait until it has caught up, and see its log if it does not",
        ),
        (
            &["can only promote a learner"],
            Permanent,
            ErrorCode::NotALearner,
            "the member votes already",
        ),
        (
            &["member not found"],
            Permanent,
            ErrorCode::MemberNotFound,
            "the cluster has no such member: look at its member list",
        ),
        (
            &["too many learner"],
            Permanent,
            ErrorCode::TooManyLearners,
            "the cluster takes no more learners: promote or remove the one it has, or raise `--max-learners`",
        ),
        (
            &["Peer URLs already exists", "member ID already exist"],
            Permanent,
            ErrorCode::Exists,
            "a member has that peer URL already: look at the member list, and remove the old member first",
        ),
        (
            &["URLs are invalid", "unmatched peer"],
            Permanent,
            ErrorCode::BadRequest,
            "the peer URLs are none: write them as http://ADDRESS:PORT or https://ADDRESS:PORT",
        ),
        (
            &["unhealthy cluster", "not enough started members"],
            Transient,
            ErrorCode::UnhealthyCluster,
            "the cluster changes its members only while enough of them are started and connected: bring the others back, or wait some seconds after one came back",
        ),
        (
            &["database space exceeded"],
            Permanent,
            ErrorCode::NoSpace,
            "the database has reached its quota and the cluster takes no writes: compact, defragment, disarm the alarm, or raise `--quota-backend-bytes`",
        ),
    ];
    let mut refusals = refusals.into_iter();
    let (_, class, code, why) = refusals.find(|(words, ..)| says(said, words))?;
    Some((class, code, why.to_owned()))
}

/// Whether etcd says so before it does anything.
pub(super) fn is_refusal(status: &tonic::Status) -> bool {
    const WORDS: [&str; 2] = ["too many requests", "not supported for learner"];
    let said = status.message();
    let known = read_log_in(status.code(), said).is_some()
        || read(said).is_some()
        || says(said, &WORDS)
        || matches!(
            status.code(),
            Code::PermissionDenied | Code::Unimplemented | Code::OutOfRange
        );
    known && (said.starts_with("etcdserver: ") || status.code() == Code::Unimplemented)
}

#[cfg(test)]
mod tests {
    use drydock_core::Certainty::{self, NotDone, Unknown};

    use super::*;
    use crate::fault::{certainty, of};

    /// What etcd says, the code that it becomes, and whether nothing was done then.
    const TABLE: [(Code, &str, &str, Certainty); 21] = [
        (
            Code::FailedPrecondition,
            "etcdserver: not leader",
            "not-leader",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: bad leader transferee",
            "bad-transferee",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: can only promote a learner member which is in sync with leader",
            "learner-not-ready",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: can only promote a learner member",
            "not-a-learner",
            NotDone,
        ),
        (
            Code::NotFound,
            "etcdserver: member not found",
            "member-not-found",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: too many learner members in cluster",
            "too-many-learners",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: Peer URLs already exists",
            "exists",
            NotDone,
        ),
        (
            Code::Unavailable,
            "etcdserver: unhealthy cluster",
            "unhealthy-cluster",
            NotDone,
        ),
        (
            Code::FailedPrecondition,
            "etcdserver: re-configuration failed due to not enough started members",
            "unhealthy-cluster",
            NotDone,
        ),
        (
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
            "no-space",
            NotDone,
        ),
        (
            Code::OutOfRange,
            "etcdserver: mvcc: required revision has been compacted",
            "compacted",
            NotDone,
        ),
        (
            Code::PermissionDenied,
            "etcdserver: permission denied",
            "permission-denied",
            NotDone,
        ),
        (
            Code::Unauthenticated,
            "etcdserver: invalid auth token",
            "unauthenticated",
            NotDone,
        ),
        (
            Code::ResourceExhausted,
            "etcdserver: too many requests",
            "refused",
            NotDone,
        ),
        // Whoever gave up waiting does not know what became of it.
        (
            Code::Unavailable,
            "etcdserver: request timed out",
            "timeout",
            Unknown,
        ),
        (
            Code::Unavailable,
            "etcdserver: request timed out, leader transfer took too long",
            "timeout",
            Unknown,
        ),
        (
            Code::Unavailable,
            "etcdserver: no leader",
            "no-leader",
            Unknown,
        ),
        (
            Code::Unavailable,
            "etcdserver: leader changed",
            "refused",
            Unknown,
        ),
        (
            Code::Unavailable,
            "etcdserver: server stopped",
            "refused",
            Unknown,
        ),
        (
            Code::Cancelled,
            "operation was canceled",
            "unreachable",
            Unknown,
        ),
        // Not etcd's own words.
        (
            Code::OutOfRange,
            "message too large",
            "unreachable",
            Unknown,
        ),
    ];

    #[test]
    fn a_refusal_has_its_code_and_surely_did_nothing() {
        for (code, words, expected, sure) in TABLE {
            let error = etcd_client::Error::GRpcStatus(tonic::Status::new(code, words));
            assert_eq!(
                of(&error, "http://a", "ask").code.as_str(),
                expected,
                "{words}"
            );
            assert_eq!(certainty(&error), sure, "{words}");
        }
    }
}

use super::*;
use drydock_core::ErrorCode;

const LEADER: u64 = 1;

fn status(id: u64) -> MemberStatus {
    MemberStatus {
        cluster_id: 7,
        member_id: id,
        leader: LEADER,
        raft_term: 3,
        raft_index: 10,
        raft_applied_index: 10,
        revision: 5,
        db_size: 1,
        db_size_in_use: 1,
        db_size_quota: 0,
        version: "3.6.0".to_owned(),
        learner: false,
        alarms: Vec::new(),
        errors: Vec::new(),
    }
}

fn hash() -> LiveHash {
    LiveHash {
        hash: 1,
        compact_revision: -1,
        hash_revision: 5,
        revision: 5,
    }
}

/// A cluster of three, each with one address.
fn three() -> Vec<Member> {
    let member = |id: u64| Member {
        id,
        name: format!("m{id}"),
        peer_urls: Vec::new(),
        client_urls: vec![url(id)],
        learner: false,
    };
    (1..=3).map(member).collect()
}

fn url(id: u64) -> String {
    format!("http://m{id}:2379")
}

fn answers(endpoint: &str, id: u64) -> EndpointAnswer {
    EndpointAnswer {
        endpoint: endpoint.to_owned(),
        status: Ok(status(id)),
        hash: Ok(hash()),
        members: Ok(three()),
    }
}

fn silent(endpoint: &str) -> EndpointAnswer {
    let fault = Fault::transient(ErrorCode::Unreachable, "it does not answer");
    EndpointAnswer {
        endpoint: endpoint.to_owned(),
        status: Err(fault.clone()),
        hash: Err(fault.clone()),
        members: Err(fault),
    }
}

/// The entries that a plugin sees: those of the voters.
fn seen(cluster: &LiveCluster) -> Vec<(Option<u64>, bool)> {
    let entries = cluster.members.iter().take(cluster.voters);
    entries.map(|live| (live.id, live.answer.is_ok())).collect()
}

#[test]
fn one_member_behind_two_endpoints_is_one() {
    let cluster = LiveCluster::of(vec![answers(&url(1), 1), answers("http://vip:2379", 1)]);
    assert_eq!(cluster.voters, 3);
    assert_eq!(
        seen(&cluster),
        [(Some(1), true), (Some(2), false), (Some(3), false)]
    );
    // One of three is no quorum, however often it answers.
    assert!(!cluster.quorum);
}

#[test]
fn no_voter_is_crowded_out_by_an_endpoint_too_many() {
    for beside in [answers("http://vip:2379", 1), silent("http://vip:2379")] {
        let rest = (1..=3).map(|id| answers(&url(id), id));
        let cluster = LiveCluster::of(std::iter::once(beside).chain(rest).collect());
        assert_eq!(
            seen(&cluster),
            [(Some(1), true), (Some(2), true), (Some(3), true)]
        );
        assert!(cluster.quorum);
        assert_eq!(cluster.finding(), None);
    }
}

#[test]
fn an_answer_that_can_be_compared_counts_before_one_that_cannot() {
    let mut cut = answers("http://vip:2379", 1);
    cut.hash = Err(Fault::transient(ErrorCode::Timeout, "it hangs"));
    let cluster = LiveCluster::of(vec![cut, answers(&url(1), 1)]);
    assert_eq!(seen(&cluster)[0], (Some(1), true));
}

#[test]
fn silent_members_keep_their_place() {
    let cluster = LiveCluster::of(vec![silent(&url(1)), answers(&url(2), 2), silent(&url(3))]);
    assert_eq!(
        seen(&cluster),
        [(None, false), (Some(2), true), (None, false)]
    );
    assert!(!cluster.quorum);
}

#[test]
fn members_that_were_not_listed_are_not_taken_for_none() {
    let mut alone = answers(&url(1), 1);
    alone.members = Err(Fault::denied(ErrorCode::Refused, "it may not be asked"));
    let cluster = LiveCluster::of(vec![alone]);
    assert_eq!(seen(&cluster), [(Some(1), true)]);
    let finding = cluster.finding().unwrap();
    assert_eq!(
        finding.message,
        "the cluster did not list its members (it may not be asked), so that members which no endpoint of the Cluster document leads to were not compared with, nor counted"
    );
    // Where nobody answers at all, that is told elsewhere.
    assert_eq!(LiveCluster::of(vec![silent(&url(1))]).finding(), None);
    assert_eq!(LiveCluster::of(vec![answers(&url(1), 1)]).finding(), None);
}

use super::*;
use drydock_plugin_sdk::etcd::Member;

/// Member 1 leads; all three vote, answer and are level.
pub fn three() -> Survey {
    Survey {
        views: (1..=3).map(view).collect(),
        silences: Vec::new(),
        members: Ok((1..=3).map(member).collect()),
    }
}

pub fn cluster() -> Cluster {
    judge(&three(), NoSpace::Forbidden).unwrap()
}

fn view(id: u64) -> View {
    View {
        endpoint: format!("https://m{id}:2379"),
        status: status(id),
        health: Ok(()),
    }
}

fn member(id: u64) -> Member {
    Member {
        id,
        name: format!("m{id}"),
        peer_urls: vec![format!("https://m{id}:2380")],
        client_urls: vec![format!("https://m{id}:2379")],
        learner: false,
    }
}

fn status(id: u64) -> MemberStatus {
    MemberStatus {
        cluster_id: 0xc,
        member_id: id,
        leader: 1,
        raft_term: 2,
        raft_index: 10_000,
        raft_applied_index: 10_000,
        revision: 9_000,
        db_size: 400 << 20,
        db_size_in_use: 100 << 20,
        db_size_quota: 2 << 30,
        version: "3.6.16".to_owned(),
        learner: false,
        alarms: Vec::new(),
        errors: Vec::new(),
    }
}

fn unfit(change: impl FnOnce(&mut Survey)) -> Unfit {
    let mut survey = three();
    change(&mut survey);
    judge(&survey, NoSpace::Forbidden).unwrap_err()
}

#[track_caller]
fn assert_reads(unfit: &Unfit, may_pass: bool, words: &str) {
    assert_eq!((unfit.may_pass, unfit.why.as_str()), (may_pass, words));
}

fn raise(survey: &mut Survey, alarm: Alarm, name: &str) {
    for view in &mut survey.views {
        view.status.alarms = vec![RaisedAlarm {
            member_id: 2,
            alarm,
        }];
        view.status.errors = vec![format!("memberID:2 alarm:{name} ")];
    }
}

#[test]
fn three_level_members_under_one_leader_are_healthy() {
    let cluster = cluster();
    assert_eq!(cluster.leading().unwrap().spelled(), "m1 (1)");
    assert_eq!((cluster.members.len(), cluster.revision()), (3, 9_000));
}

#[test]
fn whoever_does_not_answer_may_come_back() {
    let silence = |error| {
        unfit(|survey| {
            survey.views.pop();
            survey.silences.push(error);
        })
    };
    let gone = silence(Error::transient("unreachable", "m3 is not there"));
    assert_reads(&gone, true, "m3 is not there");
    assert_eq!(gone.error().class, ErrorClass::Transient);
    let refused = silence(Error::denied("tls-untrusted", "m3 is not trusted"));
    assert_reads(&refused, false, "m3 is not trusted");
    assert_eq!(refused.error().class, ErrorClass::Permanent);
}

#[test]
fn a_member_that_does_not_answer_for_the_cluster_is_not_healthy() {
    let unfit = unfit(|survey| {
        survey.views[2].health = Err(Error::transient("timeout", "m3 took too long"));
    });
    assert_reads(&unfit, true, "m3 took too long");
}

#[test]
fn an_election_is_waited_for() {
    let none = unfit(|survey| survey.views[1].status.leader = 0);
    assert_reads(&none, true, "the member at https://m2:2379 knows no leader");
    let two = unfit(|survey| survey.views[1].status.leader = 2);
    let words = "the members do not agree on who leads: an election goes on";
    assert_reads(&two, true, words);
}

#[test]
fn a_member_that_nobody_can_look_at_stops_everything() {
    let unknown = unfit(|survey| drop(survey.views.pop()));
    assert_reads(
        &unknown,
        false,
        "member m3 (3) has no endpoint: add it to the Cluster document, or remove the member",
    );
    let unstarted = unfit(|survey| {
        survey.views.pop();
        survey.members.as_mut().unwrap()[2].name.clear();
    });
    assert_reads(&unstarted, true, "member 3 has not started yet");
}

#[test]
fn endpoints_of_two_clusters_are_told() {
    let unfit = unfit(|survey| survey.views[0].status.cluster_id = 0xd);
    assert!(!unfit.may_pass && unfit.why.contains("different etcd clusters"));
}

#[test]
fn a_member_may_be_behind_a_little() {
    let mut survey = three();
    survey.views[2].status.raft_applied_index -= LAG_ENTRIES_MAX;
    judge(&survey, NoSpace::Forbidden).unwrap();
    let unfit = unfit(|survey| survey.views[2].status.raft_applied_index = 4_999);
    let words = "the member at https://m3:2379 is 5001 entries behind";
    assert_reads(&unfit, true, words);
}

#[test]
fn alarms_stop_everything_but_the_repair_of_theirs() {
    let corrupt = unfit(|survey| raise(survey, Alarm::Corrupt, "CORRUPT"));
    assert!(!corrupt.may_pass && corrupt.why.starts_with("the CORRUPT alarm"));
    let other = unfit(|survey| raise(survey, Alarm::Other, "FIRE"));
    assert!(!other.may_pass && other.why.contains("unknown kind"));
    let full = unfit(|survey| raise(survey, Alarm::Nospace, "NOSPACE"));
    assert!(!full.may_pass && full.why.contains("do: [repair-space]"));
    let mut survey = three();
    raise(&mut survey, Alarm::Nospace, "NOSPACE");
    let cluster = judge(&survey, NoSpace::Allowed).unwrap();
    let raised = RaisedAlarm {
        member_id: 2,
        alarm: Alarm::Nospace,
    };
    assert_eq!(cluster.alarms(), [raised]);
}

#[test]
fn everything_is_told_and_one_that_lasts_is_enough() {
    let unfit = unfit(|survey| {
        survey.views[1].status.errors = vec!["etcdserver: no leader".to_owned()];
        raise_one(survey);
    });
    assert!(!unfit.may_pass);
    assert!(
        unfit
            .why
            .contains("says `etcdserver: no leader`; the CORRUPT alarm")
    );
}

fn raise_one(survey: &mut Survey) {
    survey.views[0].status.alarms = vec![RaisedAlarm {
        member_id: 0,
        alarm: Alarm::Corrupt,
    }];
}

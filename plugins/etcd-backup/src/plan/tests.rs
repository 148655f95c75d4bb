use drydock_plugin_sdk::Level;
use drydock_plugin_sdk::etcd::{MemberStatus, RaisedAlarm};

use super::*;

/// Member 1 leads; all three voters answer and are level.
fn three() -> Survey {
    let mut survey = Survey {
        members: Some((1..=3).map(|id| member(id, false)).collect()),
        ..Survey::default()
    };
    for id in 1..=3 {
        survey.add(&endpoint(id), Ok(status(id)));
    }
    survey
}

/// The same with only the given members answering.
fn only(heard: &[u64]) -> Survey {
    let mut survey = three();
    survey
        .views
        .retain(|view| heard.contains(&view.status.member_id));
    for id in (1..=3).filter(|id| !heard.contains(id)) {
        survey.add(
            &endpoint(id),
            Err(Error::transient("unreachable", "refused")),
        );
    }
    survey
}

fn endpoint(id: u64) -> String {
    format!("https://m{id}:2379")
}

fn member(id: u64, learner: bool) -> Member {
    Member {
        id,
        name: format!("m{id}"),
        peer_urls: Vec::new(),
        client_urls: vec![endpoint(id)],
        learner,
    }
}

fn status(id: u64) -> MemberStatus {
    MemberStatus {
        cluster_id: 0xc,
        member_id: id,
        leader: 1,
        raft_term: 2,
        raft_index: 100,
        raft_applied_index: 100,
        revision: 50,
        db_size: 4096,
        db_size_in_use: 4096,
        db_size_quota: 0,
        version: "3.6.16".into(),
        learner: false,
        alarms: Vec::new(),
        errors: Vec::new(),
    }
}

fn raised(alarm: Alarm) -> RaisedAlarm {
    RaisedAlarm {
        member_id: 2,
        alarm,
    }
}

fn planned(survey: &Survey) -> Plan {
    plan(&Config::default(), survey).unwrap()
}

fn refused(config: &Config, survey: &Survey) -> Error {
    plan(config, survey).unwrap_err()
}

fn order(config: &Config, survey: &Survey) -> Vec<u64> {
    let candidates = plan(config, survey).unwrap().candidates;
    let id = |endpoint: &String| {
        survey
            .views
            .iter()
            .find(|v| v.endpoint == *endpoint)
            .unwrap()
            .status
            .member_id
    };
    candidates.iter().map(id).collect()
}

fn codes(findings: &[Finding]) -> Vec<(Level, &str)> {
    findings
        .iter()
        .map(|f| (f.level, f.code.as_str()))
        .collect()
}

#[test]
fn healthy_cluster_gives_a_clean_plan() {
    let plan = planned(&three());
    assert!(!plan.degraded);
    assert!(plan.findings.is_empty());
}

#[test]
fn members_are_asked_in_order_of_fitness() {
    let plain = Config::default();
    let learners = || Config {
        allow_learner: true,
        ..Config::default()
    };
    let prefer = |id| Config {
        endpoint: Some(endpoint(id)),
        ..Config::default()
    };
    let change = |id: usize, by: fn(&mut MemberStatus)| {
        let mut survey = three();
        by(&mut survey.views[id - 1].status);
        survey
    };
    let table: [(&str, Config, Survey, &[u64]); 8] = [
        ("followers first", plain, three(), &[2, 3, 1]),
        (
            "most applied first",
            Config::default(),
            change(3, |s| s.raft_applied_index = 101),
            &[3, 2, 1],
        ),
        (
            "leader last though ahead",
            Config::default(),
            change(1, |s| s.raft_applied_index = 999),
            &[2, 3, 1],
        ),
        ("preferred first", prefer(1), three(), &[1, 2, 3]),
        (
            "cut off last, though preferred",
            prefer(2),
            change(2, |s| s.leader = 0),
            &[3, 1, 2],
        ),
        (
            "learner never",
            Config::default(),
            change(2, |s| s.learner = true),
            &[3, 1],
        ),
        (
            "learner last where allowed",
            learners(),
            change(2, |s| s.learner = true),
            &[3, 1, 2],
        ),
        ("survivor", Config::default(), only(&[3]), &[3]),
    ];
    for (what, config, survey, expected) in table {
        assert_eq!(order(&config, &survey), expected, "{what}");
    }
}

#[test]
fn silent_endpoint_is_noted_and_harms_nothing() {
    let plan = planned(&only(&[1, 2]));
    assert!(!plan.degraded);
    assert_eq!(
        codes(&plan.findings),
        [(Level::Note, "endpoint-unreachable")]
    );
    assert_eq!(
        plan.findings[0].message,
        "an endpoint was passed over: https://m3:2379: refused"
    );
}

#[test]
fn an_endpoint_that_refuses_is_no_silence() {
    let mut survey = only(&[1, 2]);
    survey.silences[0].error = Error::denied("unauthenticated", "the log-in is refused");
    let plan = planned(&survey);
    assert_eq!(
        codes(&plan.findings),
        [(Level::Warning, "endpoint-refused")]
    );
    assert_eq!(
        plan.findings[0].message,
        "an endpoint was passed over: https://m3:2379: the log-in is refused"
    );
}

#[test]
fn survivor_without_quorum_is_degraded_and_names_the_missing() {
    let plan = planned(&only(&[3]));
    assert!(plan.degraded);
    let last = plan.findings.last().unwrap();
    assert_eq!(
        (last.level, last.code.as_str()),
        (Level::Warning, "quorum-lost")
    );
    assert_eq!(
        last.message,
        "the cluster has no quorum, so the snapshot may lack the newest writes: bring back m1 (1), m2 (2)"
    );
}

#[test]
fn leaderless_members_are_degraded_even_when_all_answer() {
    let mut survey = three();
    survey
        .views
        .iter_mut()
        .for_each(|view| view.status.leader = 0);
    let plan = planned(&survey);
    assert!(plan.degraded);
    assert!(
        plan.findings[0]
            .message
            .starts_with("the cluster has no leader")
    );
}

#[test]
fn members_without_an_endpoint_do_not_cost_quorum() {
    let mut survey = three();
    survey.views.truncate(1);
    assert!(!planned(&survey).degraded);
}

#[test]
fn learners_do_not_count_for_quorum() {
    let mut survey = only(&[1, 2]);
    survey.members = Some(vec![member(1, false), member(2, true), member(3, false)]);
    assert!(planned(&survey).degraded);
}

#[test]
fn unknown_members_are_degraded() {
    let mut survey = three();
    survey.members = None;
    survey.members_error = Some(Error::transient("timeout", "too slow"));
    let plan = planned(&survey);
    assert!(plan.degraded);
    assert_eq!(codes(&plan.findings), [(Level::Warning, "members-unknown")]);
}

#[test]
fn nospace_warns_and_goes_on() {
    let mut survey = three();
    survey.views[1].status.alarms = vec![raised(Alarm::Nospace)];
    let plan = planned(&survey);
    assert_eq!(codes(&plan.findings), [(Level::Warning, "nospace")]);
    assert_eq!(plan.candidates.len(), 3);
    assert!(!plan.degraded);
}

#[test]
fn unknown_alarm_warns() {
    let mut survey = three();
    survey.views[0].status.alarms = vec![raised(Alarm::Other)];
    assert_eq!(
        codes(&planned(&survey).findings),
        [(Level::Warning, "alarm-unknown")]
    );
}

#[test]
fn corrupt_is_refused_whoever_says_so() {
    let mut survey = only(&[1, 3]);
    survey.views[1].status.alarms = vec![raised(Alarm::Nospace), raised(Alarm::Corrupt)];
    let error = refused(&Config::default(), &survey);
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "corrupt")
    );
    assert!(error.message.contains("https://m3:2379"));
}

#[test]
fn endpoints_of_two_clusters_are_refused() {
    let mut survey = three();
    survey.views[2].status.cluster_id = 0xd;
    let error = refused(&Config::default(), &survey);
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Permanent, "cluster-mismatch")
    );
    assert_eq!(
        error.details[2],
        ("https://m3:2379".into(), "cluster d".into())
    );
}

#[test]
fn all_down_is_transient_and_lists_each() {
    let error = refused(&Config::default(), &only(&[]));
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "unreachable")
    );
    assert_eq!(
        error.message,
        "none of the etcd endpoints answers: https://m1:2379: refused; https://m2:2379: refused; https://m3:2379: refused"
    );
    assert_eq!(error.details.len(), 3);
}

/// Whoever answers, and a node that cannot ask, is never told as nobody there.
#[test]
fn what_was_refused_for_now_is_no_silence() {
    for (code, why) in [
        (
            "refused",
            "the member answers `etcdserver: too many requests`",
        ),
        ("no-leader", "the cluster has no leader"),
        ("no-handles", "this node can open no more connections"),
    ] {
        let mut survey = Survey::default();
        survey.add("a", Err(Error::transient(code, why)));
        survey.add("b", Err(Error::transient("unreachable", "nobody there")));
        let error = refused(&Config::default(), &survey);
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Transient, "refused")
        );
        assert!(
            error
                .message
                .starts_with("none of the etcd endpoints can be used"),
            "{}",
            error.message
        );
        let finding = passed_over(&survey.silences[0]);
        assert_eq!(
            (finding.level, finding.code.as_str()),
            (Level::Note, "endpoint-refused")
        );
    }
}

#[test]
fn what_all_endpoints_share_is_said_once() {
    let mut survey = Survey::default();
    let down = |endpoint: &str| {
        Error::transient(
            "unreachable",
            format!("cannot ask {endpoint}: nobody there"),
        )
        .with_detail("why", "nobody there")
    };
    survey.add("a", Err(down("a")));
    assert_eq!(
        refused(&Config::default(), &survey).message,
        "cannot ask a: nobody there"
    );
    survey.add("b", Err(down("b")));
    assert_eq!(
        refused(&Config::default(), &survey).message,
        "none of the etcd endpoints answers (a, b): nobody there"
    );
    survey.add(
        "c",
        Err(Error::transient("timeout", "cannot ask c: silence")),
    );
    assert_eq!(
        refused(&Config::default(), &survey).message,
        "none of the etcd endpoints answers: cannot ask a: nobody there; cannot ask b: nobody there; cannot ask c: silence"
    );
}

#[test]
fn denial_everywhere_stays_a_denial() {
    let mut survey = Survey::default();
    survey.add("a", Err(Error::denied("not-granted", "add a line")));
    let error = refused(&Config::default(), &survey);
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Denied, "not-granted")
    );
    survey.add("b", Err(Error::transient("timeout", "slow")));
    let error = refused(&Config::default(), &survey);
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Transient, "refused")
    );
    assert_eq!(
        error.message,
        "none of the etcd endpoints can be used: add a line; b: slow"
    );
}

#[test]
fn mistakes_of_the_configuration_are_named() {
    let config = Config {
        endpoint: Some("https://elsewhere:1".into()),
        ..Config::default()
    };
    for (config, survey) in [(config, three()), (Config::default(), Survey::default())] {
        assert_eq!(refused(&config, &survey).code, "bad-configuration");
    }
}

#[test]
fn learners_alone_are_refused() {
    let mut survey = three();
    survey
        .views
        .iter_mut()
        .for_each(|view| view.status.learner = true);
    assert_eq!(refused(&Config::default(), &survey).code, "only-learners");
}

#[test]
fn another_member_is_asked_only_where_that_can_help() {
    for (error, expected) in [
        (Error::transient("stream-broken", ""), false),
        (Error::permanent("corrupt", ""), false),
        (Error::transient("no-space", ""), true),
        (Error::permanent("read-only", ""), true),
        (Error::denied("not-granted", ""), true),
        (Error::cancelled(), true),
    ] {
        assert_eq!(is_final(&error), expected, "{}", error.code);
    }
}

#[test]
fn failed_members_are_reported() {
    let broken = (
        "http://a".to_owned(),
        Error::transient("stream-broken", "cut"),
    );
    let damaged = (
        "http://b".to_owned(),
        Error::permanent("corrupt", "bad page"),
    );
    assert_eq!(gone_on(&broken).level, Level::Note);
    assert_eq!(gone_on(&damaged).level, Level::Warning);
    let error = nobody_delivered(&[damaged, broken]);
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(
        error.message,
        "no member delivered a whole snapshot: http://b: bad page; http://a: cut"
    );
}

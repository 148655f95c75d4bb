//! What changes a cluster, through an action and a real cluster: granted it is done, not
//! granted and while looking it is refused, and what is not known is told as not known.

use std::time::Duration;

use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig, MemberStatus};
use drydock_core::{Certainty, ErrorClass, Fault, Grants};
use drydock_sandbox::{Admission, Limits, Plugin, StepCall, read_manifest};
use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::proxy::Proxy;
use drydock_testkit::wait_until;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{admit, admit_limited, built, call, sandbox};

/// Far longer than anything here takes, even on a busy machine.
const SETTLING_MAX: Duration = Duration::from_secs(60);

const WRITES: [EtcdCall; 8] = [
    EtcdCall::Defragment,
    EtcdCall::Compact,
    EtcdCall::AlarmDisarm,
    EtcdCall::MoveLeader,
    EtcdCall::MemberAddLearner,
    EtcdCall::MemberPromote,
    EtcdCall::MemberRemove,
    EtcdCall::ProbePut,
];

fn grants() -> Grants {
    Grants::default().with(EtcdCall::ALL)
}

fn writer() -> std::sync::Arc<Plugin> {
    admit(&sandbox(), "etcd-writer", &grants())
}

/// Everything that a step's cluster can be asked; the sandbox narrows it to the grants.
fn access(endpoints: Vec<String>) -> EtcdAccess {
    let config = EtcdConfig {
        endpoints,
        ..EtcdConfig::default()
    };
    EtcdAccess::new(config, EtcdCall::ALL.to_vec())
}

fn step(access: &EtcdAccess, config: &Value) -> StepCall {
    StepCall {
        etcd: Some(access.clone()),
        ..call(&config.to_string())
    }
}

async fn done(access: &EtcdAccess, config: Value) -> Result<String, Fault> {
    let ran = writer().run_action(step(access, &config), None).await;
    Ok(ran.result?.findings.remove(0).message)
}

async fn three_members() -> Cluster {
    let options = EtcdOptions {
        members: 3,
        ..EtcdOptions::default()
    };
    Cluster::start(options).await.unwrap()
}

/// A call of each kind that would change the cluster, which is led by its member `leader`.
async fn every_write(
    cluster: &Cluster,
    access: &EtcdAccess,
    leader: usize,
) -> Vec<(EtcdCall, Value)> {
    let endpoint = cluster.member(leader).client_url();
    let other = cluster.member((leader + 1) % 3).client_url();
    let member = access.status(other).await.unwrap().member_id;
    let config = |call| match call {
        EtcdCall::Defragment => json!({"do": "defragment", "endpoint": endpoint}),
        EtcdCall::Compact => {
            json!({"do": "compact", "endpoint": endpoint, "revision": 2, "physical": true})
        }
        EtcdCall::AlarmDisarm => {
            json!({"do": "alarm-disarm", "endpoint": endpoint, "member": member, "alarm": "nospace"})
        }
        EtcdCall::MoveLeader => json!({"do": "move-leader", "endpoint": endpoint, "to": member}),
        EtcdCall::MemberAddLearner => {
            json!({"do": "member-add-learner", "endpoint": endpoint, "urls": ["http://127.0.0.1:1"]})
        }
        EtcdCall::MemberPromote => {
            json!({"do": "member-promote", "endpoint": endpoint, "member": member})
        }
        EtcdCall::MemberRemove => {
            json!({"do": "member-remove", "endpoint": endpoint, "member": member})
        }
        _ => json!({"do": "probe-put", "endpoint": endpoint}),
    };
    WRITES.map(|call| (call, config(call))).to_vec()
}

/// What a change of the cluster would change.
fn figures(status: &MemberStatus) -> (u64, u64, u64, i64) {
    (
        status.leader,
        status.raft_term,
        status.db_size,
        status.revision,
    )
}

/// etcd itself refused it.
#[track_caller]
fn assert_certain(fault: &Fault, code: &str) {
    assert_eq!(
        (fault.code.as_str(), fault.certainty),
        (code, Certainty::NotDone)
    );
}

#[tokio::test]
async fn what_is_granted_changes_the_cluster_and_looking_changes_nothing() {
    let cluster = three_members().await;
    cluster.put("a", "b").await.unwrap();
    cluster.put("a", "c").await.unwrap();
    let access = access(cluster.endpoints());
    let leader = cluster.leader().await.unwrap();
    let endpoint = cluster.member(leader).client_url().to_owned();
    let before = access.status(&endpoint).await.unwrap();
    let members = access.member_list(&endpoint).await.unwrap();
    let writes = every_write(&cluster, &access, leader).await;

    let plugin = writer();
    for (call, config) in &writes {
        let looked = plugin.plan_action(step(&access, config)).await;
        assert_refused(*call, &looked.result.unwrap_err());
    }
    let health = json!({"do": "health", "endpoint": endpoint});
    let looked = plugin.plan_action(step(&access, &health)).await;
    assert_eq!(looked.result.unwrap(), ["done"]);
    let after = access.status(&endpoint).await.unwrap();
    assert_eq!(figures(&after), figures(&before));
    assert_eq!(access.member_list(&endpoint).await.unwrap(), members);

    let call_of = |wanted| {
        let mut writes = writes.iter();
        let (_, config) = writes.find(|(call, _)| *call == wanted).unwrap();
        config.clone()
    };
    for wanted in [
        EtcdCall::Compact,
        EtcdCall::Defragment,
        EtcdCall::ProbePut,
        EtcdCall::AlarmDisarm,
    ] {
        let done = done(&access, call_of(wanted)).await;
        assert_eq!(done.unwrap(), "done", "{wanted:?}");
    }
    let compacted = cluster.etcdctl(&["get", "a", "--rev=1"]).unwrap_err();
    assert!(
        format!("{compacted:#}").contains("compacted"),
        "{compacted:#}"
    );

    let other = done(&access, call_of(EtcdCall::MemberPromote)).await;
    assert_certain(&other.unwrap_err(), "not-a-learner");
    // A member counts as connected some seconds after the start.
    wait_until("the cluster may change", SETTLING_MAX, async || {
        done(&access, call_of(EtcdCall::MemberAddLearner))
            .await
            .is_ok()
    })
    .await
    .unwrap();
    let now = access.member_list(&endpoint).await.unwrap();
    assert!(now.len() == 4 && now.iter().any(|member| member.learner));

    done(&access, call_of(EtcdCall::MoveLeader)).await.unwrap();
    let moved = access.status(&endpoint).await.unwrap().leader;
    assert_ne!(moved, before.leader);
    let again = done(&access, call_of(EtcdCall::MoveLeader)).await;
    assert_certain(&again.unwrap_err(), "not-leader");
    done(&access, call_of(EtcdCall::MemberRemove))
        .await
        .unwrap();
    let now = access.member_list(&endpoint).await.unwrap();
    assert!(now.iter().all(|member| member.id != moved), "{now:?}");
}

#[track_caller]
fn assert_refused(call: EtcdCall, fault: &Fault) {
    assert_eq!(
        (fault.class, fault.code.as_str(), fault.certainty),
        (ErrorClass::Denied, "not-granted", Certainty::NotDone),
        "{call:?}: {fault:?}"
    );
    let line = format!("add `{}` under `grants:`", call.power().line);
    assert!(fault.message.contains(&line), "{}", fault.message);
}

#[tokio::test]
async fn each_needs_a_grant_of_its_own() {
    let component = built("etcd-writer");
    let requests = read_manifest(&component).unwrap().requests;
    assert_eq!(requests.len(), WRITES.len() + 1);
    for request in requests {
        let others = EtcdCall::ALL.into_iter();
        let others = others.filter(|call| call.power() != *request.power());
        let error = sandbox().admit(Admission {
            component: &component,
            builtin: None,
            grants: Some(&Grants::default().with(others)),
            ceiling: None,
            limits: None,
        });
        let text = error.unwrap_err().to_string();
        let line = format!("add `{}` under `grants:`", request.grant_line());
        assert!(text.contains(&line), "{text}");
    }
    // The second fence: whatever was linked, an access that lacks the call refuses it.
    let nowhere = "http://127.0.0.1:1";
    let all = access(vec![nowhere.to_owned()]);
    let config = json!({"do": "defragment", "endpoint": nowhere});
    let lacking = done(&all.narrowed(&[EtcdCall::Compact]), config.clone()).await;
    assert_refused(EtcdCall::Defragment, &lacking.unwrap_err());
    let nobody = done(&all, config).await.unwrap_err();
    assert_eq!(
        (nobody.code.as_str(), nobody.certainty),
        ("unreachable", Certainty::NotDone)
    );
}

/// Of three members the leader alone still runs: what has to be agreed on waits in it.
async fn leader_alone() -> (Cluster, usize) {
    let cluster = three_members().await;
    cluster.put("a", "b").await.unwrap();
    let leader = cluster.leader().await.unwrap();
    for other in [leader + 1, leader + 2] {
        cluster.member(other % 3).kill();
    }
    (cluster, leader)
}

async fn until_pending(cluster: &Cluster, member: usize) {
    let is_pending = async || {
        let member = cluster.member(member);
        member.has_metric("etcd_server_proposals_pending 1").await
    };
    wait_until("the member has it", SETTLING_MAX, is_pending)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_cut_off_may_have_been_done() {
    let (cluster, leader) = leader_alone().await;
    let proxy = Proxy::before(cluster.member(leader).client_url())
        .await
        .unwrap();
    let endpoint = proxy.url("http");
    let access = access(vec![endpoint.clone()]);
    let config = json!({"do": "compact", "endpoint": endpoint, "revision": 1, "physical": false});
    let cut = async {
        until_pending(&cluster, leader).await;
        drop(proxy);
    };
    let (cut_off, ()) = tokio::join!(done(&access, config), cut);
    let fault = cut_off.unwrap_err();
    assert_eq!(
        (fault.code.as_str(), fault.certainty),
        ("unreachable", Certainty::Unknown)
    );
    assert!(fault.message.contains("was cut"), "{}", fault.message);
}

#[tokio::test]
async fn a_run_that_stops_does_not_wait_for_a_member() {
    let (cluster, leader) = leader_alone().await;
    let endpoint = cluster.member(leader).client_url().to_owned();
    let limits = Limits {
        stop_grace_max: Duration::from_secs(2),
        ..Limits::default()
    };
    let plugin = admit_limited(&sandbox(), "etcd-writer", &limits);
    let (ask, stop) = watch::channel(None);
    let config = json!({"do": "compact", "endpoint": endpoint, "revision": 1, "physical": false});
    let context = StepCall {
        stop,
        ..step(&access(vec![endpoint]), &config)
    };
    let stopping = async {
        until_pending(&cluster, leader).await;
        ask.send_replace(Some(crate::stopping::reason()));
    };
    let (stopped, ()) = tokio::join!(plugin.run_action(context, None), stopping);
    let fault = stopped.result.unwrap_err();
    assert_eq!(
        (fault.class, fault.certainty),
        (ErrorClass::Cancelled, Certainty::Unknown)
    );
    assert!(
        fault
            .message
            .contains("had not answered 1 s later, and may do what it was asked"),
        "{}",
        fault.message
    );
}

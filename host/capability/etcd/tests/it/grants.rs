//! What was not granted is refused, before anything is sent.

use drydock_capability_etcd::{Alarm, EtcdAccess, EtcdCall, EtcdConfig};
use drydock_core::{Certainty, ErrorClass, Fault};

use crate::{ALL, access, config, shared};

/// Calls what `call` stands for.
async fn call(access: &EtcdAccess, call: EtcdCall, endpoint: &str) -> Result<(), Fault> {
    match call {
        EtcdCall::MemberList => access.member_list(endpoint).await.map(drop),
        EtcdCall::Status => access.status(endpoint).await.map(drop),
        EtcdCall::Snapshot => access.snapshot(endpoint).await.map(drop),
        EtcdCall::HashKv => access.hash_kv(endpoint, 0).await.map(drop),
        EtcdCall::Health => access.health(endpoint).await,
        EtcdCall::Defragment => access.defragment(endpoint).await,
        EtcdCall::Compact => access.compact(endpoint, 1, false).await,
        EtcdCall::AlarmDisarm => access.alarm_disarm(endpoint, 1, Alarm::NoSpace).await,
        EtcdCall::MoveLeader => access.move_leader(endpoint, 1).await,
        EtcdCall::MemberAddLearner => {
            let urls = ["http://127.0.0.1:1".to_owned()];
            access.member_add_learner(endpoint, &urls).await.map(drop)
        }
        EtcdCall::MemberPromote => access.member_promote(endpoint, 1).await,
        EtcdCall::MemberRemove => access.member_remove(endpoint, 1).await,
        EtcdCall::ProbePut => access.probe_put(endpoint).await,
    }
}

#[tokio::test]
async fn each_call_needs_its_own_grant() {
    let cluster = shared().await;
    let endpoint = &cluster.endpoints()[0];
    for granted in ALL {
        let access = EtcdAccess::new(config(cluster), vec![granted]);
        for asked in ALL {
            if asked == granted && asked.writes() {
                // Nobody changes the shared cluster.
                continue;
            }
            let result = call(&access, asked, endpoint).await;
            if asked == granted {
                result.unwrap();
                continue;
            }
            let fault = result.unwrap_err();
            assert_eq!(
                (fault.class, fault.code.as_str()),
                (ErrorClass::Denied, "not-granted")
            );
            let line = format!("add `{}` under `grants:`", asked.power().line);
            assert!(fault.message.contains(&line), "{}", fault.message);
            assert!(!asked.writes() || fault.certainty == Certainty::NotDone);
        }
    }
}

#[tokio::test]
async fn another_endpoint_is_refused_even_if_it_is_a_member() {
    let cluster = shared().await;
    let mut narrow = config(cluster);
    let others = narrow.endpoints.split_off(1);
    let access = access(narrow);
    for asked in ALL {
        let fault = call(&access, asked, &others[0]).await.unwrap_err();
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "unknown-endpoint")
        );
        assert!(
            fault.message.contains("endpoints: [...]"),
            "{}",
            fault.message
        );
    }
}

#[tokio::test]
async fn narrowing_never_widens() {
    let nowhere = EtcdConfig {
        endpoints: vec!["http://127.0.0.1:1".to_owned()],
        ..EtcdConfig::default()
    };
    let access = EtcdAccess::new(nowhere, vec![EtcdCall::Status]);
    let narrowed = access.narrowed(&[EtcdCall::Snapshot]);
    for asked in ALL {
        let fault = call(&narrowed, asked, "http://127.0.0.1:1")
            .await
            .unwrap_err();
        assert_eq!(fault.code.as_str(), "not-granted");
    }
}

//! What was not granted is refused, before anything is sent.

use drydock_capability_etcd::{EtcdAccess, EtcdCall, EtcdConfig};
use drydock_core::{ErrorClass, Fault};

use crate::{ALL, access, config, shared};

/// Calls what `call` stands for.
async fn call(access: &EtcdAccess, call: EtcdCall, endpoint: &str) -> Result<(), Fault> {
    match call {
        EtcdCall::MemberList => access.member_list(endpoint).await.map(drop),
        EtcdCall::Status => access.status(endpoint).await.map(drop),
        EtcdCall::Snapshot => access.snapshot(endpoint).await.map(drop),
        EtcdCall::HashKv => access.hash_kv(endpoint, 0).await.map(drop),
    }
}

#[tokio::test]
async fn each_call_needs_its_own_grant() {
    let cluster = shared().await;
    let endpoint = &cluster.endpoints()[0];
    for granted in ALL {
        let access = EtcdAccess::new(config(cluster), vec![granted]);
        for asked in ALL {
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
            assert!(fault.message.contains("add `etcd: ["), "{}", fault.message);
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

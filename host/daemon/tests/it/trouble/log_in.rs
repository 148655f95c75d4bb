//! Clusters that ask who is there.

use std::sync::{Arc, OnceLock};

use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};

use super::{assert_nothing_stored, ends, hide_endpoints, impatient};
use crate::bad_input::Case;
use crate::world::{World, new_cluster};

const ROOT_PASSWORD: &str = "correct-horse-battery";
const WRONG_PASSWORD: &str = "wrong-staple-battery";
const READER_PASSWORD: &str = "reader-horse-battery";

/// One member that wants a log-in, with the user `reader` beside `root`.
fn cluster() -> Arc<Cluster> {
    static CLUSTER: OnceLock<Arc<Cluster>> = OnceLock::new();
    let start = || {
        let options = EtcdOptions {
            auth: Some(Auth {
                root_password: ROOT_PASSWORD.to_owned(),
            }),
            ..EtcdOptions::default()
        };
        let cluster = new_cluster(options, 20);
        let reader = format!("reader:{READER_PASSWORD}");
        for words in [
            &["user", "add", reader.as_str()][..],
            &["role", "add", "reading"],
            &[
                "role",
                "grant-permission",
                "reading",
                "read",
                "--prefix=true",
                "",
            ],
            &["user", "grant-role", "reader", "reading"],
        ] {
            cluster.etcdctl(words).unwrap();
        }
        Arc::new(cluster)
    };
    Arc::clone(CLUSTER.get_or_init(start))
}

fn case(name: &'static str, log_in: Option<(&str, &str)>) -> Case {
    let cluster = cluster();
    let mut case = impatient(name, World::of(Arc::clone(&cluster)));
    hide_endpoints(&mut case, &cluster);
    if let Some((user, password)) = log_in {
        case.env("ETCD_PASSWORD", password);
        case.edit(
            "schedules/cluster.yaml",
            "  etcd:\n",
            &format!(
                "  etcd:\n    username: {user}\n    password: {{valueFrom: {{env: ETCD_PASSWORD}}}}\n"
            ),
        );
    }
    case
}

fn fails(case: &Case) {
    ends(case, 1);
    assert_nothing_stored(case);
}

#[test]
fn nobody_logs_in() {
    fails(&case("log-in-missing", None));
}

#[test]
fn a_wrong_password() {
    fails(&case("password-wrong", Some(("root", WRONG_PASSWORD))));
}

#[test]
fn a_user_who_may_not_take_a_snapshot() {
    fails(&case(
        "user-without-the-role",
        Some(("reader", READER_PASSWORD)),
    ));
}

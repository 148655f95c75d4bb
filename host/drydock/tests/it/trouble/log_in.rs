//! Clusters that ask who is there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};
use etcd_client::Client;
use serde_json::Value;

use super::stream::{SOON, behind_proxy, started_and_held};
use super::{assert_nothing_stored, ends, hide_endpoints, impatient};
use crate::bad_input::Case;
use crate::world::{Answer, World, new_cluster, runtime};

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
    let world = World::of(Arc::clone(&cluster));
    let mut case = match log_in {
        Some(log_in) => logged_in(name, world, log_in),
        None => impatient(name, world),
    };
    hide_endpoints(&mut case, &cluster);
    case
}

/// A node that logs in as this user.
fn logged_in(name: &'static str, world: World, (user, password): (&str, &str)) -> Case {
    let mut case = impatient(name, world);
    case.env("ETCD_PASSWORD", password);
    case.edit(
        "schedules/cluster.yaml",
        "  etcd:\n",
        &format!(
            "  etcd:\n    username: {user}\n    password: {{valueFrom: {{env: ETCD_PASSWORD}}}}\n"
        ),
    );
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

/// Fast enough that a token runs out while a stream is held.
const TOKEN_LIFE: Duration = Duration::from_secs(2);

/// Waits until a log-in that is younger than those of the run counts no more. Asking with
/// one makes it live longer, so the pause before the next look is longer than a token lives.
async fn wait_until_tokens_ran_out(mut witness: Client) {
    let mut pauses = tokio::time::interval(2 * TOKEN_LIFE);
    let ran_out = async || {
        pauses.tick().await;
        let asked = witness.get("/any", None).await;
        asked.is_err_and(|error| error.to_string().contains("invalid auth token"))
    };
    drydock_testkit::wait_until("tokens ran out", SOON, ran_out)
        .await
        .unwrap();
}

/// The log-in runs out while the snapshot streams: what comes behind it logs in anew, and
/// the member is compared.
#[test]
fn a_token_that_runs_out_midway() {
    let options = EtcdOptions {
        auth: Some(Auth {
            root_password: ROOT_PASSWORD.to_owned(),
        }),
        arguments: vec![format!("--auth-token-ttl={}", TOKEN_LIFE.as_secs())],
        ..EtcdOptions::default()
    };
    let cluster = Arc::new(new_cluster(options, 600));
    let (world, proxy) = behind_proxy(&cluster);
    let case = logged_in("token-runs-out", world, ("root", ROOT_PASSWORD));
    let mut command = case.command(&["run", "s1", "--output", "json"]);
    command.env("ETCD_PASSWORD", ROOT_PASSWORD);
    let child = started_and_held(command, &proxy);
    runtime().block_on(async {
        wait_until_tokens_ran_out(cluster.client().await.unwrap()).await;
    });
    proxy.release();
    let answer = Answer::of(child.wait_with_output().unwrap()).ok();
    let runs: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(runs[0]["outcome"], "Succeeded", "{runs:#}");
    let id = runs[0]["run"].as_str().unwrap();
    let shown = case.world.drydock(&["run", "show", id, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.ok().stdout).unwrap();
    let snapshot = &shown["run"]["outputs"][0]["nature"]["snapshot"]["sound"];
    let member = &snapshot["cluster"]["members"][0];
    assert_eq!(member["reachable"], true, "{snapshot:#}");
    assert_eq!(
        member["hash"]["hashKv"], member["comparison"]["expected"],
        "{snapshot:#}"
    );
}

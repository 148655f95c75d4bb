//! Log-ins that stop counting while they are in use, in every way that etcd has.

use drydock_capability_etcd::{EtcdAccess, EtcdConfig, is_silence};
use drydock_core::ErrorClass;
use drydock_testkit::Scratch;
use drydock_testkit::etcd::{Auth, Cluster, EtcdOptions};

use crate::{access, config};

const ROOT: &str = "correct-horse";
const BACKUP: &str = "backup-horse";

/// A cluster with the user `backup` of the role root beside root itself.
async fn cluster(arguments: &[String]) -> Cluster {
    let options = EtcdOptions {
        auth: Some(Auth {
            root_password: ROOT.to_owned(),
        }),
        arguments: arguments.to_vec(),
        ..EtcdOptions::default()
    };
    let cluster = Cluster::start(options).await.unwrap();
    add_user(&cluster);
    cluster
}

fn add_user(cluster: &Cluster) {
    etcdctl(cluster, &["user", "add", &format!("backup:{BACKUP}")]);
    etcdctl(cluster, &["user", "grant-role", "backup", "root"]);
}

fn etcdctl(cluster: &Cluster, words: &[&str]) {
    cluster.etcdctl(words).unwrap();
}

/// Setting a password revokes all tokens of the user.
fn set_password(cluster: &Cluster, password: &str) {
    let mut command = std::process::Command::new(cluster.programs().join("etcdctl"));
    command
        .args(["--endpoints", &cluster.endpoints()[0]])
        .env("ETCDCTL_USER", format!("root:{ROOT}"))
        .args(["user", "passwd", "--interactive=false", "backup"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, format!("{password}\n").as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

fn backup_user(cluster: &Cluster) -> EtcdAccess {
    access(EtcdConfig {
        username: Some("backup".to_owned()),
        password: Some(BACKUP.to_owned()),
        ..config(cluster)
    })
}

/// Every call there is.
async fn all_calls(access: &EtcdAccess) -> Result<(), drydock_core::Fault> {
    let endpoint = access.endpoints()[0].clone();
    access.status(&endpoint).await?;
    access.member_list(&endpoint).await?;
    access.hash_kv(&endpoint, 0).await?;
    access.count(&endpoint, "", 0).await?;
    let mut stream = access.snapshot(&endpoint).await?;
    while stream.next().await?.is_some() {}
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_is_taken_anew_by_each_call() {
    let cluster = cluster(&[]).await;
    let access = backup_user(&cluster);
    let endpoint = access.endpoints()[0].clone();
    all_calls(&access).await.unwrap();
    set_password(&cluster, BACKUP);
    access.status(&endpoint).await.unwrap();
    set_password(&cluster, BACKUP);
    access.member_list(&endpoint).await.unwrap();
    set_password(&cluster, BACKUP);
    access.hash_kv(&endpoint, 0).await.unwrap();
    set_password(&cluster, BACKUP);
    access.count(&endpoint, "", 0).await.unwrap();
    set_password(&cluster, BACKUP);
    let mut stream = access.snapshot(&endpoint).await.unwrap();
    while stream.next().await.unwrap().is_some() {}
}

#[tokio::test]
async fn a_password_or_a_user_that_is_gone_is_a_refusal() {
    let cluster = cluster(&[]).await;
    let access = backup_user(&cluster);
    all_calls(&access).await.unwrap();
    set_password(&cluster, "another-horse");
    let refused = all_calls(&access).await.unwrap_err();
    assert_eq!(
        (refused.class, refused.code.as_str()),
        (ErrorClass::Denied, "unauthenticated")
    );
    assert!(!is_silence(&refused));
    set_password(&cluster, BACKUP);
    all_calls(&access).await.unwrap();
    etcdctl(&cluster, &["user", "delete", "backup"]);
    let refused = all_calls(&access).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "unauthenticated", "{refused:?}");
    assert!(refused.message.contains("correct `username:`"), "{refused}");
    add_user(&cluster);
    all_calls(&access).await.unwrap();
    // A user who may do less is told from one who is not known.
    etcdctl(&cluster, &["user", "revoke-role", "backup", "root"]);
    let refused = all_calls(&access).await.unwrap_err();
    assert_eq!(refused.code.as_str(), "permission-denied", "{refused:?}");
    assert!(!is_silence(&refused));
}

#[tokio::test]
async fn log_ins_that_are_switched_off_and_on_again() {
    let cluster = cluster(&[]).await;
    let before = backup_user(&cluster);
    all_calls(&before).await.unwrap();
    etcdctl(&cluster, &["auth", "disable"]);
    all_calls(&before).await.unwrap();
    // A new process finds no log-in there, and needs none.
    let meanwhile = backup_user(&cluster);
    all_calls(&meanwhile).await.unwrap();
    etcdctl(&cluster, &["auth", "enable"]);
    all_calls(&before).await.unwrap();
    all_calls(&meanwhile).await.unwrap();
}

/// A token that says which state of users and roles it is of, and that cannot be revoked.
#[tokio::test]
async fn a_token_of_an_older_state_of_users_is_taken_anew() {
    let scratch = Scratch::new().unwrap();
    let key = scratch.join("token.key");
    std::fs::write(&key, "a key of tokens that nobody else has").unwrap();
    let tokens = format!(
        "--auth-token=jwt,sign-method=HS256,priv-key={},ttl=10m",
        key.display()
    );
    let cluster = cluster(&[tokens]).await;
    let access = backup_user(&cluster);
    all_calls(&access).await.unwrap();
    etcdctl(&cluster, &["user", "add", "somebody:else"]);
    all_calls(&access).await.unwrap();
}

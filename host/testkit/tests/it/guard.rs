use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::wait_until;

/// Set for the process that plays the one that dies.
const VICTIM: &str = "DRYDOCK_TESTKIT_VICTIM";

/// Not a test of its own: run by the next one in a process that is then killed.
#[test]
fn victim() {
    #[expect(clippy::disallowed_methods, reason = "tells the victim from the test")]
    if std::env::var_os(VICTIM).is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime
        .block_on(Cluster::start(EtcdOptions::default()))
        .unwrap();
    let process = cluster.member(0).process_id().unwrap();
    println!("\nvictim {process} {}", cluster.folder().display());
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[tokio::test]
async fn servers_and_folders_go_with_a_process_that_is_killed() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["guard::victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    let line = output
        .lines()
        .map(Result::unwrap)
        .find(|line| line.starts_with("victim "))
        .unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let process = PathBuf::from(format!("/proc/{}", words[1]));
    let folder = PathBuf::from(words[2]);
    assert!(process.exists() && folder.exists());

    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(
        "etcd and its folder are gone",
        Duration::from_secs(20),
        async || !process.exists() && !folder.exists(),
    )
    .await
    .unwrap();
}

//! `drydock init` for each service that keeps recovery points, on a real server of it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::fake_gcs::FakeGcs;
use drydock_testkit::versitygw::{REGION, ROOT, Versitygw};

use super::node::{Node, answer};
use super::terminal::Terminal;
use crate::world::{Answer, DRYDOCK, files_under, runtime, shared_cluster};

/// A node, and the variables that whoever works on it has set.
struct Prepared {
    node: Node,
    variables: Vec<(&'static str, &'static str)>,
}

impl Prepared {
    fn new(ca_pem: &str, variables: &[(&'static str, &'static str)]) -> Self {
        let node = Node::kubeadm(&shared_cluster());
        node.put("ca.pem", ca_pem);
        Self {
            node,
            variables: variables.to_vec(),
        }
    }

    fn command(&self, flags: &[&str]) -> Command {
        let endpoints = shared_cluster().endpoints().join(",");
        let mut command = self.node.init(&[
            "--cluster",
            "production",
            "--no-files",
            "--endpoint",
            &endpoints,
            "--target-ca",
            &self.node.text("ca.pem"),
        ]);
        command.args(flags).envs(self.variables.iter().copied());
        command
    }

    fn init(&self, flags: &[&str]) -> Answer {
        let mut command = self.command(flags);
        let key = self.node.text("sealing.key");
        answer(command.args(["--yes", "--sealing-key-out", &key]))
    }

    fn drydock(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(DRYDOCK);
        command
            .args(["--config", &self.node.text("etc/drydock/drydock.yaml")])
            .args(arguments)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null());
        answer(&mut command)
    }

    fn backs_up(&self) {
        self.drydock(&["schedule", "check"]).ok();
        let ran = self.drydock(&["run", "backup", "--output", "json"]).ok();
        let runs: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let name = runs[0]["recoveryPoint"].as_str().unwrap();
        let key = self.node.text("sealing.key");
        self.drydock(&["recovery-point", "verify", name, "--identity", &key])
            .ok();
    }

    fn document(&self, name: &str) -> String {
        std::fs::read_to_string(self.node.path("etc/drydock").join(name)).unwrap()
    }
}

#[test]
fn a_bucket_of_s3_is_made_tried_and_backed_up_to() {
    let server = runtime().block_on(Versitygw::https()).unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", ROOT.id),
        ("AWS_SECRET_ACCESS_KEY", ROOT.secret),
        ("AWS_REGION", REGION),
    ];
    let prepared = Prepared::new(server.ca_pem().unwrap(), &variables);
    let flags = [
        "--target",
        "s3",
        "--bucket",
        "drydock-new",
        "--create",
        "--target-endpoint",
        &server.url(""),
    ];
    let made = prepared.init(&flags).ok();
    assert!(
        made.stderr
            .contains("The daemon needs AWS_SECRET_ACCESS_KEY too"),
        "{}",
        made.stderr
    );
    assert!(server.folder("drydock-new").is_dir());
    let target = prepared.document("schedules/target.yaml");
    let secret = "      secret: {valueFrom: {env: AWS_SECRET_ACCESS_KEY}}\n";
    assert!(target.contains(secret), "{target}");
    for text in [&target, &made.stdout, &made.stderr] {
        assert!(!text.contains(ROOT.secret), "{text}");
    }
    let grant = prepared.document("grants/store-s3.yaml");
    let rule = format!(
        "{{scheme: https, host: localhost, port: {}, addresses: [loopback]}}",
        server.port()
    );
    assert!(grant.contains(&rule), "{grant}");
    assert!(prepared.document("drydock.yaml").contains(&rule));
    prepared.backs_up();
}

#[test]
fn a_container_of_azure_is_made_tried_and_backed_up_to() {
    let server = runtime().block_on(Azurite::start()).unwrap();
    let prepared = Prepared::new(server.ca_pem(), &[]);
    prepared.node.put("account.key", ACCOUNT_KEY);
    let flags = [
        "--target",
        "azure",
        "--container",
        "drydock-new",
        "--create",
        "--target-endpoint",
        &server.url(&format!("/{ACCOUNT}")),
        "--account",
        ACCOUNT,
        "--target-identity",
        "accountKey",
        "--secret-file",
        &prepared.node.text("account.key"),
        "--prefix",
        "clusters/a",
    ];
    let made = prepared.init(&flags).ok();
    assert!(!made.stderr.contains("The daemon needs"), "{}", made.stderr);
    prepared.backs_up();
}

#[test]
fn a_bucket_of_google_is_tried_and_backed_up_to() {
    let server = runtime().block_on(FakeGcs::start(&["kept"])).unwrap();
    let prepared = Prepared::new(server.ca_pem(), &[]);
    let flags = [
        "--target",
        "gcs",
        "--bucket",
        "kept",
        "--target-endpoint",
        &server.url(""),
        // The emulator asks nobody who they are.
        "--target-identity",
        "none",
    ];
    prepared.init(&flags).ok();
    prepared.backs_up();
}

#[test]
fn questions_lead_to_a_container_and_never_ask_for_a_secret() {
    let server = runtime().block_on(Azurite::start()).unwrap();
    let variables = [("AZURE_STORAGE_ACCOUNT", ACCOUNT)];
    let prepared = Prepared::new(server.ca_pem(), &variables);
    prepared.node.put("account.key", ACCOUNT_KEY);
    let url = server.url(&format!("/{ACCOUNT}"));
    // The key's file, but nothing that says who the node is.
    let flags = ["--target", "azure", "--target-endpoint", &url, "--create"];
    let mut command = prepared.command(&flags);
    let key = prepared.node.text("sealing.key");
    command.args(["--node", "n1", "--sealing-key-out", &key]);
    // The terminal's program is started with arguments alone.
    let mut with_variables = Command::new("env");
    with_variables.args(variables.map(|(name, value)| format!("{name}={value}")));
    with_variables.arg(DRYDOCK).args(command.get_args());
    let mut terminal = Terminal::start(&with_variables);
    for question in ["Authority", "Client certificate", "Private key"] {
        terminal.expect(question).answer("");
    }
    terminal.expect("Name of the container").answer("asked-for");
    terminal
        .expect("Who this node is there: servicePrincipal, accountKey")
        .answer("accountKey");
    terminal
        .expect("the environment variable AZURE_STORAGE_ACCOUNT")
        .expect("Name of the storage account")
        .answer("");
    terminal.expect("Key of the account: env:VARIABLE");
    terminal
        .answer(ACCOUNT_KEY)
        .expect("must say where the secret is, not what it is");
    terminal.answer(&prepared.node.text("account.key"));
    terminal.expect("When to back up").answer("");
    terminal.expect("Time zone").answer("");
    terminal.expect("Write keys and documents to").answer("");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    prepared.backs_up();
}

#[test]
fn what_a_service_refuses_is_told_with_its_mend() {
    let server = runtime().block_on(Versitygw::https()).unwrap();
    let variables = [
        ("AWS_ACCESS_KEY_ID", ROOT.id),
        ("AWS_SECRET_ACCESS_KEY", "notTheSecretOfThisUser/0123456789"),
    ];
    let prepared = Prepared::new(server.ca_pem().unwrap(), &variables);
    let url = server.url("");
    let flags = [
        "--target",
        "s3",
        "--bucket",
        "plain",
        "--target-endpoint",
        &url,
    ];
    let tried = prepared.init(&flags).code(2);
    let warning = tried
        .stderr
        .lines()
        .find(|line| line.starts_with("warning: "));
    let warning = warning.unwrap();
    assert!(warning.starts_with("warning: target s3: "), "{warning}");
    assert!(
        tried
            .stderr
            .contains("Everything was written; mend what is warned of"),
        "{}",
        tried.stderr
    );
    assert!(!tried.stderr.contains("notTheSecret"), "{}", tried.stderr);

    // A bucket that is not there and may not be made.
    let prepared = Prepared::new(
        server.ca_pem().unwrap(),
        &[
            ("AWS_ACCESS_KEY_ID", ROOT.id),
            ("AWS_SECRET_ACCESS_KEY", ROOT.secret),
        ],
    );
    let flags = [
        "--target",
        "s3",
        "--bucket",
        "absent",
        "--target-endpoint",
        &url,
    ];
    let tried = prepared.init(&flags).code(2);
    assert!(tried.stderr.contains("`create: true`"), "{}", tried.stderr);
    assert!(!server.folder("absent").exists());
}

#[test]
fn a_secret_that_is_nowhere_stops_init_before_anything_is_written() {
    let prepared = Prepared::new("", &[]);
    std::fs::remove_file(prepared.node.path("ca.pem")).unwrap();
    let flags = [
        "--target",
        "azure",
        "--account",
        "abcdef",
        "--container",
        "c-1",
        "--target-identity",
        "accountKey",
        "--secret-env",
        "NOBODY_SET_THIS",
    ];
    let key = prepared.node.text("sealing.key");
    let mut command = prepared.node.init(&flags);
    command.args(["--yes", "--cluster", "production", "--no-files"]);
    let refused = answer(command.args(["--sealing-key-out", &key])).code(64);
    let sentence = "names the environment variable NOBODY_SET_THIS, which is not set";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("etc/drydock/schedules/target.yaml:"),
        "{}",
        refused.stderr
    );
    for name in ["state", "sealing.key"] {
        assert!(!prepared.node.path(name).exists(), "{name}");
    }
    assert_eq!(
        files_under(&prepared.node.path("etc")),
        Vec::<PathBuf>::new()
    );
}

//! `drydock init`: a node from nothing, by flags and by questions, and everything that it
//! must not do.

pub mod node;
pub mod readme;
mod rescue;
mod services;
mod terminal;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{Answer, DRYDOCK, assert_golden, files_under, runtime, shared_cluster};
use node::{Node, answer};
use terminal::Terminal;

#[test]
fn flags_alone_make_a_node_that_backs_up() {
    let node = Node::kubeadm(&shared_cluster());
    let made = answer(
        node.init_with_key(&["--schedule", "30 2 * * *"])
            .arg("--log-level=debug"),
    )
    .ok();
    node.assert_private();
    node.assert_no_secret(&format!("{}{}", made.stdout, made.stderr));
    assert!(made.stdout.contains("Answers"), "{}", made.stdout);
    let key = node.text("sealing.key");
    assert!(
        made.stderr.contains(&format!("TAKE {key} OFF THIS NODE")),
        "{}",
        made.stderr
    );
    // The manifest names one member of three.
    assert_eq!(
        made.stderr.matches("add it to `endpoints:`").count(),
        2,
        "{}",
        made.stderr
    );
    assert_eq!(
        node.drydock(&["schedule", "check"])
            .ok()
            .stderr
            .lines()
            .count(),
        1
    );
    // What no schedule of a new node uses was granted nothing, and lacks nothing.
    let listed = node.drydock(&["plugin", "list"]).ok();
    assert_eq!(listed.stderr, "", "{}", listed.stderr);
    let unused = listed
        .stdout
        .lines()
        .filter(|line| line.contains(" Unused "));
    let names = unused.filter_map(|line| line.split(' ').next());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            "etcd-maintain",
            "notify-webhook",
            "store-azure-blob",
            "store-gcs",
            "store-s3"
        ]
    );
    assert!(!listed.stdout.contains("Refused"), "{}", listed.stdout);
    backs_up(&node, &key);
}

/// A target on a mount of its own has to be mounted from then on, and gets its id at once.
#[test]
fn a_target_on_a_mount_has_to_be_mounted() {
    let node = Node::kubeadm(&shared_cluster());
    let kept = node.path("kept");
    let target = node.path("target");
    let mounts = drydock_testkit::mounts::Mounts::new()
        .small(&target, 64 << 20)
        .keep(&target, &kept);
    answer(&mut mounts.around(&node.init_with_key(&[]))).code(2);
    let document = std::fs::read_to_string(node.path("etc/drydock/schedules/target.yaml"));
    assert!(document.unwrap().contains("\n    requireMount: true\n"));
    assert!(kept.join("drydock-target.json").exists());
    let ran = node.drydock(&["run", "backup"]).code(1);
    assert!(
        ran.stderr.contains("is not on a mount of its own"),
        "{}",
        ran.stderr
    );
    assert_eq!(files_under(&target), Vec::<PathBuf>::new());
}

/// A run with what init wrote, its recovery point opened by the key that it made.
fn backs_up(node: &Node, identity: &str) {
    let ran = node.drydock(&["run", "backup", "--output", "json"]).ok();
    let runs: Value = serde_json::from_str(&ran.stdout).unwrap();
    let name = runs[0]["recoveryPoint"].as_str().unwrap();
    let listed = node.drydock(&["recovery-point", "list"]).ok();
    assert!(listed.stdout.contains(name), "{}", listed.stdout);
    node.drydock(&["recovery-point", "verify", name, "--identity", identity])
        .ok();
}

#[test]
fn the_daemon_serves_what_init_wrote() {
    let node = Node::kubeadm(&shared_cluster());
    answer(&mut node.init_with_key(&["--offline"])).ok();
    // Any port, since other daemons may run on this machine.
    let configuration = node.path("etc/drydock/drydock.yaml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    let text = text.replace("listen: 127.0.0.1:9464", "listen: 127.0.0.1:0");
    std::fs::write(&configuration, text).unwrap();
    let mut daemon = std::process::Command::new(DRYDOCK)
        .args(["--config", &configuration.display().to_string(), "daemon"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drydock_testkit::guard::kill_at_exit(daemon.id());
    let address = node.path("state/daemon.addr");
    let serving = drydock_testkit::wait_until("the daemon serves", SERVING_LIMIT, async || {
        address.exists()
    });
    runtime().block_on(serving).unwrap();
    let process = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    drydock_testkit::guard::ended(daemon.id());
}

/// How long a daemon may take until it serves; on an idle machine it is one second.
const SERVING_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

#[test]
fn the_documents_are_those_of_the_golden_file() {
    let cluster = shared_cluster();
    let node = Node::kubeadm(&cluster);
    answer(&mut node.init_with_key(&[
        "--offline",
        "--schedule",
        "30 2 * * *",
        "--time-zone",
        "Europe/Berlin",
    ]))
    .ok();
    let folder = node.path("etc/drydock");
    let identity = std::fs::read_to_string(node.path("sealing.key")).unwrap();
    let recipient = identity
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    let mut text = String::new();
    for file in files_under(&folder)
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "yaml" || e == "conf"))
    {
        let name = file.strip_prefix(&folder).unwrap().display();
        text.push_str(&format!(
            "=== {name}\n{}",
            std::fs::read_to_string(file).unwrap()
        ));
    }
    let text = text
        .replace(recipient, "<recipient>")
        .replace(&node.scratch.path().display().to_string(), "<scratch>")
        .replace(&cluster.endpoints()[0], "<endpoint>");
    assert_golden("init.txt", &text);
}

#[test]
fn questions_are_asked_on_a_terminal_with_what_was_found() {
    let cluster = shared_cluster();
    let node = Node::kubeadm(&cluster);
    let mut terminal = Terminal::start(&node.init(&[]));
    terminal
        .expect("hostname")
        .expect("Name of this node [node-1]")
        .answer("");
    terminal
        .expect("Name of the cluster")
        .answer("Prod")
        .expect("must be a name of lower-case");
    terminal.answer("prod");
    terminal
        .expect("manifests/etcd.yaml")
        .expect("Client addresses");
    terminal.answer(&cluster.endpoints().join(", "));
    terminal
        .expect("where kubeadm keeps it")
        .expect("Authority")
        .answer("");
    terminal.expect("Client certificate").answer("");
    terminal.expect("Private key").answer("");
    terminal.expect("Folders to back up").answer("");
    terminal
        .expect("Where recovery points go: folder, s3, azure or gcs")
        .answer("tape")
        .expect("must be folder, s3, azure or gcs");
    terminal.answer("");
    terminal
        .expect("Folder for the recovery points")
        .expect("[/var/backups/drydock]");
    terminal.answer(&node.text("target"));
    terminal
        .expect("When to back up")
        .answer("61 * * * *")
        .expect("cannot be read");
    terminal.answer("@hourly");
    terminal.expect("Time zone").answer("");
    terminal.expect("Public key to seal for").answer("");
    terminal
        .expect("File for the private sealing key")
        .answer(&node.text("sealing.key"));
    terminal.expect("Write keys and documents to").answer("");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    node.assert_private();
    node.assert_no_secret(&screen);
    let document =
        |name: &str| std::fs::read_to_string(node.path("etc/drydock").join(name)).unwrap();
    assert!(document("schedules/cluster.yaml").contains("healthcheck-client.key"));
    assert!(document("schedules/cluster.yaml").contains("name: prod\n"));
    assert!(document("schedules/backup.yaml").contains("schedule: \"@hourly\""));
    backs_up(&node, &node.text("sealing.key"));
}

#[test]
fn who_says_no_or_leaves_gets_nothing() {
    let node = Node::kubeadm(&shared_cluster());
    let recipient = [
        "--cluster",
        "c1",
        "--recipient",
        RECIPIENT,
        "--schedule",
        "@daily",
    ];
    let mut terminal = Terminal::start(&node.init(&recipient));
    for question in [
        "Name of this node",
        "Client addresses",
        "Authority",
        "Client certificate",
        "Private key",
        "Folders to back up",
        "Where recovery points go",
        "Folder for",
    ] {
        terminal.expect(question).answer("");
    }
    terminal.expect("Time zone").answer("");
    terminal.expect("Write keys and documents to").answer("n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("Nothing was written."), "{screen}");
    node.assert_untouched();

    let mut terminal = Terminal::start(&node.init(&[]));
    // The key of an interrupt.
    terminal.expect("Name of this node");
    assert_ne!(terminal.end_with("\u{3}").0, Some(0));
    node.assert_untouched();
}

/// A public key whose private key nobody here has.
const RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

#[test]
fn a_recipient_means_that_no_private_key_is_made() {
    let node = Node::kubeadm(&shared_cluster());
    let flags = [
        "--yes",
        "--offline",
        "--cluster",
        "c1",
        "--recipient",
        RECIPIENT,
    ];
    let target = node.text("target");
    answer(node.init(&flags).args(["--target-folder", &target])).ok();
    for file in files_under(node.scratch.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("AGE-SECRET-KEY"), "{}", file.display());
    }
    assert!(!node.path("sealing.key").exists());
}

#[test]
fn what_is_missing_is_said_in_one_sentence() {
    let node = Node::bare();
    let answered = answer(&mut node.init(&[])).code(64);
    assert_eq!(
        answered.stderr,
        "error: init needs --cluster NAME, --endpoint URL, --ca FILE, --cert FILE, --key FILE, --target-folder DIR, --schedule CRON, --recipient AGE (or --sealing-key-out FILE): give them, or start it on a terminal to be asked; --yes takes what was found on this node or is usual for --target-folder, --schedule\n"
    );
    node.assert_untouched();
}

#[test]
fn a_private_key_in_the_place_of_a_public_one_is_not_shown_again() {
    let node = Node::kubeadm(&shared_cluster());
    let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let answered =
        answer(&mut node.init(&["--yes", "--cluster", "c1", "--recipient", secret])).code(64);
    assert!(
        answered.stderr.contains("consider the secret key exposed"),
        "{}",
        answered.stderr
    );
    assert!(!answered.stderr.contains("1GQ9778"), "{}", answered.stderr);
    node.assert_untouched();
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let node = Node::kubeadm(&shared_cluster());
    node.put("etc/drydock/drydock.yaml", "mine\n");
    let answered = answer(&mut node.init_with_key(&[])).code(1);
    assert_eq!(
        answered.stderr,
        format!(
            "error: {} holds drydock.yaml, and init overwrites nothing: move it away, or name another --dir\n",
            node.text("etc/drydock")
        )
    );
    assert_eq!(
        std::fs::read_to_string(node.path("etc/drydock/drydock.yaml")).unwrap(),
        "mine\n"
    );
    assert_eq!(files_under(&node.path("etc")).len(), 1);
    std::fs::remove_dir_all(node.path("etc")).unwrap();

    node.put("sealing.key", "mine\n");
    let answered = answer(&mut node.init_with_key(&[])).code(1);
    assert!(
        answered.stderr.contains("sealing.key exists"),
        "{}",
        answered.stderr
    );
    assert_eq!(
        std::fs::read_to_string(node.path("sealing.key")).unwrap(),
        "mine\n"
    );
    std::fs::remove_file(node.path("sealing.key")).unwrap();
    node.assert_untouched();

    // An empty folder holds nothing to lose.
    std::fs::create_dir_all(node.path("etc/drydock")).unwrap();
    answer(&mut node.init_with_key(&["--offline"])).ok();
    node.assert_private();
}

#[test]
fn the_private_sealing_key_never_lies_beside_what_it_opens() {
    let node = Node::kubeadm(&shared_cluster());
    for folder in ["etc/drydock", "state", "target"] {
        let file = node.text(&format!("{folder}/key"));
        let flags = [
            "--yes",
            "--cluster",
            "c1",
            "--target-folder",
            &node.text("target"),
            "--sealing-key-out",
            &file,
        ];
        let answered = answer(&mut node.init(&flags)).code(64);
        assert!(
            answered.stderr.contains("take off this node"),
            "{}",
            answered.stderr
        );
    }
    node.assert_untouched();
}

#[test]
fn what_cannot_be_finished_leaves_nothing() {
    let node = Node::kubeadm(&shared_cluster());
    // The target's place is a file, which is noticed after much was built.
    node.put("taken", "mine\n");
    let taken = node.text("taken");
    let flags = [
        "--yes",
        "--cluster",
        "c1",
        "--target-folder",
        &taken,
        "--recipient",
        RECIPIENT,
    ];
    let answered = answer(&mut node.init(&flags)).code(1);
    assert!(
        answered.stderr.contains(&format!("{taken} is no folder")),
        "{}",
        answered.stderr
    );
    assert_only(&node, &["root", "taken", "etc"]);
    assert_eq!(files_under(&node.path("etc")), Vec::<PathBuf>::new());

    // The sealing key's folder is not there, which is noticed last of all.
    let far = node.text("nowhere/sealing.key");
    let flags = [
        "--yes",
        "--cluster",
        "c1",
        "--target-folder",
        &node.text("target"),
        "--sealing-key-out",
        &far,
    ];
    let answered = answer(&mut node.init(&flags)).code(1);
    assert!(
        answered.stderr.contains("name another --sealing-key-out"),
        "{}",
        answered.stderr
    );
    assert_only(&node, &["root", "taken", "etc"]);
    assert!(
        std::fs::read_dir(node.path("etc"))
            .unwrap()
            .next()
            .is_none()
    );
}

fn assert_only(node: &Node, names: &[&str]) {
    for entry in std::fs::read_dir(node.scratch.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()), "{name} was left");
    }
}

#[test]
fn a_cluster_that_is_down_is_a_warning() {
    let node = Node::kubeadm(&shared_cluster());
    let Answer { stdout, stderr, .. } =
        answer(&mut node.init_with_key(&["--endpoint", "https://127.0.0.1:1"])).code(2);
    assert!(stdout.contains("Fails"), "{stdout}");
    let warning = stderr
        .lines()
        .find(|line| line.starts_with("warning: "))
        .unwrap();
    assert!(warning.contains("https://127.0.0.1:1"), "{warning}");
    assert!(stderr.contains("Everything was written"), "{stderr}");
    node.assert_private();
    node.drydock(&["schedule", "check"]).ok();
}

#[test]
fn a_certificate_that_is_not_there_is_a_warning_with_its_place() {
    let node = Node::kubeadm(&shared_cluster());
    let missing = node.text("no.crt");
    let answered = answer(&mut node.init_with_key(&["--ca", &missing])).code(2);
    let place = format!("{}:", node.text("etc/drydock/schedules/cluster.yaml"));
    assert!(
        answered.stderr.contains(&place) && answered.stderr.contains(&missing),
        "{}",
        answered.stderr
    );
}

/// What cannot be looked at may be there: it is no reason to require less of a backup in
/// silence, nor to take the usual port of etcd for the one that it has.
#[test]
fn what_cannot_be_looked_at_is_a_warning_where_no_flag_says_it() {
    let node = Node::kubeadm(&shared_cluster());
    let spoilt = ["pki/ca.key", "manifests/etcd.yaml"].map(|name| {
        let path = node.path("root/etc/kubernetes").join(name);
        let _absent = std::fs::remove_file(&path);
        // Not even root looks behind a link to itself.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        path.display().to_string()
    });
    let [key, manifest] = &spoilt;
    let begins = |path: &str| format!("warning: {path} cannot be looked at (");
    let said = answer(&mut node.init_with_key(&["--offline", "--dry-run"])).ok();
    assert!(said.stderr.contains(&begins(key)), "{}", said.stderr);
    let said = answer(&mut node.init_with_key(&["--offline"])).code(2);
    for path in [key, manifest] {
        assert!(said.stderr.contains(&begins(path)), "{}", said.stderr);
    }
    std::fs::remove_dir_all(node.path("etc")).unwrap();
    std::fs::remove_file(node.path("sealing.key")).unwrap();
    let said = [
        "--offline",
        "--no-files",
        "--endpoint",
        "https://127.0.0.1:1",
    ];
    let said = answer(&mut node.init_with_key(&said)).ok();
    assert!(!said.stderr.contains("warning:"), "{}", said.stderr);
}

#[test]
fn offline_tries_nothing_and_a_dry_run_writes_nothing() {
    let node = Node::kubeadm(&shared_cluster());
    let down = ["--endpoint", "https://127.0.0.1:1"];
    let answered = answer(node.init_with_key(&down).arg("--dry-run")).ok();
    assert!(
        answered.stdout.contains("kind: Schedule"),
        "{}",
        answered.stdout
    );
    assert!(
        answered
            .stdout
            .contains("age1-of-the-key-that-init-would-make")
    );
    node.assert_untouched();
    let answered = answer(node.init_with_key(&down).arg("--offline")).ok();
    assert!(!answered.stderr.contains("warning:"), "{}", answered.stderr);
}

#[test]
fn the_report_is_json_where_that_is_wanted() {
    let node = Node::kubeadm(&shared_cluster());
    let answered = answer(&mut node.init_with_key(&["--output", "json"])).ok();
    let value: Value = serde_json::from_str(&answered.stdout).unwrap();
    assert_eq!(value["tried"]["endpoints"][0]["learner"], false);
    assert!(value["signer"].as_str().unwrap().starts_with("RW"));
    assert!(value["next"][0].as_str().unwrap().ends_with(" run backup"));
    for file in value["files"].as_array().unwrap() {
        assert!(
            Path::new(&node.text("etc/drydock"))
                .join(file.as_str().unwrap())
                .is_file()
        );
    }
}

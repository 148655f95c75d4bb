use drydock_capability_files::FolderGrant;
use drydock_documents::{self as documents, Document};

use super::*;
use crate::answers::Sealing;

fn answers() -> Answers {
    Answers {
        dir: "/etc/drydock".into(),
        node: "cp-1".to_owned(),
        state: "/var/lib/drydock".into(),
        cluster: "production".to_owned(),
        endpoints: vec!["https://10.0.0.11:2379".to_owned()],
        ca: None,
        client: None,
        login: None,
        files: Vec::new(),
        exclude: Vec::new(),
        required: Vec::new(),
        destination: folder("/var/backups/drydock"),
        schedule: "30 2 * * *".to_owned(),
        time_zone: "Etc/UTC".to_owned(),
        sealing: Sealing::For(Vec::new()),
    }
}

fn folder(path: &str) -> Destination {
    Destination::Folder {
        path: path.into(),
        is_mounted: false,
    }
}

/// The documents of one file, as the other verbs read them.
fn parsed(files: &[File], name: &str) -> Vec<Document> {
    let file = files.iter().find(|file| file.name == name).unwrap();
    let documents = documents::parse(name, &file.text, &drydock_node::CAPABILITIES).unwrap();
    documents.into_iter().map(|located| located.value).collect()
}

#[test]
fn text_means_nothing_but_itself() {
    assert_eq!(scalar("https://10.0.0.11:2379"), "https://10.0.0.11:2379");
    assert_eq!(scalar("/var/backups"), "/var/backups");
    for odd in [
        "yes",
        "1e3",
        "a: b",
        "a #b",
        "[x",
        "https://[::1]:1",
        "",
        "*/5 * * * *",
        "a\"b",
        "x:",
    ] {
        assert!(scalar(odd).starts_with('"'), "{odd}");
    }
}

#[test]
fn paths_are_single_words_in_a_unit() {
    let mut answers = answers();
    answers.destination = folder("/mnt/100% of b");
    answers.dir = "/etc/$drydock".into();
    let unit = unit(&answers);
    assert!(unit.contains("RequiresMountsFor=\"/mnt/100%% of b\"\n"));
    assert!(unit.contains("ReadWritePaths=/var/lib/drydock \"/mnt/100%% of b\"\n"));
    assert!(unit.contains("--config /etc/$$drydock/drydock.yaml daemon\n"));
}

#[test]
fn a_target_on_a_mount_of_its_own_has_to_be_mounted() {
    let mut answers = answers();
    let config = |answers: &Answers| {
        let files = documents(answers, &["age1x".to_owned()]);
        let [Document::Target(target)] = &parsed(&files, "schedules/target.yaml")[..] else {
            panic!("one target");
        };
        target.spec.config.json()
    };
    assert_eq!(config(&answers), r#"{"folder":"/var/backups/drydock"}"#);
    answers.destination = Destination::Folder {
        path: "/var/backups/drydock".into(),
        is_mounted: true,
    };
    assert_eq!(
        config(&answers),
        r#"{"folder":"/var/backups/drydock","requireMount":true}"#
    );
}

#[test]
fn odd_paths_and_names_come_back_as_they_were() {
    let mut answers = answers();
    answers.destination = folder("/mnt/a b: #c/{d}/\"e\"/'f'");
    answers.cluster = "on".to_owned();
    answers.endpoints = vec!["https://[fd00::1]:2379".to_owned()];
    answers.login = Some(("null".to_owned(), "/etc/a b".into()));
    let files = documents(&answers, &["ssh-ed25519 AAAA someone".to_owned()]);
    let [Document::Target(target)] = &parsed(&files, "schedules/target.yaml")[..] else {
        panic!("no target");
    };
    assert_eq!(
        target.spec.config.get("folder").unwrap(),
        "/mnt/a b: #c/{d}/\"e\"/'f'"
    );
    let [Document::Cluster(cluster)] = &parsed(&files, "schedules/cluster.yaml")[..] else {
        panic!("no cluster");
    };
    assert_eq!(cluster.name.as_str(), "on");
    let [Document::Schedule(schedule)] = &parsed(&files, "schedules/backup.yaml")[..] else {
        panic!("no schedule");
    };
    assert_eq!(schedule.spec.cluster.as_str(), "on");
    assert_eq!(schedule.spec.schedule, "30 2 * * *");
    parsed(&files, "grants/store-file.yaml");
}

#[test]
fn folders_get_a_step_a_judge_and_the_narrowest_grant() {
    let none = documents(&answers(), &[]);
    assert!(!none.iter().any(|file| file.name.contains("files-")));
    let mut answers = answers();
    answers.files = vec!["/etc/kubernetes".into(), "/etc/a b".into()];
    let files = documents(&answers, &[]);
    let [Document::Schedule(schedule)] = &parsed(&files, "schedules/backup.yaml")[..] else {
        panic!("no schedule");
    };
    let steps: Vec<_> = schedule
        .spec
        .steps
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(
        steps,
        ["snapshot", "files", "verify", "verify-files", "store"]
    );
    let folders = serde_json::json!(["/etc/kubernetes", "/etc/a b"]);
    assert_eq!(
        schedule.spec.steps[1].config.get("folders").unwrap(),
        &folders
    );
    let [Document::PluginGrant(grant)] = &parsed(&files, "grants/files-backup.yaml")[..] else {
        panic!("no grant");
    };
    let granted = serde_json::to_value(&grant.spec.grants).unwrap();
    let read = |folder| serde_json::json!({"directory": folder, "access": "read"});
    assert_eq!(
        granted,
        serde_json::json!({"files": [read("/etc/kubernetes"), read("/etc/a b")]})
    );
    let [Document::NodeConfig(node)] = &parsed(&files, CONFIGURATION)[..] else {
        panic!("no node");
    };
    assert_eq!(
        node.spec
            .ceiling
            .as_ref()
            .unwrap()
            .of::<FolderGrant>()
            .len(),
        3
    );
    parsed(&files, "grants/files-verify.yaml");
    assert_eq!(schedule.spec.steps[1].config.get("required"), None);
}

#[test]
fn what_is_required_and_left_out_stands_in_both_steps() {
    let mut answers = answers();
    answers.files = vec!["/srv/a b".into()];
    answers.exclude = vec!["/srv/a b/db".into()];
    answers.required = vec!["/srv/a b/ca.key".into(), "/srv/a b/token".into()];
    let files = documents(&answers, &[]);
    let [Document::Schedule(schedule)] = &parsed(&files, "schedules/backup.yaml")[..] else {
        panic!("no schedule");
    };
    let config = |step: usize| &schedule.spec.steps[step].config;
    let required = serde_json::json!(["/srv/a b/ca.key", "/srv/a b/token"]);
    assert_eq!(
        *config(1).get("exclude").unwrap(),
        serde_json::json!(["/srv/a b/db"])
    );
    assert_eq!(*config(1).get("required").unwrap(), required);
    assert_eq!(*config(3).get("require").unwrap(), required);
}

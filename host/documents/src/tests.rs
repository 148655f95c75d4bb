//! Documents as operators write them, right and wrong.

mod canonical;
mod identities;
mod noise;
mod order;
mod places;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drydock_core::{ClusterName, Grants, PluginDigest, ScheduleName, StepName, TargetName};

use super::*;
use words::{Call, Folder, Words};

const VALID: &str = include_str!("../tests/golden/valid.yaml");
const GOLDEN: &str = include_str!("../tests/golden/documents.txt");
const FILE: &str = "conf/a.yaml";

/// Files and variables that the tests know.
struct Known(&'static [(&'static str, &'static str)]);

impl Lookup for Known {
    fn file(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.env(path.to_str().unwrap())
            .map(String::into_bytes)
            .ok_or_else(|| "No such file or directory".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(known, _)| *known == name)?;
        Some(found.1.to_owned())
    }
}

fn parse(file: &str, text: &str) -> Result<Vec<Located<Document>>, FileError> {
    super::parse(file, text, &Words)
}

fn parse_node_config(file: &str, text: &str) -> Result<Located<NodeConfig>, FileError> {
    super::parse_node_config(file, text, &Words)
}

fn set(text: &str) -> Result<DocumentSet, Vec<FileError>> {
    let documents = parse(FILE, text).map_err(|error| vec![error])?;
    DocumentSet::build(documents)
}

fn valid() -> DocumentSet {
    set(VALID).unwrap()
}

fn edited(from: &str, to: &str) -> String {
    assert_eq!(VALID.matches(from).count(), 1, "{from} stands there once");
    VALID.replace(from, to)
}

/// `valid.yaml` with these steps.
fn with_steps(steps: &str) -> String {
    let (head, rest) = VALID.split_once("  steps:\n").unwrap();
    let (_, tail) = rest.split_once("---\n").unwrap();
    format!("{head}  steps:\n{steps}---\n{tail}")
}

/// `valid.yaml` with a case's lines exchanged.
fn edit(case: &str) -> String {
    let mut text = VALID.to_owned();
    let mut old = String::new();
    let mut new = String::new();
    for line in case.lines().chain(["-"]) {
        match line.split_at_checked(1) {
            Some(("-", rest)) if !new.is_empty() || rest.is_empty() => {
                text = exchange(&text, &old, &new);
                new.clear();
                old = format!("{rest}\n");
            }
            Some(("-", rest)) => writeln!(old, "{rest}").unwrap(),
            Some(("+", rest)) => writeln!(new, "{rest}").unwrap(),
            _ => {}
        }
    }
    text
}

fn exchange(text: &str, old: &str, new: &str) -> String {
    if old.is_empty() {
        return format!("{text}{new}");
    }
    assert!(text.contains(old), "{old} stands in valid.yaml");
    text.replacen(old, new, 1)
}

#[test]
fn every_mistake_is_told_in_a_whole_sentence() {
    let (head, cases) = GOLDEN.split_once("\n== ").unwrap();
    let mut told = head.to_owned();
    for case in cases.split("\n== ") {
        let input: Vec<&str> = case
            .lines()
            .filter(|line| !line.starts_with("=> ") && !line.is_empty())
            .collect();
        let input = input.join("\n");
        let errors = set(&edit(&input)).err().unwrap_or_default();
        write!(told, "\n== {input}\n").unwrap();
        for error in errors {
            writeln!(told, "=> {error}").unwrap();
        }
    }
    assert!(
        told == GOLDEN,
        "the sentences changed; they are now:\n{told}"
    );
}

#[test]
fn no_case_of_the_golden_file_is_silent() {
    for case in GOLDEN.split("\n== ").skip(1) {
        assert!(case.contains("\n=> conf/a.yaml:"), "{case}");
    }
}

#[test]
fn secrets_in_the_wrong_place_are_never_repeated() {
    for secret in [
        "hunter2",
        "123456",
        "root:secret",
        "AGE-SECRET-KEY-1QQQ",
        "RWRTY0Iy",
    ] {
        let repeated = GOLDEN
            .lines()
            .any(|line| line.starts_with("=>") && line.contains(secret));
        assert!(!repeated, "{secret}");
    }
}

#[test]
fn paths_start_at_the_documents_own_folder() {
    let set = valid();
    let node = &set.node_configs().next().unwrap().value.spec;
    assert_eq!(node.state, PathBuf::from("conf/state"));
    assert_eq!(node.schedules, [PathBuf::from("conf/schedules")]);
    assert_eq!(node.grants, [PathBuf::from("/etc/drydock/grants")]);
    assert_eq!(
        node.plugins["store-file"].file,
        PathBuf::from("conf/store.wasm")
    );
    let signing = Source::File("conf/signing.key".into());
    assert_eq!(node.signing_key.as_ref().unwrap().value_from, signing);
    let etcd = &set
        .cluster(&ClusterName::new("main"))
        .unwrap()
        .value
        .spec
        .etcd;
    let place = |path: &str| {
        Some(Setting::From(SecretFrom {
            value_from: Source::File(path.into()),
        }))
    };
    assert_eq!(etcd.ca, place("conf/pki/ca.crt"));
    assert_eq!(etcd.certificate, place("/pki/client.crt"));
}

#[test]
fn what_a_document_leaves_out_has_a_value() {
    let set = valid();
    let spec = &set
        .schedule(&ScheduleName::new("nightly"))
        .unwrap()
        .value
        .spec;
    assert_eq!(spec.backoff_limit(), 3);
    assert_eq!(spec.jitter_seconds(), 0);
    assert_eq!(
        (spec.catch_up, spec.dst),
        (CatchUp::Latest, DstMode::Default)
    );
    assert_eq!(spec.concurrency_policy, ConcurrencyPolicy::Forbid);
    assert_eq!(spec.active_deadline(), None);
    let node = &set.node_configs().next().unwrap().value.spec;
    assert_eq!(node.limits.guest_memory_mebibytes(), Some(64));
    assert_eq!(node.limits.step_wall_seconds(), Some(60));
    assert_eq!(node.limits.handles(), None);
    assert_eq!(node.daemon.listen, node::Listen::At(node::LISTEN));
    assert_eq!(node.daemon.drain(), node::DRAIN);
    let bare = set_of_one("timeZone: Europe/Berlin", "");
    assert_eq!(bare.time_zone, "Etc/UTC");
}

fn set_of_one(from: &str, to: &str) -> schedule::ScheduleSpec {
    let set = set(&edited(from, to)).unwrap();
    set.schedules().next().unwrap().value.spec.clone()
}

#[test]
fn the_daemon_listens_where_it_is_told_or_nowhere() {
    let of = |daemon: &str| {
        let log = "  log: {format: json, level: debug}\n";
        let set = set(&edited(log, &format!("{log}  daemon: {daemon}\n"))).unwrap();
        set.node_configs().next().unwrap().value.spec.daemon.clone()
    };
    let none = of("{listen: none, drainSeconds: 0}");
    assert_eq!(none.listen, node::Listen::None);
    assert_eq!(none.drain(), Duration::ZERO);
    let at = node::Listen::At("[::1]:0".parse().unwrap());
    assert_eq!(of("{listen: \"[::1]:0\"}").listen, at);
}

#[test]
fn a_workflow_has_everything_that_its_schedule_names() {
    let set = valid();
    let workflow = set.workflow(&ScheduleName::new("nightly")).unwrap();
    let (step, plugin) = workflow.backups().next().unwrap();
    assert_eq!(step.name.as_str(), "snapshot");
    assert_eq!(plugin.as_str(), "etcd-backup");
    assert_eq!(step.config_json(), r#"{"allowLearner":false}"#);
    let (step, target) = workflow.stores().next().unwrap();
    assert_eq!(step.name.as_str(), "store");
    assert_eq!(target.value.spec.plugin.as_str(), "store-file");
    assert_eq!(
        target.value.spec.config.json(),
        r#"{"folder":"/var/backups/drydock","parallel":2}"#
    );
    assert_eq!(workflow.drills().count(), 0);
    assert!(workflow.has_point() && !workflow.schedule.value.spec.only_drills());
    assert!(set.workflow(&ScheduleName::new("weekly")).is_none());
}

#[test]
fn a_schedule_may_drill_alone() {
    let set = set(&with_steps(
        "    - {name: drill, drill: {target: local, apiServer: true}}\n",
    ));
    let set = set.unwrap();
    let workflow = set.workflow(&ScheduleName::new("nightly")).unwrap();
    let (step, drill, target) = workflow.drills().next().unwrap();
    assert!(drill.api_server && step.is_node());
    assert_eq!(target.value.name.as_str(), "local");
    assert!(!workflow.has_point() && workflow.schedule.value.spec.only_drills());
}

#[test]
fn several_steps_may_stand_before_the_stores_and_say_what_they_verify() {
    let text = edited(
        "    - {name: verify, verify: etcd-verify}\n",
        "    - {name: pki, backup: files-backup}\n    - {name: verify, verify: etcd-verify, verifies: [snapshot]}\n    - {name: check, verify: files-verify}\n",
    );
    let set = set(&text).unwrap();
    let workflow = set.workflow(&ScheduleName::new("nightly")).unwrap();
    let names: Vec<_> = workflow.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["snapshot", "pki", "verify", "check", "store"]);
    let spec = &workflow.schedule.value.spec;
    let verified: Vec<_> = workflow
        .verify()
        .map(|(step, _)| spec.verified_by(step))
        .collect();
    let of = |names: &[&str]| names.iter().copied().map(StepName::new).collect::<Vec<_>>();
    assert_eq!(verified, [of(&["snapshot"]), of(&["snapshot", "pki"])]);
}

#[test]
fn a_workflow_digest_changes_with_everything_that_a_run_is_bound_to() {
    let name = ScheduleName::new("nightly");
    let digest_with = |text: &str, grants: &[&str]| {
        let set = set(text).unwrap();
        set.workflow_digest(&name, grants).unwrap()
    };
    let digest = |text: &str| digest_with(text, &["store-file"]);
    let first = digest(VALID);
    assert_eq!(digest(&format!("# a comment\n{VALID}")), first);
    for (from, to) in [
        ("*/15", "*/20"),
        ("requestTimeoutSeconds: 20", "requestTimeoutSeconds: 21"),
        ("parallel: 2", "parallel: 3"),
        (
            "verify: etcd-verify}",
            "verify: etcd-verify, verifies: [snapshot]}",
        ),
        ("etcd: [status, snapshot]", "etcd: [status]"),
    ] {
        assert_ne!(digest(&edited(from, to)), first, "{to}");
    }
    assert_eq!(digest(&edited("level: debug", "level: info")), first);
    // What the run does not use may change under it.
    let more = format!(
        "{VALID}---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: other}}\nspec: {{builtin: other}}\n---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: other}}\nspec: {{plugin: store-file}}\n"
    );
    assert_eq!(digest(&more), first);
    let unused = edited("etcd: [status, snapshot]", "etcd: [status]");
    assert_eq!(digest_with(&unused, &[]), digest_with(VALID, &[]));
}

#[test]
fn a_grant_is_found_by_digest_before_name() {
    let digest = PluginDigest::of(b"component");
    let more = format!(
        "{VALID}---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: other}}\nspec: {{digest: '{digest}', grants: {{etcd: [status]}}}}\n"
    );
    let set = set(&more).unwrap();
    let builtin = set
        .grants_of(Some("store-file"), &PluginDigest::of(b"x"))
        .unwrap();
    assert_eq!(builtin.of::<Folder>()[0].access, "write");
    let by_digest = set.grants_of(Some("store-file"), &digest).unwrap();
    assert_eq!(by_digest.of::<Call>(), [Call::Status]);
    assert!(set.grants_of(None, &PluginDigest::of(b"x")).is_none());
    assert!(
        set.grants_of(Some("store-s3"), &PluginDigest::of(b"x"))
            .is_none()
    );
}

/// The valid documents, whose target has these lines, and a grant of it.
fn with_endpoints(lines: &str, http: &str) -> Result<DocumentSet, Vec<FileError>> {
    set(&format!(
        "{VALID}---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: offsite}}\nspec: {{plugin: store-s3, {lines}}}\n---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: s3}}\nspec: {{builtin: store-s3, grants: {{http: [{http}]}}}}\n"
    ))
}

#[test]
fn a_grant_of_a_target_is_one_of_its_endpoints() {
    let endpoints = "endpoints: ['https://a.example', 'http://10.0.0.5:9000/']";
    let grant = "{target: offsite}";
    let set = with_endpoints(endpoints, grant).unwrap();
    let grants = set.grants_of(Some("store-s3"), &PluginDigest::of(b"x"));
    let recorded = serde_json::to_value(grants.unwrap()).unwrap();
    let at = |endpoint: &str| serde_json::json!({"target": null, "at": endpoint});
    assert_eq!(
        recorded,
        serde_json::json!({"http": [at("https://a.example:443"), at("http://10.0.0.5:9000")]})
    );
}

#[test]
fn a_grant_of_a_target_that_leads_nowhere_is_refused() {
    let told = |lines: &str, grant: &str| {
        let errors = with_endpoints(lines, grant).unwrap_err();
        errors[0].message.clone()
    };
    assert_eq!(
        told("endpoints: ['https://a']", "{target: ofsite}"),
        "spec.grants.http[0].target names the Target ofsite, which no document defines; did you mean offsite?"
    );
    let missing = told("config: {}", "{target: offsite}");
    assert!(
        missing.starts_with("spec.grants.http[0].target names the Target offsite (conf/a.yaml:")
            && missing.ends_with("add e.g. `endpoints: [https://s3.example.com]` to its spec"),
        "{missing}"
    );
}

#[test]
fn secrets_are_named_by_place_only() {
    let set = with_endpoints("secrets: {key: {valueFrom: {file: keys/a}}}", "").unwrap();
    let target = set.target(&TargetName::new("offsite")).unwrap();
    let place = target.value.spec.secrets.values().next().unwrap();
    assert_eq!(place.value_from, Source::File("conf/keys/a".into()));
    let told = with_endpoints("secrets: {key: hunter2}", "").unwrap_err();
    assert!(
        told[0]
            .message
            .contains("is a secret and must not stand in the document")
            && !told[0].message.contains("hunter2"),
        "{}",
        told[0]
    );
}

#[test]
fn a_grant_among_the_schedules_is_refused_and_a_schedule_among_the_grants() {
    let documents = || parse(FILE, VALID).unwrap();
    let of = |kinds: &[Kind]| -> Vec<_> {
        documents()
            .into_iter()
            .filter(|d| kinds.contains(&d.value.kind()))
            .collect()
    };
    let work = of(&[Kind::Cluster, Kind::Target, Kind::Schedule]);
    let grants = of(&[Kind::PluginGrant]);
    assert!(DocumentSet::from_folders(work.clone(), grants.clone()).is_ok());
    let errors = DocumentSet::from_folders(grants, work).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4);
    assert_eq!(
        told[3],
        "conf/a.yaml:55:7: the PluginGrant store-file does not belong among the files under schedules: of the node's configuration; move it to a folder under grants:"
    );
}

#[test]
fn a_node_configuration_stands_alone() {
    let alone = VALID.split("---\n").next().unwrap();
    let node = parse_node_config(FILE, alone).unwrap();
    assert_eq!(node.value.name.as_str(), "node-1");
    let told = |text: &str| parse_node_config(FILE, text).unwrap_err().to_string();
    assert_eq!(
        told(VALID),
        "conf/a.yaml:18:7: Cluster main does not belong into the node's configuration, which holds one NodeConfig; move it to a file of its own"
    );
    assert_eq!(
        told("# nothing\n"),
        "conf/a.yaml:1:1: the file holds no NodeConfig; begin it with apiVersion: drydock.dev/v1 and kind: NodeConfig"
    );
}

#[test]
fn a_cluster_is_resolved_from_files_and_variables() {
    let set = valid();
    let cluster = set.cluster(&ClusterName::new("main")).unwrap();
    let access = cluster
        .resolve(&Known(&[
            ("conf/pki/ca.crt", "-----BEGIN CERTIFICATE-----\nca\n"),
            ("/pki/client.crt", "-----BEGIN CERTIFICATE-----\nme\n"),
            (
                "CLIENT_KEY",
                "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0t\nLS0tCmtleQo=",
            ),
            ("conf/pw", "hunter2\n"),
        ]))
        .unwrap();
    assert_eq!(access.endpoints, ["https://127.0.0.1:2379"]);
    assert_eq!(
        access.key.as_ref().unwrap().expose(),
        b"-----BEGIN PRIVATE KEY-----\nkey\n"
    );
    assert_eq!(
        access.password.as_ref().unwrap().expose_text(),
        Some("hunter2")
    );
    assert_eq!(access.username.as_deref(), Some("root"));
    assert_eq!(access.request_timeout, Duration::from_secs(20));
    let shown = format!("{access:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("104, 117"),
        "{shown}"
    );
}

#[test]
fn a_value_that_cannot_be_had_is_told_with_its_key() {
    let set = valid();
    let cluster = set.cluster(&ClusterName::new("main")).unwrap();
    let told = |known| cluster.resolve(&Known(known)).unwrap_err().to_string();
    assert_eq!(
        told(&[]),
        "conf/a.yaml:23:9: spec.etcd.ca names the file conf/pki/ca.crt, which cannot be read: No such file or directory; put it there, or correct the path"
    );
    assert_eq!(
        told(&[("conf/pki/ca.crt", "ca")]),
        "conf/a.yaml:23:9: spec.etcd.ca comes from the file conf/pki/ca.crt, which holds no PEM block of a CERTIFICATE; a line like -----BEGIN CERTIFICATE----- is expected, or the same in base64"
    );
    assert_eq!(
        told(&[
            ("conf/pki/ca.crt", "-----BEGIN CERTIFICATE-----"),
            ("/pki/client.crt", "-----BEGIN CERTIFICATE-----")
        ]),
        "conf/a.yaml:25:10: spec.etcd.key names the environment variable CLIENT_KEY, which is not set; set it for this process"
    );
}

#[test]
fn endpoints_and_recipients_come_from_places_too() {
    let text = edited(
        "[https://127.0.0.1:2379]",
        "{valueFrom: {env: ETCD_ENDPOINTS}}",
    );
    let set = set(&text).unwrap();
    let cluster = set.cluster(&ClusterName::new("main")).unwrap();
    let listed = |value| {
        let known: &'static [_] = Box::leak(Box::new([
            ("ETCD_ENDPOINTS", value),
            ("conf/pki/ca.crt", "-----BEGIN CERTIFICATE-----"),
            ("/pki/client.crt", "-----BEGIN CERTIFICATE-----"),
            ("CLIENT_KEY", "-----BEGIN EC PRIVATE KEY-----"),
            ("conf/pw", "x"),
        ]));
        cluster
            .resolve(&Known(known))
            .map(|access| access.endpoints)
    };
    assert_eq!(
        listed("http://a:1, http://b:2\nhttp://c:3\n")
            .unwrap()
            .len(),
        3
    );
    assert!(listed("http://a:1,b").is_err());
    assert!(listed(" ").is_err());
    let target = set.target(&TargetName::new("local")).unwrap();
    let read =
        |text| target.recipients(&Known(Box::leak(Box::new([("conf/recipients.txt", text)]))));
    assert_eq!(
        read("# ops\nage1a\n\nssh-ed25519 AAAA me\n").unwrap(),
        ["age1qqqq", "age1a", "ssh-ed25519 AAAA me"]
    );
    assert!(read("AGE-SECRET-KEY-1\n").is_err());
}

#[test]
fn a_file_may_be_empty_but_not_too_large() {
    assert!(parse(FILE, "").unwrap().is_empty());
    assert!(parse(FILE, "# later\n---\n").unwrap().is_empty());
    let large = "#".repeat(FILE_BYTES_MAX + 1);
    assert!(parse(FILE, &large).is_err());
}

#[test]
fn a_tree_that_explodes_is_refused() {
    let mut text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        writeln!(text, "a{level}: &a{level} [{items}]").unwrap();
    }
    assert!(parse(FILE, &text).is_err());
    assert!(parse(FILE, &"[".repeat(10_000)).is_err());
}

#[test]
fn each_need_is_stopped_by_its_own_documents_alone() {
    let text = "
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: good}
spec: {plugin: store-file}
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: twice}
spec: {plugin: store-file}
---
apiVersion: drydock.dev/v1
kind: Target
metadata: {name: twice}
spec: {plugin: store-other}
";
    let loaded = || Loaded::from_folders(parse("a.yaml", text).unwrap(), Vec::new());
    let told = |need: Need<'_>| match loaded().take(need) {
        Ok(usable) => usable.warnings.len(),
        Err(errors) => 100 + errors.len(),
    };
    assert_eq!(told(Need::All), 101);
    assert_eq!(told(Need::Sound), 1);
    assert_eq!(told(Need::One(Kind::Target, "good")), 1);
    assert_eq!(told(Need::One(Kind::Target, "twice")), 101);
    // One that nobody wrote is for the verb to tell.
    assert_eq!(told(Need::One(Kind::Target, "other")), 1);
    let mut loaded = loaded();
    let error = parse("b.yaml", "a: [").unwrap_err();
    loaded.note_unread(Among::Schedules, vec![error]);
    assert!(
        loaded
            .sound()
            .target(&drydock_core::TargetName::new("twice"))
            .is_none()
    );
    // It may stand in the file that cannot be read.
    let errors = loaded.take(Need::One(Kind::Target, "other")).unwrap_err();
    assert_eq!(&*errors[0].file, "b.yaml");
}

#[test]
fn keys_that_nobody_uses_are_set_aside_and_no_others() {
    let head = "apiVersion: drydock.dev/v1\nkind: NodeConfig\nmetadata: {name: n}\nspec:\n  drill: {etdc: 1}\n  state: /s\n  schedules: [/x]\n";
    let read = |more: &str, unused: &[&str]| {
        let text = format!("{head}{more}");
        parse_node_config_without("node.yaml", &text, unused, &Words)
    };
    let (config, warnings) = read("  daemon: {listen: here}\n", &["drill", "daemon"]).unwrap();
    assert_eq!((warnings.len(), config.value.spec.state), (2, "/s".into()));
    assert_eq!(config.value.spec.drill.etcd, None);
    assert!(read("", &["daemon"]).is_err());
    // A slip in a key's name is one more that is not used, where not all of them are.
    let (_, warnings) = read("  ceilnig: {}\n", &["drill"]).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("ceilnig")), "{told:?}");
    assert!(
        parse_node_config(
            "node.yaml",
            &head.replace("drill: {etdc: 1}", "ceilnig: {}")
        )
        .is_err()
    );
    assert!(read("  ceiling: {fiels: []}\n", &["drill"]).is_err());
    assert!(read("---\nkind: x\n", &["drill"]).is_err());
    // Without a vocabulary nobody knows what a ceiling allows.
    let unread = r#"{"state": "/s", "schedules": [], "ceiling": {"files": [1]}}"#;
    let unread: node::NodeConfigSpec = serde_json::from_str(unread).unwrap();
    assert_eq!(unread.ceiling, Some(Grants::default()));
    // serde names every key of the type where it meets one that is none.
    let none = serde_json::from_str::<node::NodeConfigSpec>("{\"none\": 1}").unwrap_err();
    for key in node::NodeConfigSpec::KEYS {
        assert!(none.to_string().contains(&format!("`{key}`")), "{none}");
    }
    assert_eq!(
        none.to_string().matches('`').count(),
        2 * (node::NodeConfigSpec::KEYS.len() + 1)
    );
}

//! Values of a `config:` and of `endpoints:` that stand elsewhere.

use drydock_core::TargetName;

use super::{FILE, Known, parse, with_steps};
use crate::{DocumentSet, FileError, Kind, Loaded, Need};

const KNOWN: Known = Known(&[
    ("ACCOUNT", "examplebackups"),
    ("CONTAINER", "snapshots\n"),
    ("SERVER", "https://minio.internal:9000"),
    ("CLEAR", "http://minio.internal:9000"),
    ("NOBODY", "a.b"),
    ("EMPTY", ""),
    ("conf/prefix", "clusters/a\n"),
]);

/// A target with this configuration, these servers and this identity, in lines 5 to 7.
fn target(config: &str, endpoints: &str, identity: &str) -> String {
    format!(
        "apiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: offsite}}\nspec:\n  config: {config}\n  endpoints: [{endpoints}]\n  identity: {identity}\n  plugin: store-s3\n"
    )
}

fn read(text: &str) -> Result<DocumentSet, Vec<FileError>> {
    let documents = parse(FILE, text).map_err(|error| vec![error])?;
    let mut loaded = Loaded::of(documents);
    loaded.read_values(&KNOWN);
    Ok(loaded.take(Need::All)?.set)
}

fn told(text: &str) -> String {
    let errors = read(text).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

const CONFIG: &str = "{account: {valueFrom: {env: ACCOUNT}}, more: [{container: {valueFrom: {env: CONTAINER}}}], prefix: {valueFrom: {file: prefix}}, partMebibytes: 8}";
const SERVERS: &str = "'https://a.example', {valueFrom: {env: SERVER}}, {name: {valueFrom: {env: ACCOUNT}}, domain: blob.core.windows.net}, {name: bucket-1, domain: s3.example.com}";

#[test]
fn a_configuration_and_servers_are_read_where_they_stand() {
    let text = target(CONFIG, SERVERS, "none");
    let set = read(&text).unwrap();
    let spec = &set.target(&TargetName::new("offsite")).unwrap().value.spec;
    assert_eq!(
        spec.config.json(),
        r#"{"account":"examplebackups","more":[{"container":"snapshots"}],"partMebibytes":8,"prefix":"clusters/a"}"#
    );
    assert_eq!(spec.config.get("account").unwrap(), "examplebackups");
    let servers = spec.endpoints.known().iter().map(ToString::to_string);
    assert_eq!(
        servers.collect::<Vec<_>>(),
        [
            "https://a.example:443",
            "https://minio.internal:9000",
            "https://examplebackups.blob.core.windows.net:443",
            "https://bucket-1.s3.example.com:443",
        ]
    );
    assert_eq!(set.endpoints(&TargetName::new("offsite")).len(), 4);
}

#[test]
fn what_a_run_keeps_holds_places_and_nothing_that_was_read() {
    let set = read(&target(CONFIG, SERVERS, "none")).unwrap();
    let target = set.target(&TargetName::new("offsite")).unwrap();
    let kept = crate::Document::Target(target.value.clone());
    let kept = kept.canonical(std::path::Path::new("/elsewhere"));
    assert!(
        kept.contains(r#"{"valueFrom":{"env":"ACCOUNT"}}"#),
        "{kept}"
    );
    assert!(
        kept.contains(r#"{"file":"/elsewhere/conf/prefix"}"#),
        "{kept}"
    );
    assert!(!kept.contains("examplebackups"), "{kept}");
    // Whoever reads it back reads the values anew.
    let again = parse("pinned", &kept).unwrap();
    assert_eq!(again[0].value.canonical(std::path::Path::new("")), kept);
}

#[test]
fn files_by_themselves_are_sound_without_the_values() {
    let text = target("{account: {valueFrom: {env: NOT_SET}}}", SERVERS, "none");
    let documents = parse(FILE, &text).unwrap();
    let set = DocumentSet::build(documents).unwrap();
    let servers = set.endpoints(&TargetName::new("offsite"));
    assert_eq!(servers.len(), 2, "those that stand in the document itself");
}

#[test]
fn a_value_that_is_not_there_is_told_by_its_line() {
    let steps = "  - {name: snapshot, backup: etcd-backup, config: {a: [{valueFrom: {env: NOT_SET}}]}}\n  - {name: verify, verify: etcd-verify}\n  - {name: store, target: local}\n";
    let steps = steps.replace("  - ", "    - ");
    let sas = "{sas: {token: {valueFrom: {file: f}}}}";
    let table = [
        (
            target("{account: {valueFrom: {env: NOT_SET}}}", "", "none"),
            "spec.config.account names the environment variable NOT_SET, which is not set; set it for this process",
        ),
        (
            target("{a: {valueFrom: {env: EMPTY}}}", "", "none"),
            "spec.config.a comes from the environment variable EMPTY, which is empty; put the value there",
        ),
        (
            target("{}", "{valueFrom: {env: NOT_SET}}", "none"),
            "spec.endpoints[0] names the environment variable NOT_SET, which is not set; set it for this process",
        ),
        (
            target(
                "{}",
                "'https://a.example', {valueFrom: {env: ACCOUNT}}",
                "none",
            ),
            "spec.endpoints[1] comes from the environment variable ACCOUNT, and must be a server such as https://s3.example.com or https://10.0.0.5:9000, without path, query or user",
        ),
        (
            target(
                "{}",
                "{name: {valueFrom: {env: NOBODY}}, domain: x.example}",
                "none",
            ),
            "spec.endpoints[0] comes from the environment variable NOBODY, and must be one part of a host's name: letters, digits and -, 63 of them at most",
        ),
        (
            target("{}", "{valueFrom: {env: CLEAR}}", sas),
            "spec.endpoints[0] of a Target is in the clear, where whoever sees what the identity sas adds to a request could use it: write https://",
        ),
        (
            with_steps(&steps),
            "config.a[0] names the environment variable NOT_SET, which is not set; set it for this process",
        ),
    ];
    for (text, sentence) in table {
        let told = told(&text);
        assert!(told.ends_with(sentence), "{told}");
        let line = match sentence {
            _ if sentence.starts_with("spec.config") => "5:",
            _ if sentence.starts_with("spec.endpoints") => "6:",
            _ => "",
        };
        assert!(told.starts_with(&format!("{FILE}:{line}")), "{told}");
    }
}

#[test]
fn a_place_that_is_none_is_a_mistake_of_the_document() {
    let place = "must name one place and nothing else: {valueFrom: {file: PATH}} or {valueFrom: {env: NAME}}";
    let table = [
        (
            target("{a: [{valueFrom: {step: x}}]}", "", "none"),
            format!("spec.config.a[0] of a Target {place}"),
        ),
        (
            target("{a: {valueFrom: {env: A}, or: b}}", "", "none"),
            format!("spec.config.a of a Target {place}"),
        ),
        (
            target("{}", "{name: 'a.b', domain: x.example}", "none"),
            "spec.endpoints[0].name of a Target must be one part of a host's name: letters, digits and -, 63 of them at most".to_owned(),
        ),
        (
            target("{}", "{name: a, domain: 'x.example/path'}", "none"),
            "spec.endpoints[0].domain of a Target must be what stands behind the name, e.g. blob.core.windows.net; the server is then https://NAME.DOMAIN".to_owned(),
        ),
        (
            target("{}", "{name: a}", "none"),
            "spec.endpoints[0] of a Target must be a server such as https://s3.example.com, {valueFrom: {env: NAME}}, or {name: NAME, domain: DOMAIN} for https://NAME.DOMAIN".to_owned(),
        ),
        (
            target("{}", "{nmae: a, domain: b}", "none"),
            "spec.endpoints[0].nmae is no key of a Target; did you mean name?".to_owned(),
        ),
    ];
    for (text, sentence) in table {
        let told = told(&text);
        assert!(told.ends_with(&sentence), "{told}");
    }
}

#[test]
fn a_target_whose_value_is_missing_stops_only_who_uses_it() {
    let text = format!(
        "{}---\n{}",
        target("{a: {valueFrom: {env: NOT_SET}}}", "", "none"),
        target("{}", "", "none").replace("offsite", "other")
    );
    let loaded = || {
        let mut loaded = Loaded::of(parse(FILE, &text).unwrap());
        loaded.read_values(&KNOWN);
        loaded
    };
    let usable = loaded().take(Need::One(Kind::Target, "other")).unwrap();
    assert_eq!(usable.warnings.len(), 1);
    assert!(loaded().take(Need::One(Kind::Target, "offsite")).is_err());
}

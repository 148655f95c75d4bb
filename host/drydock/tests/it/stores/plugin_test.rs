//! `drydock plugin test`: the contract of a store, for the author of one.

use std::path::{Path, PathBuf};
use std::process::Command;

use drydock_core::PluginDigest;
use drydock_testkit::Scratch;
use drydock_testkit::versitygw::{BUCKET, REGION, ROOT, Versitygw};
use serde_json::{Value, json};

use crate::world::{Answer, DRYDOCK, checkout, files_under, fixture, runtime};

fn shipped(name: &str) -> PathBuf {
    checkout()
        .join("plugins/dist")
        .join(name)
        .with_extension("wasm")
}

fn test(component: &Path, more: &[&str]) -> Answer {
    let mut command = Command::new(DRYDOCK);
    command.args(["plugin", "test"]).arg(component).args(more);
    Answer::of(command.output().unwrap())
}

/// A grant of one folder to this component.
fn grant(scratch: &Scratch, component: &Path, folder: &Path) -> String {
    let digest = PluginDigest::of(&std::fs::read(component).unwrap());
    let grant = scratch.join("grant.yaml");
    let text = format!(
        "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: tried}}\nspec:\n  digest: {digest}\n  grants:\n    files: [{{directory: {}, access: write}}]\n",
        folder.display()
    );
    std::fs::write(&grant, text).unwrap();
    grant.display().to_string()
}

/// The ends of the checks by their names.
fn ends(answer: &Answer) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(&answer.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = told["checks"].as_array().unwrap().iter();
    checks
        .map(|check| (text(&check["name"]), text(&check["end"])))
        .collect()
}

fn failed(answer: &Answer) -> Vec<String> {
    let failed = ends(answer).into_iter().filter(|(_, end)| end == "failed");
    failed.map(|(name, _)| name).collect()
}

#[test]
fn a_folder_keeps_all_that_is_expected_of_a_store() {
    let scratch = Scratch::new().unwrap();
    let folder = scratch.folder("target").unwrap();
    let component = shipped("store-file");
    let grant = grant(&scratch, &component, &folder);
    let config = json!({ "folder": folder }).to_string();
    let arguments = ["--plugin-config", &config, "--grant", &grant];
    let answer = test(&component, &arguments).ok();
    let last = answer.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("locks are shown and never shortened") && last.contains("not applicable"),
        "{}",
        answer.stdout
    );
    let answer = test(
        &component,
        &[&arguments[..], &["--output", "json"]].concat(),
    )
    .ok();
    let ends = ends(&answer);
    assert!(ends.len() > 15, "{ends:?}");
    let other = ends.iter().filter(|(_, end)| end != "passed").count();
    assert_eq!(other, 1, "{ends:?}");
    assert_eq!(files_under(&folder), Vec::<PathBuf>::new());
}

#[test]
fn a_bucket_is_tried_with_its_target_and_no_secret_is_told() {
    let server = runtime().block_on(Versitygw::http()).unwrap();
    let scratch = Scratch::new().unwrap();
    let component = shipped("store-s3");
    let digest = PluginDigest::of(&std::fs::read(&component).unwrap());
    let put = |name: &str, text: &str| std::fs::write(scratch.join(name), text).unwrap();
    put("id", ROOT.id);
    put("secret", ROOT.secret);
    let url = server.url("");
    put(
        "try.yaml",
        &format!(
            "apiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: store-s3}}\nspec:\n  digest: {digest}\n  grants:\n    http: [{{target: tried, addresses: [loopback]}}]\n---\napiVersion: drydock.dev/v1\nkind: Target\nmetadata: {{name: tried}}\nspec:\n  plugin: store-s3\n  config: {{endpoint: \"{url}\", bucket: {BUCKET}}}\n  endpoints: [\"{url}\"]\n  identity:\n    accessKey:\n      id: {{valueFrom: {{file: {}}}}}\n      secret: {{valueFrom: {{file: {}}}}}\n      region: {REGION}\n",
            scratch.join("id").display(),
            scratch.join("secret").display(),
        ),
    );
    let file = scratch.join("try.yaml").display().to_string();
    let answer = test(&component, &["--grant", &file, "--output", "json"]).ok();
    assert_eq!(failed(&answer), Vec::<String>::new());
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(!said.contains(ROOT.secret) && !said.contains("Signature="));
    let left = files_under(&server.folder(BUCKET));
    let left = left
        .iter()
        .filter(|file| file.display().to_string().contains("contract"));
    assert_eq!(left.count(), 0);
}

/// Each lie is found by the check that is there for it, and the others go on.
#[test]
fn a_store_that_lies_is_found_out() {
    for (lie, expectation) in [
        (
            "object-overwrites",
            "no request and no upload overwrites an object",
        ),
        ("other-bytes", "ranges are exact"),
        ("never-forgets", "deleting can be repeated"),
    ] {
        let scratch = Scratch::new().unwrap();
        let folder = scratch.folder("target").unwrap();
        let component = fixture("hostile-store");
        let grant = grant(&scratch, &component, &folder);
        let config = json!({"folder": folder, "do": lie}).to_string();
        let arguments = [
            "--plugin-config",
            &config,
            "--grant",
            &grant,
            "--output",
            "json",
        ];
        let answer = test(&component, &arguments).code(1);
        let failed = failed(&answer);
        assert!(
            failed.iter().any(|name| name == expectation),
            "{lie}: {failed:?}"
        );
        let passed = ends(&answer)
            .iter()
            .filter(|(_, end)| end == "passed")
            .count();
        assert!(passed > 3, "{lie}: {}", answer.stdout);
        if lie == "never-forgets" {
            assert!(
                answer.stderr.contains("is left: remove it by hand"),
                "{}",
                answer.stderr
            );
        }
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let component = shipped("etcd-verify");
    let answer = test(&component, &[]).code(64);
    assert!(
        answer.stderr.contains(
            "etcd-verify is of the world verify, and the suite is for those of the world store"
        ),
        "{}",
        answer.stderr
    );
}

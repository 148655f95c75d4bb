//! Who gets in. Nothing of a refused plugin runs: the refusal is all there is.

use std::path::Path;

use drydock_capability_etcd::EtcdCall;
use drydock_capability_files::{Access, FolderGrant};
use drydock_core::{Grants, PluginDigest};
use drydock_sandbox::{Admission, Request, read_manifest};

use crate::{all_grants, built, sandbox};

/// The refusal, its causes appended.
fn refusal(component: &[u8], grants: Option<&Grants>, ceiling: Option<&Grants>) -> String {
    let admission = Admission {
        component,
        builtin: None,
        grants,
        ceiling,
        limits: None,
    };
    let error = sandbox().admit(admission).unwrap_err();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn everything() -> Grants {
    all_grants(Path::new("/var/backups"), Access::Write)
}

/// Everything that the probe asks for but what satisfies `request`.
fn all_but(request: Request) -> Grants {
    let grants = everything();
    let calls = grants.of::<EtcdCall>().iter();
    let others = calls
        .copied()
        .filter(|call| call.power() != *request.power());
    match request.word() {
        "files.read" => grants.without::<FolderGrant>(),
        "files.write" => all_grants(Path::new("/var/backups"), Access::Read),
        call if call.starts_with("etcd.") => {
            let others: Vec<_> = others.collect();
            grants.without::<EtcdCall>().with(others)
        }
        other => panic!("the probe asks for {other}"),
    }
}

#[tokio::test]
async fn shipped_plugins_run_with_what_they_ask_for() {
    for name in ["etcd-backup", "etcd-verify", "store-file"] {
        let component = built(name);
        let grants = everything();
        let admitted = sandbox().admit(Admission {
            component: &component,
            builtin: Some(name),
            grants: Some(&grants),
            ceiling: Some(&grants),
            limits: None,
        });
        let plugin = admitted.unwrap();
        assert_eq!(plugin.manifest().name, name);
        assert_eq!(plugin.digest(), &PluginDigest::of(&component));
    }
}

#[tokio::test]
async fn each_missing_grant_is_named_with_the_line_to_add() {
    let component = built("probe");
    let digest = PluginDigest::of(&component);
    for request in read_manifest(&component).unwrap().requests {
        let text = refusal(&component, Some(&all_but(request)), None);
        let expected = format!(
            "plugin probe ({digest}) asks for {request}, which no grant allows: add `{}` under `grants:` of a PluginGrant that names `digest: {digest}`",
            request.grant_line()
        );
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn each_missing_part_of_the_ceiling_is_named() {
    let component = built("probe");
    for request in read_manifest(&component).unwrap().requests {
        let text = refusal(&component, Some(&everything()), Some(&all_but(request)));
        let expected = format!(
            "asks for {request}, which a grant allows and this node's ceiling does not: add `{}` under `ceiling:`",
            request.grant_line()
        );
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test]
async fn a_built_in_plugin_is_granted_by_its_name() {
    let error = sandbox().admit(Admission {
        component: &built("store-file"),
        builtin: Some("store-file"),
        grants: None,
        ceiling: None,
        limits: None,
    });
    let text = error.unwrap_err().to_string();
    assert!(
        text.ends_with("of a PluginGrant that names `builtin: store-file`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_plugin_that_no_grant_names_waits() {
    let text = refusal(&built("etcd-verify"), None, None);
    assert!(
        text.starts_with("no PluginGrant names plugin etcd-verify (sha256:"),
        "{text}"
    );
}

#[tokio::test]
async fn an_import_that_the_manifest_does_not_ask_for_is_refused() {
    let text = refusal(&built("asks-too-little"), Some(&everything()), None);
    assert!(
        text.contains("imports drydock:plugin/files@0.1.0 `"),
        "{text}"
    );
    assert!(
        text.contains("add \"files.read\" to the manifest's requests"),
        "{text}"
    );
}

#[tokio::test]
async fn broken_plugins_are_refused_by_what_is_wrong_with_them() {
    let grants = everything();
    let table = [
        (
            "wrong-version",
            "was built against drydock:plugin@9.9.9, and this host speaks drydock:plugin@0.1.0",
        ),
        ("no-manifest", "has no section `drydock:plugin`"),
        (
            "two-manifests",
            "has 2 manifests in sections `drydock:plugin` and must have exactly one",
        ),
    ];
    for (name, expected) in table {
        let text = refusal(&built(name), Some(&grants), None);
        assert!(text.contains(expected), "{name}: {text}");
    }
}

#[tokio::test]
async fn a_damaged_component_is_refused() {
    let mut component = built("store-file");
    let middle = component.len() / 2;
    component.truncate(middle);
    let text = refusal(&component, Some(&everything()), None);
    assert!(text.contains("damaged or cut off"), "{text}");
}

#[tokio::test]
async fn the_world_of_the_manifest_must_be_what_is_exported() {
    // One word of the manifest is exchanged for one of the same length.
    let mut component = built("etcd-backup");
    let (from, to) = (br#""world":"backup""#, br#""world":"verify""#);
    let places: Vec<_> = component.windows(from.len()).enumerate().collect();
    let places = places.into_iter().filter(|(_, window)| window == from);
    for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
        component[at..at + to.len()].copy_from_slice(to);
    }
    assert_eq!(
        read_manifest(&component).unwrap().world.to_string(),
        "verify"
    );
    let text = refusal(&component, Some(&everything()), None);
    assert!(
        text.contains(
            "says it is of the world verify and does not export drydock:plugin/verify-step@0.1.0"
        ),
        "{text}"
    );
}

/// The same component, whose manifest asks for another word of the same length.
fn asking(name: &str, word: &str, other: &str) -> Vec<u8> {
    let component = built(name);
    let text = |word: &str, size: usize| format!("{:<size$}", format!("\"{word}\"")).into_bytes();
    let size = word.len().max(other.len()) + 2;
    let (old, new) = (text(word, word.len() + 2), text(other, size));
    assert_eq!(old.len(), new.len(), "{word} {other}");
    let at = component.windows(old.len()).rposition(|part| part == old);
    let at = at.unwrap_or_else(|| panic!("{name} asks for {word}"));
    let mut component = component;
    component[at..at + new.len()].copy_from_slice(&new);
    component
}

/// A run that only backs up and verifies goes on beside every other: what it may do to its
/// cluster is not for a grant to say.
#[tokio::test]
async fn a_backup_or_verify_plugin_that_asks_to_change_etcd_is_refused_whatever_it_was_granted() {
    let writes = Grants::default().with(EtcdCall::ALL);
    let grants = everything()
        .without::<EtcdCall>()
        .with(writes.of::<EtcdCall>().to_vec());
    for (name, world, word, other) in [
        ("etcd-backup", "backup", "etcd.snapshot", "etcd.compact"),
        ("probe", "backup", "etcd.member-list", "etcd.move-leader"),
        ("signer", "verify", "secret.reveal", "etcd.compact"),
    ] {
        let component = asking(name, word, other);
        let told = refusal(&component, Some(&grants), None);
        let begin =
            format!("is a {world} plugin and asks for {other}, which changes what it reaches");
        assert!(told.contains(&begin), "{told}");
        assert!(
            told.contains("only a plugin of the world action may, whatever is granted"),
            "{told}"
        );
        let judged = sandbox().judge(Admission {
            component: &component,
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: None,
        });
        let judged: Vec<String> = judged.complaints.iter().map(ToString::to_string).collect();
        assert!(judged.iter().any(|one| one.contains(&begin)), "{judged:?}");
    }
}

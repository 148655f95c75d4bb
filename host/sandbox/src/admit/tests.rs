use drydock_capability_artifact::{OutputUse, may_publish};
use drydock_capability_etcd::EtcdCall;
use drydock_capability_files::{Access, FolderGrant};
use drydock_capability_http::HttpGrant;
use drydock_capability_secret::SecretGrant;
use serde_json::json;

use super::*;

fn folder(directory: &str, access: Access) -> FolderGrant {
    FolderGrant::new(directory, access)
}

fn manifest(requests: &[&str]) -> PluginManifest {
    PluginManifest {
        name: "store-x".to_owned(),
        version: "1".to_owned(),
        world: World::Store,
        contract: String::new(),
        requests: requests
            .iter()
            .map(|word| Request::named(word).unwrap())
            .collect(),
        optional: Vec::new(),
        action: None,
    }
}

#[test]
fn what_was_read_is_public_only_where_grant_and_ceiling_say_so() {
    let reads = Grants::default().with([folder("/a", Access::Read)]);
    let says = reads.clone().with([OutputUse::Public]);
    let decided = |grants: &Grants, ceiling| {
        let granted = decide(&["files.read"], Some(grants), ceiling);
        granted.map(|granted| may_publish(&granted))
    };
    assert_eq!(decided(&reads, None), Ok(false));
    assert_eq!(decided(&says, None), Ok(true));
    assert_eq!(decided(&says, Some(&reads)), Ok(false));
    assert_eq!(decided(&says, Some(&says)), Ok(true));
    // What reads nothing has nothing to give away.
    assert!(may_publish(&Grants::default()));
    let figures = Grants::default().with([EtcdCall::Status]);
    assert!(may_publish(&figures));
    assert!(!may_publish(&figures.with([EtcdCall::Snapshot])));
}

#[test]
fn for_reading_a_grant_to_read_is_enough_and_no_more_is_given() {
    let asks = manifest(&["files.read", "files.write"]);
    let digest = PluginDigest::new("sha256:00");
    for access in [Access::Read, Access::Write] {
        let grants = Grants::default().with([folder("/a", access)]);
        let admission = Admission {
            component: b"",
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: None,
        };
        let given = effective(&admission, &reading(&asks), &digest).unwrap();
        assert_eq!(given.of::<FolderGrant>(), [folder("/a", Access::Read)]);
    }
}

fn decide(
    requests: &[&str],
    grants: Option<&Grants>,
    ceiling: Option<&Grants>,
) -> Result<Grants, String> {
    let admission = Admission {
        component: b"",
        builtin: None,
        grants,
        ceiling,
        limits: None,
    };
    let digest = PluginDigest::new("sha256:00");
    effective(&admission, &manifest(requests), &digest).map_err(|error| error.to_string())
}

#[test]
fn a_refusal_names_the_line_to_add() {
    let message = decide(&["files.write"], Some(&Grants::default()), None).unwrap_err();
    assert_eq!(
        message,
        "plugin store-x (sha256:00) asks for files.write, which no grant allows: add `files: [{directory: /the/folder, access: write}]` under `grants:` of a PluginGrant that names `digest: sha256:00`"
    );
}

#[test]
fn a_foreign_plugin_must_be_named_even_if_it_asks_for_nothing() {
    let message = decide(&[], None, None).unwrap_err();
    assert!(
        message.starts_with("no PluginGrant names plugin store-x (sha256:00)"),
        "{message}"
    );
    assert!(decide(&[], Some(&Grants::default()), None).is_ok());
}

#[test]
fn a_grant_gives_no_more_than_was_asked() {
    let grants = network()
        .with([EtcdCall::Status, EtcdCall::Snapshot])
        .with([folder("/a", Access::Write)]);
    let effective = decide(&["etcd.status", "files.read"], Some(&grants), None);
    let expected = Grants::default()
        .with([EtcdCall::Status])
        .with([folder("/a", Access::Read)]);
    assert_eq!(effective.unwrap(), expected);
    assert_eq!(decide(&[], Some(&grants), None).unwrap(), Grants::default());
}

#[test]
fn what_a_plugin_can_do_without_is_given_where_it_is_granted() {
    let digest = PluginDigest::new("sha256:00");
    let asks = PluginManifest {
        optional: vec![Request::named("etcd.status").unwrap()],
        ..manifest(&["files.read"])
    };
    let decided = |grants: &Grants, ceiling| {
        let admission = Admission {
            component: b"",
            builtin: None,
            grants: Some(grants),
            ceiling,
            limits: None,
        };
        effective(&admission, &asks, &digest).map_err(|error| error.to_string())
    };
    let reads = Grants::default().with([folder("/a", Access::Read)]);
    assert_eq!(decided(&reads, None).unwrap(), reads);
    let both = reads.clone().with([EtcdCall::Status]);
    assert_eq!(decided(&both, None).unwrap(), both);
    let refused = decided(&both, Some(&reads)).unwrap_err();
    assert!(
        refused.contains("this node's ceiling does not"),
        "{refused}"
    );
    let refused = decided(&Grants::default(), None).unwrap_err();
    assert!(refused.contains("asks for files.read"), "{refused}");
}

fn granted(written: &serde_json::Value) -> Grants {
    Grants::parse(&written.into(), crate::capabilities()).unwrap()
}

/// A host, a key and a secret to be seen.
fn network() -> Grants {
    granted(&json!({
        "http": [{"scheme": "https", "host": "*.example", "addresses": ["private"]}],
        "secret": [
            {"name": "k", "use": {"sign": {"algorithm": "hmac-sha256"}}},
            {"name": "k", "reveal": true},
        ],
    }))
}

#[test]
fn requests_of_the_network_give_their_own_part_each() {
    let granted = network();
    let of = |request: &str| decide(&[request], Some(&granted), None).unwrap();
    let parts = |grants: &Grants| (grants.of::<HttpGrant>().len(), grants.of().to_vec());
    let secrets: &[SecretGrant] = granted.of();
    assert_eq!(parts(&of("http")), (1, vec![]));
    let used = secrets[..1].to_vec();
    assert_eq!(parts(&of("secret.use")), (0, used));
    let seen = secrets[1..].to_vec();
    assert_eq!(parts(&of("secret.reveal")), (0, seen));
}

#[test]
fn a_use_is_no_reveal_and_a_reveal_no_use() {
    let network = network();
    let secrets: &[SecretGrant] = network.of();
    let only = |index: usize| Grants::default().with([secrets[index].clone()]);
    let refusal = |request, grants| decide(&[request], Some(&grants), None).unwrap_err();
    let message = refusal("secret.reveal", only(0));
    assert!(
        message.contains("add `secret: [{name: the-secret, reveal: true}]`"),
        "{message}"
    );
    let message = refusal("secret.use", only(1));
    assert!(
        message.contains("asks for secret.use, which no grant allows"),
        "{message}"
    );
}

#[test]
fn the_ceiling_cuts_hosts_and_secrets() {
    let ceiling = granted(&json!({
        "http": [{"scheme": "https", "host": "a.example", "methods": ["GET"]}],
        "secret": [{"name": "k", "use": {"sign": {"algorithm": "hmac-sha256", "messagePrefix": "x"}}}],
    }));
    let requests = ["http", "secret.use"];
    let effective = decide(&requests, Some(&network()), Some(&ceiling)).unwrap();
    assert_eq!(effective, ceiling);
    let near = [
        (
            "secret.reveal",
            &ceiling,
            "`secret: [{name: the-secret, reveal: true}]`",
        ),
        (
            "http",
            &Grants::default(),
            "`http: [{scheme: https, host: the.host}]`",
        ),
    ];
    for (request, ceiling, line) in near {
        let message = decide(&[request], Some(&network()), Some(ceiling)).unwrap_err();
        assert!(
            message.contains(&format!("add {line} under `ceiling:`")),
            "{message}"
        );
    }
}

#[test]
fn the_ceiling_cuts_what_was_granted() {
    let grants = Grants::default().with([EtcdCall::Status]).with([
        folder("/var", Access::Write),
        folder("/srv/x", Access::Write),
    ]);
    let ceiling = Grants::default().with([
        folder("/var/backups", Access::Write),
        folder("/srv", Access::Read),
    ]);
    let effective = decide(&["files.write"], Some(&grants), Some(&ceiling)).unwrap();
    assert_eq!(
        effective.of::<FolderGrant>(),
        [
            folder("/var/backups", Access::Write),
            folder("/srv/x", Access::Read)
        ]
    );
    let message = decide(&["etcd.status"], Some(&grants), Some(&ceiling)).unwrap_err();
    assert!(
        message.contains("add `etcd: [status]` under `ceiling:`"),
        "{message}"
    );
}

/// Whatever it was granted: a run that backs up reads its cluster, and nothing else.
#[test]
fn only_an_action_may_ask_to_change_a_cluster() {
    let digest = PluginDigest::new("sha256:00");
    let writing = || {
        let powers = Request::all().filter(|request| request.word().starts_with("etcd."));
        powers.filter(|request| request.power().reach == Reach::Writes)
    };
    assert!(writing().count() > 1);
    for world in World::ALL {
        for request in writing() {
            let asks = PluginManifest {
                world,
                ..manifest(&["etcd.status", "files.write", request.word()])
            };
            let told: Vec<String> = beyond_world(&asks, &digest)
                .map(|error| error.to_string())
                .collect();
            if world == World::Action {
                assert_eq!(told, Vec::<String>::new());
                continue;
            }
            let [told] = told.as_slice() else {
                panic!("{world} {request}: {told:?}");
            };
            let begin =
                format!("plugin store-x (sha256:00) is a {world} plugin and asks for {request}, ");
            assert!(told.starts_with(&begin), "{told}");
            assert!(
                told.contains("only a plugin of the world action may"),
                "{told}"
            );
        }
    }
}

//! One plugin that serves two: each reaches its own servers and secrets, and is refused the
//! other's.

use std::sync::Arc;

use drydock_capability_secret::SecretSource;
use drydock_core::{ErrorClass, Fault, Grants, Secret};
use serde_json::{Value, json};

use super::kit::{World, acts, fault, get, granted, saw};

const WHY_A: &str = "target a narrows what the plugin was granted";
const WHY_B: &str = "target b narrows what the plugin was granted";

/// The secrets of one target.
struct Own(&'static str);

impl SecretSource for Own {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        Ok(Secret::new(format!("{}-of-{name}", self.0).into_bytes()))
    }
}

/// A host of the server, with a token for it.
fn host(world: &World, name: &str) -> Grants {
    let port = world.server.port();
    granted(&json!({
        "http": [{"scheme": "https", "host": name, "port": port, "addresses": ["loopback"]}],
        "secret": [{"name": "token", "use": {"header": {"host": name, "port": port, "name": "Authorization"}}}],
    }))
}

/// What the signer asks for beside what two targets need.
fn both(world: &World, targets: [&Grants; 2]) -> Value {
    let mut all = world.grants();
    all["secret"].as_array_mut().unwrap().remove(1);
    for grants in targets {
        for (list, entries) in serde_json::to_value(grants).unwrap().as_object().unwrap() {
            let list = all[list].as_array_mut().unwrap();
            list.extend(entries.as_array().unwrap().iter().cloned());
        }
    }
    all
}

fn with_token(url: &str) -> Value {
    json!({"do": "send", "method": "GET", "url": url, "placeholder": "token", "headers": [["Authorization", "PLACEHOLDER"]]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reaches_for_each_target_what_that_leaves_it() {
    let world = World::start().await;
    let (at_a, at_b) = (host(&world, "localhost"), host(&world, "store.example"));
    let whole = world.signer_with(&both(&world, [&at_a, &at_b]), world.config());
    let a = whole.narrowed(&at_a, WHY_A);
    let a = a.with_secrets(Arc::new(Own("a")));
    let b = whole.narrowed(&at_b, WHY_B);
    let b = b.with_secrets(Arc::new(Own("b")));
    let url_a = world.server.url("/");
    let url_b = world.server.url_by("store.example", "/");
    for (plugin, own, other, why, token) in [
        (&a, &url_a, &url_b, WHY_A, "a-of-token"),
        (&b, &url_b, &url_a, WHY_B, "b-of-token"),
    ] {
        saw(plugin, with_token(own)).await;
        let seen = world.server.seen();
        assert_eq!(seen.last().unwrap().headers["authorization"], token);
        let attempt = acts(plugin, &[get(other)]).await;
        let log = attempt.log.to_string();
        let refused = attempt.result.unwrap_err();
        assert_eq!(
            (refused.class, refused.code.as_str()),
            (ErrorClass::Denied, "not-granted")
        );
        // The line of the PluginGrant would not be enough, and is not what is missing here.
        assert!(refused.message.ends_with(&format!("; {why}")), "{refused}");
        assert!(log.contains(why), "{log}");
        assert_eq!(world.server.seen().len(), seen.len());
    }
    // What nobody narrowed has both.
    saw(&whole, get(&url_a)).await;
    saw(&whole, get(&url_b)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_binding_does_not_name_is_gone() {
    let world = World::start().await;
    let port = world.server.port();
    let only = granted(&json!({
        "http": [{"scheme": "https", "host": "127.0.0.1", "port": port, "methods": ["GET"]}],
        "secret": [{"name": "token", "use": {"header": {"host": "other.example", "name": "Authorization"}}}],
    }));
    let rule =
        json!({"scheme": "https", "host": "127.0.0.1", "port": port, "addresses": ["loopback"]});
    let whole = world.signer_with(&world.granted(rule), world.config());
    let narrowed = whole.narrowed(&only, WHY_A);
    let url = world.server.url_by("127.0.0.1", "/");
    let table = [
        // The addresses inside have to be named anew.
        (get(&url), "address-prohibited"),
        (
            json!({"do": "send", "method": "PUT", "url": url}),
            "not-granted",
        ),
        (get(&world.server.url("/")), "not-granted"),
        (json!({"do": "reveal", "secret": "shown"}), "not-granted"),
        (
            json!({"do": "sign", "secret": "aws", "message": "x"}),
            "not-granted",
        ),
        // It has nothing in common with what was granted.
        (with_token(&url), "not-granted"),
    ];
    for (act, code) in table {
        let refused = fault(&narrowed, act.clone()).await;
        assert_eq!(refused.code.as_str(), code, "{act}: {refused}");
        assert!(refused.message.ends_with(WHY_A), "{act}: {refused}");
    }
    assert!(world.server.seen().is_empty());
    // A binding never gives what was not granted.
    let wider = json!({"http": [{"scheme": "https", "host": "store.example", "port": port, "addresses": ["loopback"]}]});
    let narrowed = world.signer().narrowed(&granted(&wider), WHY_A);
    assert_eq!(*narrowed.grants(), Grants::default());
}

//! Secrets that are used, unseen; and those that are seen and then told.

use drydock_capability_http::HttpGrant;
use drydock_capability_secret::SecretGrant;
use drydock_core::{ErrorClass, Grants};
use drydock_sandbox::{Admission, Request};
use serde_json::{Value, json};

use super::kit::{TOKEN, World, acts, fault, get, granted, saw};
use crate::{built, call, sandbox};

/// "GET Object" of the Amazon S3 API reference.
const STRING_TO_SIGN: &str = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

fn chain(steps: usize, message: &str) -> Value {
    let all = ["20130524", "us-east-1", "s3", "aws4_request", "more"];
    json!({"secret": "aws", "derive": &all[..steps], "message": message})
}

fn sign(steps: usize, message: &str) -> Value {
    let mut act = chain(steps, message);
    act["do"] = json!("sign");
    act
}

fn with_token(url: &str, headers: Value) -> Value {
    json!({"do": "send", "method": "GET", "url": url, "placeholder": "token", "headers": headers})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_signed_with_a_key_that_was_derived() {
    let world = World::start().await;
    let act = json!({"do": "send-signed", "url": world.server.url("/"), "sign": chain(4, STRING_TO_SIGN)});
    saw(&world.signer(), act).await;
    assert_eq!(world.server.seen()[0].headers["x-signature"], SIGNATURE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_held_to_its_grant() {
    let world = World::start().await;
    let signer = world.signer();
    assert_eq!(saw(&signer, sign(4, STRING_TO_SIGN)).await, SIGNATURE);
    let table = [
        (sign(3, STRING_TO_SIGN), "wrong-chain"),
        (sign(0, STRING_TO_SIGN), "wrong-chain"),
        (sign(5, STRING_TO_SIGN), "wrong-chain"),
        (sign(4, "AWS4-HMAC-SHA512\nx"), "message-refused"),
        (
            json!({"do": "sign", "secret": "token", "message": "x"}),
            "not-granted",
        ),
        (
            json!({"do": "sign", "secret": "other", "message": "x"}),
            "not-granted",
        ),
        (json!({"do": "reveal", "secret": "aws"}), "not-granted"),
        (json!({"do": "reveal", "secret": "token"}), "not-granted"),
    ];
    for (act, code) in table {
        let fault = fault(&signer, act.clone()).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, code),
            "{act}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_is_filled_in_and_the_secret_stays_unseen() {
    let world = World::start().await;
    let act = with_token(
        &world.server.url("/reflect"),
        json!([["Authorization", "PLACEHOLDER"]]),
    );
    let attempt = acts(&world.signer(), &[act]).await;
    let server_saw = &world.server.seen()[0].headers["authorization"];
    assert_eq!(server_saw, &format!("Bearer {TOKEN}"));
    // The header comes back without the secret. The body is the server's own affair, and
    // still the secret is taken out of what the plugin tells of it.
    assert_eq!(
        attempt.result.unwrap().findings[0].message,
        "200 x-reflected=Bearer [redacted secret token] Bearer [redacted secret token]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placeholder_anywhere_else_is_refused() {
    let world = World::start().await;
    let port = world.server.port();
    let rule = json!({"scheme": "https", "host": "store.example", "port": port, "addresses": ["loopback"]});
    let signer = world.signer_with(&world.granted(rule), world.config());
    let right = json!([["Authorization", "PLACEHOLDER"]]);
    let url = world.server.url("/");
    let table = [
        with_token(&url, json!([["X-Token", "PLACEHOLDER"]])),
        with_token(&url, json!([["Authorization", "Bearer PLACEHOLDER"]])),
        with_token(
            &url,
            json!([
                ["Authorization", "PLACEHOLDER"],
                ["Authorization", "Basic PLACEHOLDER"]
            ]),
        ),
        with_token(&world.server.url_by("store.example", "/"), right),
        with_token(&world.server.url("/?token=PLACEHOLDER"), json!([])),
        with_token(&world.server.url("/PLACEHOLDER"), json!([])),
    ];
    for act in table {
        let fault = fault(&signer, act.clone()).await;
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (ErrorClass::Denied, "placeholder-refused"),
            "{act}"
        );
    }
    assert!(world.server.seen().is_empty());
    // In a body it is text like any other.
    let act = json!({"do": "send", "method": "PUT", "url": url, "placeholder": "token", "body": "<PLACEHOLDER>"});
    saw(&signer, act).await;
    let body = String::from_utf8(world.server.seen()[0].body.clone()).unwrap();
    assert!(
        body.starts_with("<drydock-secret-") && !body.contains(TOKEN),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_tells_of_a_secret_is_taken_out() {
    let world = World::start().await;
    let signer = world.signer();
    let attempt = acts(&signer, &[json!({"do": "reveal", "secret": "shown"})]).await;
    let told = attempt.result.unwrap().findings[0].message.clone();
    // The plugin did see it: its length is right.
    assert_eq!(told, "14 bytes: [redacted secret shown]");
    let log = attempt.log.to_string();
    assert!(
        log.contains("info: the secret is [redacted secret shown]"),
        "{log}"
    );
    assert!(
        log.contains("stdout: on stdout: [redacted secret shown]"),
        "{log}"
    );
    let fault = fault(&signer, json!({"do": "fail-with", "secret": "shown"})).await;
    assert_eq!(fault.message, "it is [redacted secret shown]");
    assert_eq!(
        fault.details,
        [("value".to_owned(), "[redacted secret shown]".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn judging_a_configuration_has_no_power() {
    let world = World::start().await;
    for act in [
        get(&world.server.url("/")),
        sign(4, STRING_TO_SIGN),
        json!({"do": "reveal", "secret": "shown"}),
    ] {
        let config = json!({"acts": [], "check": [act]});
        let attempt = world
            .signer()
            .check_config(call(&config.to_string()), None)
            .await;
        let fault = attempt.result.unwrap_err();
        assert_eq!(fault.class, ErrorClass::Denied, "{act}: {fault}");
    }
    assert!(world.server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_power_is_asked_for_and_granted_by_itself() {
    let world = World::start().await;
    let everything = granted(&world.grants());
    let component = built("signer");
    let refusal = |grants: &Grants, ceiling: Option<&Grants>| {
        let admission = Admission {
            component: &component,
            builtin: None,
            grants: Some(grants),
            ceiling,
            limits: None,
        };
        sandbox().admit(admission).unwrap_err().to_string()
    };
    let secrets: &[SecretGrant] = everything.of();
    let (seen, used): (Vec<_>, Vec<_>) = secrets.iter().cloned().partition(|grant| grant.reveals());
    let without = || everything.clone().without::<SecretGrant>();
    let table = [
        ("http", everything.clone().without::<HttpGrant>()),
        ("secret.use", without().with(seen)),
        ("secret.reveal", without().with(used)),
    ];
    for (word, less) in table {
        let request = Request::named(word).unwrap();
        let line = request.grant_line();
        let text = refusal(&less, None);
        assert!(
            text.contains(&format!(
                "asks for {request}, which no grant allows: add `{line}` under `grants:`"
            )),
            "{text}"
        );
        let text = refusal(&everything, Some(&less));
        assert!(
            text.contains(&format!(
                "this node's ceiling does not: add `{line}` under `ceiling:`"
            )),
            "{text}"
        );
    }
}

//! Searches everything that a guest can read for secrets that it must not have, after
//! every call between guest and host. The engine of these tests is compiled for debugging,
//! which opens the guest's memories to the host.

mod identities;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drydock_capability_http::HttpConfig;
use drydock_capability_secret::SecretSource;
use drydock_core::{Clock, ClusterName, Facts, Fault, Grants, Secret, UnixTime, Verdict};
use drydock_testkit::pki::{Authority, Purpose, Validity};
use drydock_testkit::web::WebServer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wasmtime::{AsContextMut as _, StoreContextMut};

use crate::guest::Guest;
use crate::runtime::Watch;
use crate::{Admission, Attempt, JudgeCall, Limits, Plugin, Sandbox, SandboxConfig, StepCall};

/// The secret access key of AWS's documentation.
const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "token-0123456789-abcdef";
const CHAIN: [&str; 4] = ["20130524", "us-east-1", "s3", "aws4_request"];

/// Bytes of SHA-256's block.
const BLOCK: usize = 64;

/// Looks through the memories of a store.
struct Spy {
    needles: Needles,
    found: Mutex<BTreeSet<String>>,
    looks: AtomicUsize,
    bytes: AtomicU64,
}

/// What is looked for, by its first two bytes.
struct Needles(BTreeMap<[u8; 2], Vec<(Vec<u8>, String)>>);

impl Spy {
    fn new(secrets: &[(String, Vec<u8>)]) -> Arc<Self> {
        let mut needles = Needles(BTreeMap::new());
        for (name, bytes) in secrets {
            for (how, spelling) in spellings(bytes) {
                needles.add(spelling, format!("{name} {how}"));
            }
        }
        Arc::new(Self {
            needles,
            found: Mutex::default(),
            looks: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// The hook that is called at every border between guest and host.
    fn look(&self, mut store: StoreContextMut<'_, Guest>) {
        self.looks.fetch_add(1, Ordering::SeqCst);
        for instance in store.as_context_mut().debug_all_instances() {
            let memories = (0..).map_while(|index| instance.debug_memory(&mut store, index));
            for memory in memories.collect::<Vec<_>>() {
                let bytes = memory.data(&store);
                self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                let found = self.needles.found_in(bytes);
                self.found.lock().unwrap().extend(found);
            }
        }
    }

    fn found(&self) -> BTreeSet<String> {
        self.found.lock().unwrap().clone()
    }
}

impl Needles {
    fn add(&mut self, needle: Vec<u8>, name: String) {
        let first = [needle[0], needle[1]];
        self.0.entry(first).or_default().push((needle, name));
    }

    fn found_in(&self, hay: &[u8]) -> BTreeSet<String> {
        let mut begins = vec![false; 1 << 16];
        for first in self.0.keys() {
            begins[usize::from(u16::from_be_bytes(*first))] = true;
        }
        let mut found = BTreeSet::new();
        for at in 0..hay.len().saturating_sub(1) {
            let first = [hay[at], hay[at + 1]];
            if begins[usize::from(u16::from_be_bytes(first))] {
                let here = self.0[&first]
                    .iter()
                    .filter(|(needle, _)| hay[at..].starts_with(needle));
                found.extend(here.map(|(_, name)| name.clone()));
            }
        }
        found
    }
}

/// The bytes as they are, in hex, and in base64 at each of the three places that they can
/// have in a longer text.
fn spellings(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("as it is".to_owned(), bytes.to_vec()),
        ("in hex".to_owned(), hex::encode(bytes).into_bytes()),
        (
            "in capital hex".to_owned(),
            hex::encode_upper(bytes).into_bytes(),
        ),
    ];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        // Only letters that depend on nothing around: whole groups of six bits inside.
        let letters = base64(&padded);
        let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        let plain = letters[from..to].to_vec();
        let other = plain.iter().map(|letter| match letter {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        all.push((format!("in URL's base64 after {before}"), other.collect()));
        all.push((format!("in base64 after {before}"), plain));
    }
    all
}

/// RFC 4648 without padding.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    };
    (0..(bytes.len() * 8).div_ceil(6))
        .map(|letter| {
            let bits = (0..6).map(|offset| bit(letter * 6 + offset));
            LETTERS[bits.fold(0, |number, bit| number << 1 | usize::from(bit))]
        })
        .collect()
}

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; BLOCK];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// The key and everything between it and a signature.
fn chain() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("the key".to_owned(), KEY.as_bytes().to_vec())];
    let mut key = format!("AWS4{KEY}").into_bytes();
    for step in CHAIN {
        key = hmac(&key, step.as_bytes());
        all.push((format!("the key after {step}"), key.clone()));
    }
    all
}

struct Values;

impl SecretSource for Values {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let value = if name == "token" { TOKEN } else { KEY };
        Ok(Secret::new(value.as_bytes().to_vec()))
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixTime {
        UnixTime(0)
    }
}

/// Lets the signer act under the eyes of the spy.
async fn watched(spy: &Arc<Spy>, config: HttpConfig, port: u16, acts: Value) -> Attempt<Verdict> {
    let plugin = watched_plugin(spy, config, port);
    plugin
        .with_secrets(Arc::new(Values))
        .judge(call(&acts))
        .await
}

fn call(acts: &Value) -> JudgeCall {
    let context = StepCall {
        config: json!({ "acts": acts }).to_string(),
        ..StepCall::idle(ClusterName::new("c"), UnixTime(0))
    };
    JudgeCall {
        context,
        facts: Facts::default(),
        plain: None,
    }
}

fn watched_plugin(spy: &Arc<Spy>, config: HttpConfig, port: u16) -> Arc<Plugin> {
    let mut engine = crate::engine::config();
    engine.guest_debug(true);
    let limits = SandboxConfig {
        cache: None,
        limits: Limits::default(),
        clock: Arc::new(StoppedClock),
        compiler: None,
    };
    let sandbox = {
        let spy = Arc::clone(spy);
        let watch: Watch = Arc::new(move |store| spy.look(store));
        Sandbox::watched(limits, &engine, watch).unwrap()
    };
    let component =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist/fixtures/signer.wasm");
    let grants = json!({
        "http": [{"scheme": "https", "host": "localhost", "port": port, "addresses": ["loopback"]}],
        "secret": [
            {"name": "aws", "use": {"sign": {"algorithm": "hmac-sha256", "hostPrefix": "AWS4", "derivations": 4}}},
            {"name": "token", "use": {"header": {"host": "localhost", "port": port, "name": "Authorization"}}},
            {"name": "shown", "reveal": true},
        ],
    });
    let grants = Grants::parse(&(&grants).into(), crate::capabilities()).unwrap();
    sandbox
        .with_http(config)
        .admit(Admission {
            component: &std::fs::read(component).expect("cargo xtask plugins builds it"),
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: None,
        })
        .unwrap()
}

async fn server() -> (WebServer, HttpConfig) {
    let authority = Authority::new("web").unwrap();
    let issued = authority
        .issue("web", Purpose::Server, Validity::Now)
        .unwrap();
    let config = HttpConfig {
        ca_pem: Some(authority.pem().into_bytes()),
        ..HttpConfig::default()
    };
    (WebServer::https(&issued).await.unwrap(), config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_used_is_in_no_memory_of_the_guest() {
    let (server, config) = server().await;
    let mut secrets = chain();
    secrets.push(("the token".to_owned(), TOKEN.as_bytes().to_vec()));
    let spy = Spy::new(&secrets);
    let acts = json!([
        {"do": "send-signed", "url": server.url("/"), "sign": {"secret": "aws", "derive": CHAIN, "message": "m"}},
        {"do": "send", "method": "GET", "url": server.url("/"), "placeholder": "token",
         "headers": [["Authorization", "PLACEHOLDER"]]},
    ]);
    let attempt = watched(&spy, config, server.port(), acts).await;
    attempt.result.unwrap();
    // They were used: the server has what came of them.
    let signing_key = &secrets[CHAIN.len()].1;
    let seen = server.seen();
    assert_eq!(
        seen[0].headers["x-signature"],
        hex::encode(hmac(signing_key, b"m"))
    );
    assert_eq!(seen[1].headers["authorization"], TOKEN);
    assert_eq!(spy.found(), BTreeSet::new());
    let (looks, bytes) = (
        spy.looks.load(Ordering::SeqCst),
        spy.bytes.load(Ordering::SeqCst),
    );
    assert!(
        looks > 50 && bytes > 50 * 1024 * 1024,
        "{looks} looks at {bytes} bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_a_secret_that_is_there() {
    let (server, config) = server().await;
    let spy = Spy::new(&chain());
    let acts = json!([{"do": "reveal", "secret": "shown"}]);
    watched(&spy, config, server.port(), acts)
        .await
        .result
        .unwrap();
    assert_eq!(spy.found(), BTreeSet::from(["the key as it is".to_owned()]));
}

#[test]
fn every_spelling_is_found() {
    let spy = Spy::new(&chain());
    let key = KEY.as_bytes();
    let around = |before: &str, after: &str| base64(format!("{before}{KEY}{after}").as_bytes());
    let table = [
        (format!("..{KEY}..").into_bytes(), "as it is"),
        (hex::encode(key).into_bytes(), "in hex"),
        (hex::encode_upper(key).into_bytes(), "in capital hex"),
        (around("", "xyz"), "in base64 after 0"),
        (around("abcd", "x"), "in base64 after 1"),
        (around("ab", ""), "in base64 after 2"),
    ];
    for (hay, how) in table {
        let found = spy.needles.found_in(&hay);
        assert!(
            found.contains(&format!("the key {how}")),
            "{how}: {found:?}"
        );
    }
    assert_eq!(spy.needles.found_in(b"nothing of it"), BTreeSet::new());
}

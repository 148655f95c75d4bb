//! A server with a certificate, and the signer that speaks to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use drydock_capability_artifact::Slice;
use drydock_capability_http::{HttpConfig, NameLookup};
use drydock_capability_secret::SecretSource;
use drydock_core::{Facts, Fault, Grants, Secret, Verdict};
use drydock_sandbox::{Attempt, JudgeCall, Plugin};
use drydock_testkit::pki::{Authority, Purpose, Validity};
use drydock_testkit::web::WebServer;
use serde_json::{Value, json};

use crate::{admit, call, sandbox};

/// The secret access key of AWS's documentation.
pub const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// What is filled into headers.
pub const TOKEN: &str = "token-0123456789-abcdef";

/// A server over TLS on loopback, and who issued its certificate.
pub struct World {
    pub server: WebServer,
    authority: Authority,
    pub names: Arc<Names>,
}

/// Names with the answers that they give one after the other; the last one stays.
#[derive(Default)]
pub struct Names {
    answers: Mutex<BTreeMap<String, Vec<IpAddr>>>,
    pub asked: AtomicUsize,
}

/// The values of secrets.
struct Values;

impl World {
    pub async fn start() -> Self {
        let authority = Authority::new("web").unwrap();
        let hosts = ["localhost", "store.example", "127.0.0.1"].map(str::to_owned);
        let issued = authority
            .issue_for("web", &hosts, Purpose::Server, Validity::Now)
            .unwrap();
        let names = Names::default();
        for name in ["localhost", "store.example"] {
            names.set(name, &["127.0.0.1"]);
        }
        Self {
            server: WebServer::https(&issued).await.unwrap(),
            authority,
            names: Arc::new(names),
        }
    }

    /// What the server needs of a client.
    pub fn config(&self) -> HttpConfig {
        HttpConfig {
            ca_pem: Some(self.authority.pem().into_bytes()),
            names: Arc::clone(&self.names) as Arc<dyn NameLookup>,
            ..HttpConfig::default()
        }
    }

    /// The server by its name, on loopback; a key, a token and a secret to be seen.
    pub fn grants(&self) -> Value {
        let port = self.server.port();
        json!({
            "http": [
                {"scheme": "https", "host": "localhost", "port": port, "addresses": ["loopback"], "methods": ["GET", "PUT"]},
            ],
            "secret": [
                {"name": "aws", "use": {"sign": {
                    "algorithm": "hmac-sha256", "hostPrefix": "AWS4", "derivations": 4,
                    "messagePrefix": "AWS4-HMAC-SHA256\n",
                }}},
                {"name": "token", "use": {"header": {
                    "host": "localhost", "port": port, "name": "Authorization", "prefix": "Bearer ",
                }}},
                {"name": "shown", "reveal": true},
            ],
        })
    }

    pub fn signer(&self) -> Arc<Plugin> {
        self.signer_with(&self.grants(), self.config())
    }

    pub fn signer_with(&self, grants: &Value, config: HttpConfig) -> Arc<Plugin> {
        let grants = granted(grants);
        let plugin = admit(&sandbox().with_http(config), "signer", &grants);
        plugin.with_secrets(Arc::new(Values))
    }

    /// Grants with one more host, the one that is asked for.
    pub fn granted(&self, rule: Value) -> Value {
        let mut grants = self.grants();
        grants["http"].as_array_mut().unwrap().push(rule);
        grants
    }
}

/// The grants that this says.
pub fn granted(written: &Value) -> Grants {
    Grants::parse(&written.into(), drydock_sandbox::capabilities()).unwrap()
}

impl Names {
    pub fn set(&self, name: &str, answers: &[&str]) {
        let answers = answers.iter().map(|text| text.parse().unwrap()).collect();
        self.answers
            .lock()
            .unwrap()
            .insert(name.to_owned(), answers);
    }
}

impl NameLookup for Names {
    fn lookup(&self, name: &str) -> drydock_capability_http::Looked {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let found = match answers.get_mut(name) {
            Some(left) if left.len() > 1 => Ok(vec![left.remove(0)]),
            Some(last) => Ok(last.clone()),
            None => Err(std::io::Error::other("no such name")),
        };
        Box::pin(async { found })
    }
}

impl SecretSource for Values {
    fn read(&self, name: &str) -> Result<Secret, Fault> {
        let value = match name {
            "aws" => AWS_SECRET.to_owned(),
            "token" => TOKEN.to_owned(),
            other => format!("value-of-{other}"),
        };
        Ok(Secret::new(value.into_bytes()))
    }
}

pub async fn acts(plugin: &Plugin, acts: &[Value]) -> Attempt<Verdict> {
    acts_on(plugin, acts, None).await
}

pub async fn acts_on(plugin: &Plugin, acts: &[Value], plain: Option<Slice>) -> Attempt<Verdict> {
    let call = JudgeCall {
        context: call(&json!({ "acts": acts }).to_string()),
        facts: Facts::default(),
        plain,
    };
    plugin.judge(call).await
}

/// What the one act saw.
pub async fn saw(plugin: &Plugin, act: Value) -> String {
    let verdict = acts(plugin, &[act]).await.result.unwrap();
    verdict.findings[0].message.clone()
}

/// Why the one act failed.
pub async fn fault(plugin: &Plugin, act: Value) -> Fault {
    acts(plugin, &[act]).await.result.unwrap_err()
}

pub fn get(url: &str) -> Value {
    json!({"do": "send", "method": "GET", "url": url})
}

//! A read-only kube-apiserver on scratch etcd members.
//!
//! An API server has no flag for it; a policy file of the ABAC authorizer with
//! `readonly: true` lets its only user get, list and watch, and nothing else
//! (kubernetes.io, "Using ABAC Authorization"). Requests without a certificate are nobody's
//! and are refused.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::time::Instant;

use super::authority::{Authority, Pair, lone_key};
use super::children::{Guarded, Nursery, Wanted};
use super::https::Client;
use super::port::Held;
use super::{Scratch, ScratchError};

/// How long it may take until it is ready: four seconds as a rule.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// Between two looks at a server that starts.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// One that cannot read the secrets that are stored never becomes ready: its own informers
/// need them. How often it is asked for them while it starts, and how long it has to refuse
/// them until it is believed.
const SECRETS_INTERVAL: Duration = Duration::from_millis(500);
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);

/// What it is asked for then.
const SECRETS: &str = "/api/v1/secrets";

/// Objects of one page.
const PAGE_OBJECTS: usize = 500;

/// Pages of one resource: half a million objects.
const PAGES_MAX: usize = 1_000;

/// Its only user.
const READER: &str = "drydock-reader";

/// Objects by their metadata only: the server has to read and decrypt each whole, and we
/// see nothing of it.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// An API server under way. Dropping it kills it.
pub struct ApiServer {
    child: Guarded,
    client: Client,
    port: u16,
    reader: Pair,
    authority_pem: String,
}

/// What it is started with.
pub struct Means<'a> {
    pub scratch: &'a Scratch,
    pub nursery: &'a Nursery,
    pub program: &'a Path,
    pub authority: &'a Authority,
    /// What etcd lets in.
    pub etcd_pair: &'a Pair,
    pub etcd_endpoints: &'a [String],
    /// The EncryptionConfiguration by which values in etcd are encrypted.
    pub encryption: Option<&'a Path>,
    /// Where its keys lie.
    pub etcd_prefix: &'a str,
}

/// Why it does not become ready.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Scratch(ScratchError),
    /// It cannot read what is stored; the server's own words.
    #[error("{0}")]
    Unreadable(String),
}

impl<E: Into<ScratchError>> From<E> for BootError {
    fn from(error: E) -> Self {
        Self::Scratch(error.into())
    }
}

/// Why a list of objects could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The server says that it cannot read what is stored.
    #[error("{0}")]
    Refused(String),
    /// It says nothing.
    #[error("{0}")]
    Silent(String),
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    /// Null where there is none.
    items: Option<Vec<IgnoredAny>>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: String,
}

/// What the server says when it refuses.
#[derive(Deserialize)]
struct Status {
    message: String,
}

impl ApiServer {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// [`ScratchError::Start`], [`ScratchError::Ended`] with the end of its log,
    /// [`ScratchError::Slow`], or [`BootError::Unreadable`].
    pub async fn boot(means: &Means<'_>) -> Result<Self, BootError> {
        let scratch = means.scratch;
        let reader = means.authority.issue(scratch, "reader", READER)?;
        let serving = means.authority.issue(scratch, "api-server", "localhost")?;
        let files = Files {
            policy: scratch.write("policy.jsonl", &policy())?,
            service_accounts: lone_key(scratch, "service-accounts")?,
            serving,
        };
        let port = Held::new()?;
        let number = port.number();
        let client = Client::new(means.authority, &reader, number)
            .map_err(|error| silent(&error.to_string()))?;
        let log = scratch.join("kube-apiserver.log");
        drop(port);
        let child = means.nursery.server(Wanted {
            name: "kube-apiserver",
            program: means.program,
            arguments: arguments(means, &files, number),
            environment: Vec::new(),
            log: &log,
        })?;
        let mut server = Self {
            child,
            client,
            port: number,
            reader,
            authority_pem: means.authority.pem(),
        };
        server.wait().await?;
        Ok(server)
    }

    async fn wait(&mut self) -> Result<(), BootError> {
        let deadline = Instant::now() + READY_LIMIT;
        let mut refusal = Refusal::default();
        loop {
            let answer = self.client.get("/readyz", "*/*").await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if let Some(exit) = self.child.ended() {
                return Err(self.child.death(exit).into());
            }
            if let Some(why) = self.refuses(&mut refusal).await {
                return Err(BootError::Unreadable(why));
            }
            if Instant::now() > deadline {
                let name = self.child.name.clone();
                let seconds = READY_LIMIT.as_secs();
                return Err(ScratchError::Slow { name, seconds }.into());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Whether it has refused the secrets for so long that it will not become ready.
    async fn refuses(&self, refusal: &mut Refusal) -> Option<String> {
        let now = Instant::now();
        if refusal
            .asked
            .is_some_and(|asked| now < asked + SECRETS_INTERVAL)
        {
            return None;
        }
        refusal.asked = Some(now);
        match self.page(SECRETS, "").await {
            Err(ListError::Refused(why)) => {
                let since = *refusal.since.get_or_insert(now);
                (now > since + REFUSAL_LIMIT).then_some(why)
            }
            // A server that starts says nothing for a while.
            Err(ListError::Silent(_)) | Ok(_) => {
                refusal.since = None;
                None
            }
        }
    }

    /// Lists all objects under a path such as `/api/v1/secrets`, and counts them.
    ///
    /// # Errors
    /// [`ListError`].
    pub async fn count(&self, path: &str) -> Result<u64, ListError> {
        let (mut count, mut next) = (0, String::new());
        for _ in 0..PAGES_MAX {
            let page = self.page(path, &next).await?;
            count += page.items.map_or(0, |items| items.len() as u64);
            next = page.metadata.next;
            if next.is_empty() {
                return Ok(count);
            }
        }
        Err(ListError::Silent(format!(
            "it lists more than {PAGES_MAX} pages"
        )))
    }

    async fn page(&self, path: &str, next: &str) -> Result<Page, ListError> {
        let path = format!("{path}?limit={PAGE_OBJECTS}&continue={next}");
        let answer = self.client.get(&path, METADATA).await;
        let answer = answer.map_err(|error| ListError::Silent(error.to_string()))?;
        if answer.status == 200 {
            return serde_json::from_slice(&answer.body).map_err(|_| {
                ListError::Refused("it answers with something else than a list".to_owned())
            });
        }
        let said = serde_json::from_slice::<Status>(&answer.body).map(|status| status.message);
        Err(ListError::Refused(said.unwrap_or_else(|_| {
            format!("it answers with status {}", answer.status)
        })))
    }

    /// A kubeconfig for its only user, as JSON, which kubectl reads as well as YAML.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "drydock", "cluster": {
                "server": format!("https://127.0.0.1:{}", self.port),
                "certificate-authority-data": base64(&self.authority_pem),
            }}],
            "users": [{"name": READER, "user": {
                "client-certificate-data": base64(&self.reader.certificate_pem),
                "client-key-data": base64(&self.reader.key_pem),
            }}],
            "contexts": [{"name": "drydock", "context": {"cluster": "drydock", "user": READER}}],
            "current-context": "drydock",
        });
        format!("{config:#}\n")
    }
}

/// What is known of secrets while it starts.
#[derive(Default)]
struct Refusal {
    asked: Option<Instant>,
    since: Option<Instant>,
}

/// What it reads beside certificates.
struct Files {
    policy: PathBuf,
    /// The private half and the public one.
    service_accounts: (PathBuf, PathBuf),
    serving: Pair,
}

/// Everything may be read by the one user, nothing be written.
fn policy() -> String {
    let line = |spec: serde_json::Value| json!({"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": spec});
    let resources = json!({"user": READER, "namespace": "*", "resource": "*", "apiGroup": "*", "readonly": true});
    let others = json!({"user": READER, "nonResourcePath": "*", "readonly": true});
    format!("{}\n{}\n", line(resources), line(others))
}

fn arguments(means: &Means<'_>, files: &Files, port: u16) -> Vec<OsString> {
    let pair = |flag: &str, path: &Path| -> OsString {
        let mut word = OsString::from(format!("{flag}="));
        word.push(path);
        word
    };
    let mut words: Vec<OsString> = vec![
        format!("--etcd-servers={}", means.etcd_endpoints.join(",")).into(),
        format!("--etcd-prefix={}", means.etcd_prefix).into(),
        pair("--etcd-cafile", &means.authority.certificate),
        pair("--etcd-certfile", &means.etcd_pair.certificate),
        pair("--etcd-keyfile", &means.etcd_pair.key),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}").into(),
        pair("--tls-cert-file", &files.serving.certificate),
        pair("--tls-private-key-file", &files.serving.key),
        pair("--client-ca-file", &means.authority.certificate),
        "--anonymous-auth=false".into(),
        "--authorization-mode=ABAC".into(),
        pair("--authorization-policy-file", &files.policy),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        pair(
            "--service-account-signing-key-file",
            &files.service_accounts.0,
        ),
        pair("--service-account-key-file", &files.service_accounts.1),
        // The widest range that it takes, since addresses of services that lie outside of
        // it, or are too many for it, are complained about.
        "--service-cluster-ip-range=10.0.0.0/12".into(),
        // Nobody else serves this cluster, and nothing has to be noted in it.
        "--endpoint-reconciler-type=none".into(),
        "--enable-priority-and-fairness=false".into(),
        // Filling it reads all of etcd before the first answer.
        "--watch-cache=false".into(),
        "--profiling=false".into(),
    ];
    words.extend(
        means
            .encryption
            .map(|path| pair("--encryption-provider-config", path)),
    );
    words
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(text)
}

fn silent(why: &str) -> ScratchError {
    ScratchError::Silent {
        name: "kube-apiserver".to_owned(),
        why: why.to_owned(),
    }
}

//! A store plugin as the target of a service, under an identity of the host's.

use std::sync::{Arc, Mutex};

use drydock_capability_http::{HostClient, HttpConfig, NameLookup};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts};
use drydock_core::store::PartReceipt;
use drydock_core::{ClusterName, Endpoint, ErrorCode, Fault, TargetName};
use drydock_repository::Target;
use drydock_repository::target::{Part, Whole};
use drydock_sandbox::{
    Limits, Sandbox, SandboxConfig, StepCall, StoreContext, StoreTarget, Throttle,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::network::identities::Ahead;
use crate::network::kit::granted;
use crate::{DUE, admit};

/// A service and who asks it.
pub struct Service<'a> {
    pub plugin: &'a str,
    /// The servers that the plugin may reach, and that the identity is for.
    pub servers: &'a [&'a str],
    /// Authorities in PEM; none in the clear.
    pub ca_pem: Option<&'a str>,
    /// Who knows the servers' names, if they are not in the system's books.
    pub names: Option<Arc<dyn NameLookup>>,
    pub identity: Option<Box<dyn CredentialSource>>,
}

/// What a plugin wrote into its log.
pub type Log = Arc<Mutex<String>>;

impl Service<'_> {
    pub fn target(self, config: &Value) -> StoreTarget {
        self.logged(config).0
    }

    pub fn logged(self, config: &Value) -> (StoreTarget, Log) {
        self.at(config, 0)
    }

    /// On a node whose clock is so many seconds ahead of that of the service.
    pub fn at(self, config: &Value, ahead: i64) -> (StoreTarget, Log) {
        let http = HttpConfig {
            ca_pem: self.ca_pem.map(|pem| pem.as_bytes().to_vec()),
            names: self.names.unwrap_or_else(|| HttpConfig::default().names),
            ..HttpConfig::default()
        };
        let servers: Vec<Endpoint> = self
            .servers
            .iter()
            .map(|url| url.parse().unwrap())
            .collect();
        let rules = servers.iter().map(|server| {
            json!({
                "scheme": server.scheme.to_string(), "host": server.host.to_string(),
                "port": server.port, "addresses": ["loopback"],
            })
        });
        let grants = granted(&json!({"http": rules.collect::<Vec<_>>()}));
        let sandbox = Sandbox::new(SandboxConfig {
            cache: None,
            limits: Limits::default(),
            compiler: None,
            clock: Arc::new(Ahead(ahead)),
        });
        let sandbox = sandbox.unwrap().with_http(http.clone());
        let plugin = admit(&sandbox, self.plugin, &grants);
        let plugin = match self.identity {
            Some(source) => plugin.with_identity(Arc::new(Identity::new(IdentityParts {
                subject: "target offsite".to_owned(),
                kind: "testKind",
                servers,
                source,
                client: Arc::new(HostClient::new(Arc::new(http))),
                clock: Arc::new(Ahead(ahead)),
            }))),
            None => plugin,
        };
        let log = Log::default();
        let seen = Arc::clone(&log);
        let context = StoreContext {
            target: TargetName::new("offsite"),
            config: config.to_string(),
            step: StepCall::idle(ClusterName::new("quickstart"), DUE),
            observer: Arc::new(move |call, log| {
                seen.lock().unwrap().push_str(&format!("{call}: {log}\n"));
            }),
            throttle: Throttle::default(),
        };
        (StoreTarget::new(plugin, context), log)
    }
}

pub fn part(bytes: &[u8]) -> Part {
    Part {
        bytes: Arc::new(bytes.to_vec()),
        offset: 0,
        length: bytes.len() as u64,
    }
}

pub fn whole(bytes: &[u8]) -> Whole {
    Whole {
        size: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        bytes: Some(Arc::new(bytes.to_vec())),
    }
}

/// What became of an object that went in parts.
pub struct Stored {
    /// Whether the server took each part under the checksum that the layout promises.
    pub parts_verified: bool,
    /// Whether the whole was compared.
    pub verified: bool,
}

/// Stores `bytes` in parts of `part_size`.
pub async fn store(
    target: &StoreTarget,
    object: &str,
    bytes: &[u8],
    part_size: usize,
) -> Result<Stored, Fault> {
    let checksum = target.layout().await?.part_checksum;
    let size = bytes.len() as u64;
    let session = target.begin(object, Some(size), part_size as u64).await?;
    let (mut receipts, mut parts_verified) = (Vec::new(), true);
    for (number, piece) in (1..).zip(bytes.chunks(part_size)) {
        let offset = (number as usize - 1) * part_size;
        let taken = target
            .put_part(&session, number, offset as u64, part(piece), checksum)
            .await?;
        parts_verified &= taken.verified;
        receipts.push(PartReceipt {
            number,
            receipt: taken.receipt,
        });
    }
    let completion = target.complete(&session, &receipts, whole(bytes)).await?;
    Ok(Stored {
        parts_verified,
        verified: completion.verified,
    })
}

pub async fn fetch(
    target: &StoreTarget,
    object: &str,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, Fault> {
    let (into, mut out) = mpsc::channel(64);
    let collect = async {
        let mut bytes = Vec::new();
        while let Some(piece) = out.recv().await {
            bytes.extend(piece);
        }
        bytes
    };
    let (answer, bytes) = tokio::join!(target.get_range(object, offset, length, into), collect);
    answer.map(|()| bytes)
}

/// Bytes of which no two MiB are alike.
pub fn sample(length: usize) -> Vec<u8> {
    let byte = |place: usize| (place ^ (place >> 8) ^ (place >> 16)) % 251;
    (0..length).map(|place| byte(place) as u8).collect()
}

/// What each call says where the place is not there: never that something else is missing.
pub async fn expect_place_missing(target: &StoreTarget) {
    let calls = [
        ("check", target.check().await.err()),
        ("begin", target.begin("c/p/b", None, 65_536).await.err()),
        (
            "put-object",
            target.put_object("c/p/b", part(b"x"), None).await.err(),
        ),
        ("list", target.list("", None).await.err()),
        ("stat", target.stat("c/p/a").await.err()),
        ("get-range", fetch(target, "c/p/a", 0, 1).await.err()),
        ("delete", target.delete("c/p/a").await.err()),
    ];
    for (call, fault) in calls {
        let code = fault.as_ref().map(|fault| fault.code.clone());
        assert_eq!(code, Some(ErrorCode::PlaceMissing), "{call}: {fault:?}");
    }
}

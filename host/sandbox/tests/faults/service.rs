//! A store plugin before a real server, with the proxy between them and beside it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use drydock_capability_http::{HostClient, HttpConfig, Waits};
use drydock_capability_identity::exchange::{AccessKey, AccountKey};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts, ReadSecret};
use drydock_core::{Clock, ClusterName, Endpoint, Grants, Secret, TargetName, UnixTime};
use drydock_sandbox::{
    Admission, Limits, Plugin, Sandbox, SandboxConfig, StepCall, StoreContext, StoreTarget,
};
use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::fake::cloud_storage::CloudStorage;
use drydock_testkit::fault_proxy::FaultProxy;
use drydock_testkit::versitygw::{BUCKET, REGION, ROOT, Versitygw};
use serde_json::{Value, json};

use super::calls::{self, Call};

/// A stalled server is given up this soon; no server that works takes so long for a part.
const PATIENCE: Duration = Duration::from_secs(4);

/// What no log and no error may hold, whatever the store.
const SIGNED: [&str; 4] = ["Signature=", "SharedKey ", "sig=", "upload_id="];

/// The container of Azure and the bucket of Google.
const PLACE: &str = "backups";

/// What every call wrote into its log.
pub type Log = Arc<Mutex<String>>;

/// A service, and the way to it.
pub struct Service {
    pub name: &'static str,
    pub calls: &'static [Call],
    /// Size of a part.
    pub part_bytes: usize,
    pub proxy: FaultProxy,
    /// What must never be told.
    secrets: Vec<String>,
    config: Value,
    url: String,
    through: Arc<Plugin>,
    beside: Arc<Plugin>,
    log: Log,
    _server: Server,
}

/// Runs until it is dropped.
#[expect(dead_code, reason = "it is held, and runs meanwhile")]
enum Server {
    S3(Versitygw),
    Azure(Azurite),
    Gcs(CloudStorage),
}

/// Where a server is, and who asks it.
struct Way<'a> {
    plugin: &'a str,
    port: u16,
    url: String,
    ca_pem: Option<String>,
    identity: fn() -> Option<Box<dyn CredentialSource>>,
}

struct RealTime;

impl Clock for RealTime {
    fn now(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "the servers have the real time")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH);
        UnixTime(since.map_or(0, |since| since.as_secs().cast_signed()))
    }
}

impl Service {
    /// `store-s3` before versitygw.
    ///
    /// # Errors
    /// When the server does not come up.
    pub async fn s3() -> Result<Self> {
        let server = Versitygw::https().await?;
        let way = Way {
            plugin: "store-s3",
            port: server.port(),
            url: server.url(""),
            ca_pem: server.ca_pem().map(str::to_owned),
            identity: || {
                Some(Box::new(AccessKey {
                    id: value(ROOT.id),
                    secret: value(ROOT.secret),
                    session_token: None,
                    region: REGION.to_owned(),
                    service: "s3".to_owned(),
                }))
            },
        };
        let config = json!({"bucket": BUCKET});
        let service = Self::new(way, config, calls::S3, Server::S3(server)).await?;
        Ok(Self {
            part_bytes: 5 * 1024 * 1024,
            secrets: vec![ROOT.secret.to_owned()],
            ..service
        })
    }

    /// `store-azure-blob` before Azurite.
    ///
    /// # Errors
    /// As [`Service::s3`].
    pub async fn azure() -> Result<Self> {
        let server = Azurite::start().await?;
        let way = Way {
            plugin: "store-azure-blob",
            port: server.port(),
            url: server.url(""),
            ca_pem: Some(server.ca_pem().to_owned()),
            identity: || {
                Some(Box::new(AccountKey {
                    account: ACCOUNT.to_owned(),
                    key: value(ACCOUNT_KEY),
                }))
            },
        };
        let config = json!({"container": PLACE});
        let service = Self::new(way, config, calls::AZURE, Server::Azure(server)).await?;
        Ok(Self {
            secrets: vec![ACCOUNT_KEY.to_owned()],
            ..service
        })
    }

    /// `store-gcs` before the fake of the testkit's, which knows no credentials.
    ///
    /// # Errors
    /// As [`Service::s3`].
    pub async fn gcs() -> Result<Self> {
        let server = CloudStorage::start(&[PLACE]).await?;
        let way = Way {
            plugin: "store-gcs",
            port: server.port(),
            url: server.url(),
            ca_pem: None,
            identity: || None,
        };
        let config = json!({"bucket": PLACE, "partMebibytes": 1});
        let service = Self::new(way, config, calls::GCS, Server::Gcs(server)).await?;
        Ok(Self {
            part_bytes: 1024 * 1024,
            ..service
        })
    }

    async fn new(
        way: Way<'_>,
        config: Value,
        calls: &'static [Call],
        server: Server,
    ) -> Result<Self> {
        let name = config["container"].as_str().map_or("", |_| ACCOUNT);
        let proxy = FaultProxy::before(way.port, way.ca_pem.as_deref()).await?;
        let (through, beside) = (&proxy.url(""), &way.url);
        let service = Self {
            name: match server {
                Server::S3(_) => "s3",
                Server::Azure(_) => "azure",
                Server::Gcs(_) => "gcs",
            },
            calls,
            part_bytes: 256 * 1024,
            secrets: Vec::new(),
            through: admitted(&way, through, proxy.ca_pem())?,
            beside: admitted(&way, beside, way.ca_pem.as_deref())?,
            url: path_of(beside, name),
            config: with(&config, "endpoint", path_of(through, name).into()),
            log: Log::default(),
            proxy,
            _server: server,
        };
        if service.name == "azure" {
            let target = service.beside("");
            let made = drydock_repository::Target::make_place(&target).await;
            made.context("cannot make the container")?;
        }
        Ok(service)
    }

    /// The target as a run has it: through the proxy.
    pub fn through(&self, prefix: &str) -> StoreTarget {
        self.target(&self.through, &with(&self.config, "prefix", prefix.into()))
    }

    /// The same without the proxy.
    pub fn beside(&self, prefix: &str) -> StoreTarget {
        let config = with(&self.config, "endpoint", self.url.as_str().into());
        self.target(&self.beside, &with(&config, "prefix", prefix.into()))
    }

    fn target(&self, plugin: &Arc<Plugin>, config: &Value) -> StoreTarget {
        let log = Arc::clone(&self.log);
        let context = StoreContext {
            target: TargetName::new("offsite"),
            config: config.to_string(),
            step: StepCall::idle(ClusterName::new("quickstart"), UnixTime(1_767_323_045)),
            observer: Arc::new(move |call, text| {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&format!("{call}: {text}\n"));
            }),
            throttle: drydock_sandbox::Throttle::default(),
        };
        StoreTarget::new(Arc::clone(plugin), context)
    }

    /// The secret that this text holds, or what was in the log since it was last asked.
    pub fn secret_in(&self, text: &str) -> Option<String> {
        let log = std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        let secrets = self.secrets.iter().map(String::as_str).chain(SIGNED);
        let mut told = secrets.filter(|secret| text.contains(secret) || log.contains(secret));
        told.next().map(str::to_owned)
    }
}

fn path_of(url: &str, account: &str) -> String {
    if account.is_empty() {
        url.to_owned()
    } else {
        format!("{url}/{account}")
    }
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    if value != "" {
        config[key] = value;
    }
    config
}

fn admitted(way: &Way<'_>, url: &str, ca_pem: Option<&str>) -> Result<Arc<Plugin>> {
    let http = HttpConfig {
        ca_pem: ca_pem.map(|pem| pem.as_bytes().to_vec()),
        waits: Waits {
            first_byte: PATIENCE,
            between_bytes: PATIENCE,
            ..Waits::default()
        },
        ..HttpConfig::default()
    };
    let server: Endpoint = url.parse().map_err(anyhow::Error::msg)?;
    let rule = json!({
        "scheme": server.scheme.to_string(), "host": server.host.to_string(),
        "port": server.port, "addresses": ["loopback"],
    });
    let grants = json!({ "http": [rule] });
    let grants = Grants::parse(&(&grants).into(), drydock_sandbox::capabilities())
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let sandbox = Sandbox::new(SandboxConfig {
        cache: None,
        limits: Limits::default(),
        compiler: None,
        clock: Arc::new(RealTime),
    })?;
    let plugin = sandbox.with_http(http.clone()).admit(Admission {
        component: &built(way.plugin)?,
        builtin: None,
        grants: Some(&grants),
        ceiling: None,
        limits: None,
    })?;
    let Some(source) = (way.identity)() else {
        return Ok(plugin);
    };
    Ok(plugin.with_identity(Arc::new(Identity::new(IdentityParts {
        subject: "target offsite".to_owned(),
        kind: "testKind",
        servers: vec![server],
        source,
        client: Arc::new(HostClient::new(Arc::new(http))),
        clock: Arc::new(RealTime),
    }))))
}

fn built(plugin: &str) -> Result<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/dist");
    let path = dist.join(plugin).with_extension("wasm");
    std::fs::read(&path)
        .with_context(|| format!("{} is not there: run `cargo xtask plugins`", path.display()))
}

fn value(text: &str) -> ReadSecret {
    let text = text.to_owned();
    Arc::new(move || Ok(Secret::new(text.clone().into_bytes())))
}

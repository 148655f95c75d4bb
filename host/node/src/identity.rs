//! From `identity:` of a Target to what completes its plugin's requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use drydock_capability_http::identity::RequestIdentity;
use drydock_capability_http::{HostClient, HttpConfig, HttpGrant};
use drydock_capability_identity::exchange::{
    AccessKey, AccountKey, ContainerCredentials, Federation, InstanceRole, ManagedIdentity,
    ManagedIdentityChoice, PrincipalProof, Sas, ServiceAccountKey, ServicePrincipal, WebIdentity,
    WorkloadIdentity,
};
use drydock_capability_identity::{CredentialSource, Identity, IdentityParts, ReadSecret};
use drydock_core::{Endpoint, ErrorCode, Fault, TargetName};
use drydock_documents::identity as written;
use drydock_documents::{FileError, Located, Lookup, SecretFrom, Setting, Source, Target};
use drydock_sandbox::Plugin;

use crate::Deps;

/// Where what a document leaves out is, in the public clouds.
const ENTRA: &str = "https://login.microsoftonline.com";
const AZURE_STORAGE: &str = "https://storage.azure.com";
const LINK_LOCAL_METADATA: &str = "http://169.254.169.254";
const GOOGLE_METADATA: &str = "http://metadata.google.internal";
const GOOGLE_TOKENS: &str = "https://oauth2.googleapis.com/token";
const GOOGLE_STS: &str = "https://sts.googleapis.com";
const GOOGLE_IMPERSONATION: &str = "https://iamcredentials.googleapis.com";

/// What signatures of a store name.
const S3: &str = "s3";

const SESSION_NAME: &str = "drydock";

/// The identities of a node's targets. One that was made stays, with its credential, as long
/// as the documents in force; runs share it with what they pinned. Clones are the same.
#[derive(Clone)]
pub(crate) struct Identities {
    client: Arc<HostClient>,
    deps: Deps,
    made: Arc<Mutex<BTreeMap<Key, Arc<Identity>>>>,
}

/// A target, and what its document says of servers and identity: a run may have pinned another.
type Key = (TargetName, String);

/// A document's identity, its places read from here.
struct Places<'a> {
    document: &'a Located<Target>,
    kind: &'static str,
    env: &'a Arc<dyn Lookup>,
}

impl Identities {
    pub fn new(http: &HttpConfig, deps: &Deps) -> Self {
        Self {
            client: Arc::new(HostClient::new(Arc::new(http.clone()))),
            deps: deps.clone(),
            made: Arc::default(),
        }
    }

    /// The plugin of a target, with the identity that its document names.
    ///
    /// # Errors
    /// By file and line: a place that is empty, or a plugin that has no use for it.
    pub fn give(
        &self,
        document: &Located<Target>,
        plugin: Arc<Plugin>,
    ) -> Result<Arc<Plugin>, FileError> {
        let Some(identity) = &document.value.spec.identity else {
            return Ok(plugin);
        };
        if *identity == written::Identity::None {
            return Ok(plugin);
        }
        if plugin.grants().of::<HttpGrant>().is_empty() {
            let rule = format!(
                "completes requests, and plugin {} was granted none: add `http: [{{target: {}}}]` under `grants:` of its PluginGrant, or remove the identity",
                plugin.manifest().name,
                document.value.name
            );
            return Err(document.error("spec.identity", rule));
        }
        let identity: Arc<dyn RequestIdentity> = self.of(document, identity)?;
        Ok(plugin.with_identity(identity))
    }

    fn of(
        &self,
        document: &Located<Target>,
        identity: &written::Identity,
    ) -> Result<Arc<Identity>, FileError> {
        let (name, spec) = (&document.value.name, &document.value.spec);
        let written = serde_json::json!([spec.endpoints.known(), spec.identity]);
        let key = (name.clone(), written.to_string());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&key) {
            return Ok(Arc::clone(known));
        }
        let places = Places {
            document,
            kind: identity.kind(),
            env: &self.deps.env,
        };
        let parts = IdentityParts {
            subject: format!("target {name}"),
            kind: identity.kind(),
            servers: spec.endpoints.known().to_vec(),
            source: places.source(identity)?,
            client: Arc::clone(&self.client),
            clock: Arc::clone(&self.deps.clock),
        };
        let identity = Arc::new(Identity::new(parts));
        made.insert(key, Arc::clone(&identity));
        Ok(identity)
    }
}

/// A plugin with the identity of a target's document, for calls without a node.
///
/// # Errors
/// By file and line: a place that is empty, or a plugin that has no use for it.
pub fn with_identity(
    document: &Located<Target>,
    plugin: Arc<Plugin>,
    deps: &Deps,
) -> Result<Arc<Plugin>, FileError> {
    Identities::new(&HttpConfig::default(), deps).give(document, plugin)
}

impl Places<'_> {
    fn source(&self, identity: &written::Identity) -> Result<Box<dyn CredentialSource>, FileError> {
        use written::Identity as I;
        Ok(match identity {
            I::None => return Err(self.error("none", "is no identity")),
            I::AccountKey(own) => Box::new(AccountKey {
                account: self.word("account", &own.account, written::ACCOUNT)?,
                key: self.secret("key", &own.key)?,
            }),
            I::Sas(own) => Box::new(Sas {
                token: self.secret("token", &own.token)?,
            }),
            I::ServicePrincipal(own) => Box::new(self.service_principal(own)?),
            I::ManagedIdentity(own) => Box::new(self.managed_identity(own)?),
            I::AccessKey(own) => Box::new(self.access_key(own)?),
            I::WebIdentity(own) => Box::new(self.web_identity(own)?),
            I::InstanceRole(own) => Box::new(InstanceRole {
                endpoint: url_or(own.endpoint.as_ref(), LINK_LOCAL_METADATA),
                region: self.word("region", &own.region, written::REGION)?,
                service: service(own.service.as_ref()),
            }),
            I::ContainerCredentials(own) => Box::new(self.container_credentials(own)?),
            I::ServiceAccountKey(own) => Box::new(ServiceAccountKey {
                key: self.secret("key", &own.key)?,
                token_endpoint: own
                    .token_endpoint
                    .clone()
                    .unwrap_or_else(|| GOOGLE_TOKENS.to_owned()),
            }),
            I::WorkloadIdentity(own) => Box::new(self.workload_identity(own)?),
        })
    }

    fn service_principal(
        &self,
        own: &written::ServicePrincipal,
    ) -> Result<ServicePrincipal, FileError> {
        let proof = match (&own.secret, &own.certificate, &own.federated_token_file) {
            (Some(secret), ..) => PrincipalProof::Secret(self.secret("secret", secret)?),
            (_, Some(both), _) => PrincipalProof::Certificate(self.secret("certificate", both)?),
            (.., Some(file)) => PrincipalProof::Federated(self.file("federatedTokenFile", file)?),
            (None, None, None) => return Err(self.error("secret", "is missing")),
        };
        Ok(ServicePrincipal {
            tenant: self.text("tenant", &own.tenant)?,
            client_id: self.text("clientId", &own.client_id)?,
            proof,
            authority: url_or(own.authority.as_ref(), ENTRA),
            audience: own
                .audience
                .clone()
                .unwrap_or_else(|| AZURE_STORAGE.to_owned()),
        })
    }

    fn access_key(&self, own: &written::AccessKey) -> Result<AccessKey, FileError> {
        let session = own.session_token.as_ref();
        Ok(AccessKey {
            id: self.setting("id", &own.id)?,
            secret: self.secret("secret", &own.secret)?,
            session_token: session
                .map(|token| self.secret("sessionToken", token))
                .transpose()?,
            region: self.word("region", &own.region, written::REGION)?,
            service: service(own.service.as_ref()),
        })
    }

    fn web_identity(&self, own: &written::WebIdentity) -> Result<WebIdentity, FileError> {
        let region = self.word("region", &own.region, written::REGION)?;
        Ok(WebIdentity {
            role: self.text("role", &own.role)?,
            token: self.file("tokenFile", &own.token_file)?,
            session_name: own
                .session_name
                .clone()
                .unwrap_or_else(|| SESSION_NAME.to_owned()),
            endpoint: url_or(
                own.endpoint.as_ref(),
                &format!("https://sts.{region}.amazonaws.com"),
            ),
            duration_seconds: own.duration_seconds.map(|seconds| seconds.get()),
            region,
            service: service(own.service.as_ref()),
        })
    }

    fn container_credentials(
        &self,
        own: &written::ContainerCredentials,
    ) -> Result<ContainerCredentials, FileError> {
        let file = own.token_file.as_ref();
        Ok(ContainerCredentials {
            endpoint: self.text("uri", &own.uri)?,
            authorization: file.map(|file| self.file("tokenFile", file)).transpose()?,
            region: self.word("region", &own.region, written::REGION)?,
            service: service(own.service.as_ref()),
        })
    }

    fn workload_identity(
        &self,
        own: &written::WorkloadIdentity,
    ) -> Result<WorkloadIdentity, FileError> {
        let (Some(audience), Some(file)) = (&own.audience, &own.token_file) else {
            let endpoint = url_or(own.endpoint.as_ref(), GOOGLE_METADATA);
            return Ok(WorkloadIdentity::Metadata { endpoint });
        };
        let impersonation = url_or(own.impersonation_endpoint.as_ref(), GOOGLE_IMPERSONATION);
        let account = own.service_account.as_ref();
        let account = account
            .map(|account| self.word("serviceAccount", account, written::SERVICE_ACCOUNT))
            .transpose()?;
        Ok(WorkloadIdentity::Federated(Federation {
            audience: self.text("audience", audience)?,
            token: self.file("tokenFile", file)?,
            endpoint: url_or(own.endpoint.as_ref(), GOOGLE_STS),
            impersonated: account.map(|account| (account, impersonation)),
        }))
    }

    /// Read once to see that it can be; each exchange reads it anew.
    fn secret(&self, key: &str, from: &SecretFrom) -> Result<ReadSecret, FileError> {
        self.place(key, &from.value_from)
    }

    fn file(&self, key: &str, path: &Path) -> Result<ReadSecret, FileError> {
        self.place(key, &Source::File(path.to_path_buf()))
    }

    fn place(&self, key: &str, source: &Source) -> Result<ReadSecret, FileError> {
        source
            .read(&**self.env)
            .map_err(|error| self.error(key, error))?;
        let (source, env, key) = (source.clone(), Arc::clone(self.env), key.to_owned());
        Ok(Arc::new(move || {
            source
                .read(&*env)
                .map_err(|error| Fault::denied(ErrorCode::NoSecret, format!("its {key} {error}")))
        }))
    }

    /// What is no secret, and may still stand elsewhere and change there.
    fn setting(&self, key: &str, setting: &Setting) -> Result<ReadSecret, FileError> {
        match setting {
            Setting::From(from) => self.secret(key, from),
            Setting::Literal(text) => {
                let text = text.clone();
                let value = move || Ok(drydock_core::Secret::new(text.clone().into_bytes()));
                Ok(Arc::new(value))
            }
        }
    }

    fn text(&self, key: &str, setting: &Setting) -> Result<String, FileError> {
        let text = setting.text(&**self.env);
        let text = text.map_err(|error| self.error(key, error))?;
        Ok(text.trim().to_owned())
    }

    /// A word that signatures and requests hold, wherever it comes from.
    fn word(
        &self,
        key: &str,
        setting: &Setting,
        rule: written::WordRule,
    ) -> Result<String, FileError> {
        let text = self.text(key, setting)?;
        if (rule.fits)(&text) {
            return Ok(text);
        }
        let told = format!("comes from {}, and {}", setting.place(), rule.rule);
        Err(self.error(key, told))
    }

    fn managed_identity(
        &self,
        own: &written::ManagedIdentity,
    ) -> Result<ManagedIdentity, FileError> {
        use ManagedIdentityChoice as Choice;
        let choice = match (&own.client_id, &own.object_id, &own.resource_id) {
            (Some(id), ..) => Choice::ClientId(self.text("clientId", id)?),
            (_, Some(id), _) => Choice::ObjectId(self.text("objectId", id)?),
            (.., Some(id)) => Choice::ResourceId(self.text("resourceId", id)?),
            (None, None, None) => Choice::Only,
        };
        Ok(ManagedIdentity {
            choice,
            endpoint: url_or(own.endpoint.as_ref(), LINK_LOCAL_METADATA),
            audience: own
                .audience
                .clone()
                .unwrap_or_else(|| AZURE_STORAGE.to_owned()),
        })
    }

    fn error(&self, key: &str, rule: impl ToString) -> FileError {
        let path = format!("spec.identity.{}.{key}", self.kind);
        self.document.error(&path, rule.to_string())
    }
}

fn service(written: Option<&String>) -> String {
    written.map_or(S3, String::as_str).to_owned()
}

/// The port is left out where it is the scheme's own: an assertion's audience is the URL as
/// everybody writes it.
fn url_or(written: Option<&Endpoint>, otherwise: &str) -> String {
    let Some(Endpoint { scheme, host, port }) = written else {
        return otherwise.to_owned();
    };
    if *port == scheme.default_port() {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests;

//! The kinds of identities, each with what has to be said of it.

use std::path::{Path, PathBuf};

use drydock_core::{Endpoint, Scheme};
use serde::{Deserialize, Serialize};

use super::Judged;
use crate::problem::Problem;
use crate::value::{Bounded, SecretFrom, Setting, resolve_path};

/// Life of a role's key: STS allows no other.
type RoleSeconds = Bounded<900, 43_200>;

/// How a word has to look that may also come from a place.
#[derive(Debug, Clone, Copy)]
pub struct WordRule {
    pub fits: fn(&str) -> bool,
    /// A predicate of the key.
    pub rule: &'static str,
}

/// The name of a storage account at Azure.
pub const ACCOUNT: WordRule = WordRule {
    fits: |name| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (3..=24).contains(&name.len()) && name.chars().all(fits)
    },
    rule: "must be the name of a storage account: 3 to 24 small letters and digits",
};

/// A region of AWS.
pub const REGION: WordRule = WordRule {
    fits: is_scope,
    rule: "must be a region, e.g. eu-central-1; servers that have none take us-east-1",
};

/// The address of a service account at Google.
pub const SERVICE_ACCOUNT: WordRule = WordRule {
    fits: |account| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
        account.contains('@') && account.chars().all(fits)
    },
    rule: "must be a service account's address, e.g. backups@project.iam.gserviceaccount.com",
};

/// The key of a storage account at Azure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountKey {
    /// Name of the storage account.
    pub account: Setting,
    /// The key as the portal shows it, in base64.
    pub key: SecretFrom,
}

/// A shared access signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sas {
    /// What stands behind the `?` of its URL.
    pub token: SecretFrom,
}

/// An application of Entra ID. Exactly one of `secret`, `certificate` and
/// `federatedTokenFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePrincipal {
    /// The directory's id or one of its domains.
    pub tenant: Setting,
    /// The application's id.
    pub client_id: Setting,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFrom>,
    /// Certificate and private RSA key in PEM, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SecretFrom>,
    /// A token of an issuer that the application trusts. It is read for each exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated_token_file: Option<PathBuf>,
    /// Where tokens come from; `https://login.microsoftonline.com` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Endpoint>,
    /// What the token is for; `https://storage.azure.com` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// The identity of a virtual machine at Azure; one of its several by one of three ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManagedIdentity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Setting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Setting>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<Setting>,
    /// The machine's metadata; `http://169.254.169.254` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// What the token is for; `https://storage.azure.com` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// An access key of AWS, or of whoever speaks S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessKey {
    pub id: Setting,
    pub secret: SecretFrom,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretFrom>,
    /// What signatures name, e.g. `eu-central-1`.
    pub region: Setting,
    /// What signatures name; `s3` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// A role of AWS for who holds a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebIdentity {
    /// `arn:aws:iam::ACCOUNT:role/NAME`.
    pub role: Setting,
    /// The token. It is read for each exchange.
    pub token_file: PathBuf,
    /// Stands in the service's trail; `drydock` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// How long a key lives; an hour if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<RoleSeconds>,
    /// Where keys come from; `https://sts.REGION.amazonaws.com` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// What signatures name, e.g. `eu-central-1`.
    pub region: Setting,
    /// What signatures name; `s3` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// The role of a virtual machine at AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceRole {
    /// What signatures name, e.g. `eu-central-1`.
    pub region: Setting,
    /// What signatures name; `s3` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The machine's metadata; `http://169.254.169.254` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
}

/// What containers of ECS and pods of EKS are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerCredentials {
    /// Where keys come from, e.g. `{valueFrom: {env: AWS_CONTAINER_CREDENTIALS_FULL_URI}}`.
    pub uri: Setting,
    /// What is shown there, e.g. the file of `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`. It is
    /// read for each exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// What signatures name, e.g. `eu-central-1`.
    pub region: Setting,
    /// What signatures name; `s3` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// The key of a service account at Google.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountKey {
    /// The JSON that the console gives.
    pub key: SecretFrom,
    /// The only place that the key may name for tokens; `https://oauth2.googleapis.com/token`
    /// if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
}

/// What machines and pods at Google are given; with `audience` and `tokenFile`, what Google
/// gives for a token of another issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadIdentity {
    /// Resource name of the pool's provider: `//iam.googleapis.com/projects/...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Setting>,
    /// The token. It is read for each exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The service account to act as, by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Setting>,
    /// Where tokens come from: `http://metadata.google.internal`, and with a token
    /// `https://sts.googleapis.com`, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Where the service account's token comes from;
    /// `https://iamcredentials.googleapis.com` if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation_endpoint: Option<Endpoint>,
}

impl Judged for AccountKey {
    fn resolve_paths(&mut self, folder: &Path) {
        self.account.resolve(folder);
        self.key.value_from.resolve(folder);
    }

    fn problems(&self) -> Vec<Problem> {
        words([("account", ACCOUNT.is_kept(&self.account), ACCOUNT.rule)])
    }
}

impl Judged for Sas {
    fn resolve_paths(&mut self, folder: &Path) {
        self.token.value_from.resolve(folder);
    }

    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

impl Judged for ServicePrincipal {
    fn resolve_paths(&mut self, folder: &Path) {
        for setting in [&mut self.tenant, &mut self.client_id] {
            setting.resolve(folder);
        }
        for secret in [&mut self.secret, &mut self.certificate]
            .into_iter()
            .flatten()
        {
            secret.value_from.resolve(folder);
        }
        resolve_each([&mut self.federated_token_file], folder);
    }

    fn problems(&self) -> Vec<Problem> {
        let proofs = [
            self.secret.is_some(),
            self.certificate.is_some(),
            self.federated_token_file.is_some(),
        ];
        words([
            (
                "secret",
                proofs.into_iter().filter(|is_there| *is_there).count() == 1,
                "stands for itself: say exactly one of secret, certificate and federatedTokenFile",
            ),
            (
                "authority",
                is_tls(self.authority.as_ref()),
                "is asked with a secret, and so must begin with https://",
            ),
        ])
    }
}

impl Judged for ManagedIdentity {
    fn resolve_paths(&mut self, folder: &Path) {
        for id in [
            &mut self.client_id,
            &mut self.object_id,
            &mut self.resource_id,
        ] {
            id.iter_mut().for_each(|id| id.resolve(folder));
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let ids = [&self.client_id, &self.object_id, &self.resource_id];
        words([(
            "clientId",
            ids.into_iter().flatten().count() <= 1,
            "stands for itself: say at most one of clientId, objectId and resourceId",
        )])
    }
}

impl Judged for AccessKey {
    fn resolve_paths(&mut self, folder: &Path) {
        self.id.resolve(folder);
        self.region.resolve(folder);
        self.secret.value_from.resolve(folder);
        if let Some(token) = &mut self.session_token {
            token.value_from.resolve(folder);
        }
    }

    fn problems(&self) -> Vec<Problem> {
        scope(&self.region, self.service.as_deref())
    }
}

impl Judged for WebIdentity {
    fn resolve_paths(&mut self, folder: &Path) {
        self.role.resolve(folder);
        self.region.resolve(folder);
        resolve_path(&mut self.token_file, folder);
    }

    fn problems(&self) -> Vec<Problem> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
        let name = self.session_name.as_deref().unwrap_or("drydock");
        let mut problems = words([
            (
                "sessionName",
                (2..=64).contains(&name.len()) && name.chars().all(fits),
                "must be 2 to 64 letters, digits and _=,.@-",
            ),
            (
                "endpoint",
                is_tls(self.endpoint.as_ref()),
                "is asked with a token, and so must begin with https://",
            ),
        ]);
        problems.extend(scope(&self.region, self.service.as_deref()));
        problems
    }
}

impl Judged for InstanceRole {
    fn resolve_paths(&mut self, folder: &Path) {
        self.region.resolve(folder);
    }

    fn problems(&self) -> Vec<Problem> {
        scope(&self.region, self.service.as_deref())
    }
}

impl Judged for ContainerCredentials {
    fn resolve_paths(&mut self, folder: &Path) {
        self.uri.resolve(folder);
        self.region.resolve(folder);
        resolve_each([&mut self.token_file], folder);
    }

    fn problems(&self) -> Vec<Problem> {
        scope(&self.region, self.service.as_deref())
    }
}

impl Judged for ServiceAccountKey {
    fn resolve_paths(&mut self, folder: &Path) {
        self.key.value_from.resolve(folder);
    }

    fn problems(&self) -> Vec<Problem> {
        let endpoint = self.token_endpoint.as_deref();
        words([(
            "tokenEndpoint",
            endpoint.is_none_or(|url| url.starts_with("https://")),
            "is asked with an assertion, and so must begin with https://",
        )])
    }
}

impl Judged for WorkloadIdentity {
    fn resolve_paths(&mut self, folder: &Path) {
        for setting in [&mut self.audience, &mut self.service_account] {
            setting
                .iter_mut()
                .for_each(|setting| setting.resolve(folder));
        }
        resolve_each([&mut self.token_file], folder);
    }

    fn problems(&self) -> Vec<Problem> {
        let is_federated = self.audience.is_some();
        let mut accounts = self.service_account.iter();
        words([
            (
                "audience",
                is_federated == self.token_file.is_some(),
                "and tokenFile go together: say both, or neither for what this machine or pod is given",
            ),
            (
                "serviceAccount",
                is_federated || self.service_account.is_none(),
                "is acted as by who has a token: say audience and tokenFile, or leave it out",
            ),
            (
                "serviceAccount",
                accounts.all(|account| SERVICE_ACCOUNT.is_kept(account)),
                SERVICE_ACCOUNT.rule,
            ),
            (
                "endpoint",
                !is_federated || is_tls(self.endpoint.as_ref()),
                "is asked with a token, and so must begin with https://",
            ),
            (
                "impersonationEndpoint",
                is_tls(self.impersonation_endpoint.as_ref()),
                "is asked with a token, and so must begin with https://",
            ),
        ])
    }
}

impl WordRule {
    /// Whether what stands in the document keeps it; what comes from a place is judged where
    /// it is read.
    fn is_kept(self, setting: &Setting) -> bool {
        match setting {
            Setting::Literal(text) => (self.fits)(text),
            Setting::From(_) => true,
        }
    }
}

/// A part of what signatures of AWS are about.
fn is_scope(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

/// The rules that do not hold: key, whether it holds, and its sentence.
fn words<const N: usize>(rules: [(&str, bool, &str); N]) -> Vec<Problem> {
    let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
    broken
        .map(|(key, _, rule)| Problem::new(key, rule))
        .collect()
}

/// What stands in every signature of AWS.
fn scope(region: &Setting, service: Option<&str>) -> Vec<Problem> {
    words([
        ("region", REGION.is_kept(region), REGION.rule),
        (
            "service",
            service.is_none_or(is_scope),
            "must be a service as signatures name it, e.g. s3",
        ),
    ])
}

fn is_tls(endpoint: Option<&Endpoint>) -> bool {
    endpoint.is_none_or(|endpoint| endpoint.scheme == Scheme::Https)
}

fn resolve_each<const N: usize>(paths: [&mut Option<PathBuf>; N], folder: &Path) {
    for path in paths.into_iter().flatten() {
        resolve_path(path, folder);
    }
}

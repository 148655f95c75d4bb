//! `workloadIdentity`: what a machine or pod at Google is given by its metadata server, or a
//! token of another issuer that Google trusts
//! (<https://docs.cloud.google.com/compute/docs/access/authenticate-workloads>,
//! <https://docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>).

use async_trait::async_trait;
use drydock_capability_http::{HostAnswer, HostRoute};
use drydock_core::{ErrorCode, Fault, UnixTime};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::google_account::{STORAGE_SCOPE, WrittenToken, refused};
use super::{Asking, CredentialSource, Exchanger, ReadSecret, server_of};
use crate::credential::{Credential, Fetched};

const METADATA_TOKEN: &str = "computeMetadata/v1/instance/service-accounts/default/token";

/// What a federated token needs to act as a service account.
const IMPERSONATION_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The identity of where this runs.
pub enum WorkloadIdentity {
    /// `http://metadata.google.internal`, or where a variable says.
    Metadata {
        endpoint: String,
    },
    Federated(Federation),
}

/// A token of another issuer, and what it is exchanged for.
pub struct Federation {
    /// Whom the token is for: the resource name of the pool's provider.
    pub audience: String,
    pub token: ReadSecret,
    /// `https://sts.googleapis.com`.
    pub endpoint: String,
    /// The service account that is acted as, and where that is asked for.
    pub impersonated: Option<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenImpersonation {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expire_time: String,
}

#[async_trait]
impl CredentialSource for WorkloadIdentity {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        match self {
            Self::Metadata { endpoint } => of_metadata(exchanger, endpoint).await,
            Self::Federated(federation) => federation.fetch(exchanger).await,
        }
    }
}

async fn of_metadata(exchanger: &Exchanger, endpoint: &str) -> Result<Fetched, Fault> {
    let url = format!("{}/{METADATA_TOKEN}", endpoint.trim_end_matches('/'));
    let answer = exchanger
        .get_own(&url, &[("metadata-flavor", "Google")])
        .await?;
    let server = server_of(&url);
    if !answer.status.is_success() {
        let mend = "give this machine or pod a service account";
        return Err(exchanger.refusal(&server, &answer, &[], mend));
    }
    // Whoever else answers there is not asked again.
    let flavor = answer
        .headers
        .get("metadata-flavor")
        .map(http::HeaderValue::as_bytes);
    if flavor != Some(b"Google") {
        let why = format!(
            "{server} is no metadata server of Google's: run this at Google, or name another kind of identity"
        );
        return Err(Fault::permanent(ErrorCode::BadAnswer, why));
    }
    Exchanger::json::<WrittenToken>(&server, &answer)?.fetched(&server)
}

impl Federation {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let token = exchanger.read_text("tokenFile", &self.token).await?;
        let scope = match &self.impersonated {
            Some(_) => IMPERSONATION_SCOPE,
            None => STORAGE_SCOPE,
        };
        let url = format!("{}/v1/token", self.endpoint.trim_end_matches('/'));
        let fields = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", self.audience.as_str()),
            ("scope", scope),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", &token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ];
        let answer = exchanger.post_form(&url, &fields).await?;
        let server = server_of(&url);
        if !answer.status.is_success() {
            let mend = "compare `audience` with the pool's provider, and the token's issuer and audience with what that provider takes";
            return Err(refused(exchanger, &server, &answer, mend));
        }
        let fetched = Exchanger::json::<WrittenToken>(&server, &answer)?.fetched(&server)?;
        match &self.impersonated {
            Some(account) => impersonate(exchanger, &fetched, account).await,
            None => Ok(fetched),
        }
    }
}

async fn impersonate(
    exchanger: &Exchanger,
    fetched: &Fetched,
    (account, endpoint): &(String, String),
) -> Result<Fetched, Fault> {
    exchanger.know(&fetched.credential);
    let Credential::Bearer(token) = &fetched.credential else {
        return Err(Fault::permanent(
            ErrorCode::BadAnswer,
            "the exchange gave no token",
        ));
    };
    let bearer = Zeroizing::new(format!(
        "Bearer {}",
        token.expose_text().unwrap_or_default()
    ));
    let url = format!(
        "{}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
        endpoint.trim_end_matches('/')
    );
    let asking = Asking {
        route: HostRoute::Network,
        method: "POST",
        url: &url,
        headers: &[
            ("authorization", &bearer),
            ("content-type", "application/json"),
        ],
        body: Zeroizing::new(json!({"scope": [STORAGE_SCOPE]}).to_string()),
    };
    let answer = exchanger.ask(asking).await?;
    let server = server_of(&url);
    if !answer.status.is_success() {
        let mend = "give the federated identity the role roles/iam.workloadIdentityUser on the service account";
        return Err(exchanger.refusal(&server, &answer, &[], mend));
    }
    impersonated(exchanger, &server, &answer)
}

fn impersonated(
    exchanger: &Exchanger,
    server: &str,
    answer: &HostAnswer,
) -> Result<Fetched, Fault> {
    let written: WrittenImpersonation = Exchanger::json(server, answer)?;
    let end = written.expire_time.parse::<UnixTime>().ok();
    let end = end.filter(|_| !written.access_token.is_empty());
    let end = end.ok_or_else(|| {
        let why = format!("{server} answers with no token, or one without an end");
        Fault::permanent(ErrorCode::BadAnswer, why)
    })?;
    let token = drydock_core::Secret::new(written.access_token.into_bytes());
    Ok(Fetched {
        credential: Credential::Bearer(token),
        lives: Some(exchanger.until(end, answer)),
    })
}

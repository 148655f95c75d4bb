//! `instanceRole`: the role of a virtual machine of AWS, by version 2 of its metadata service
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>).

use async_trait::async_trait;
use drydock_capability_http::{HostAnswer, HostRoute};
use drydock_core::{ErrorCode, Fault, Secret, UnixTime};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::aws_static::is_key_id;
use super::{Asking, CredentialSource, Exchanger, server_of};
use crate::answer;
use crate::credential::{AwsKey, Credential, Fetched};

/// Life of the session with the metadata service: the longest there is.
const SESSION_SECONDS: &str = "21600";

const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// The role of the machine.
pub struct InstanceRole {
    /// `http://169.254.169.254`, or `http://[fd00:ec2::254]`.
    pub endpoint: String,
    pub region: String,
    pub service: String,
}

/// As the metadata service and servers of containers write it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WrittenKey {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

#[async_trait]
impl CredentialSource for InstanceRole {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let session = self.session(exchanger).await?;
        let headers = [("x-aws-ec2-metadata-token", session.as_str())];
        let roles = self.get(exchanger, "", &headers).await?;
        let roles = std::str::from_utf8(&roles.body).unwrap_or_default();
        let role = roles.lines().next().unwrap_or_default().trim().to_owned();
        if answer::code(&role).is_none() {
            return Err(Fault::permanent(
                ErrorCode::BadAnswer,
                format!(
                    "{} names no role of this machine",
                    server_of(&self.endpoint)
                ),
            ));
        }
        let answer = self.get(exchanger, &role, &headers).await?;
        let server = server_of(&self.endpoint);
        let place = (self.region.as_str(), self.service.as_str());
        Exchanger::json::<WrittenKey>(&server, &answer)?.fetched(exchanger, &server, &answer, place)
    }
}

impl InstanceRole {
    async fn session(&self, exchanger: &Exchanger) -> Result<Zeroizing<String>, Fault> {
        let url = self.url("latest/api/token");
        let asking = Asking {
            route: HostRoute::OwnMachine,
            method: "PUT",
            url: &url,
            headers: &[("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS)],
            body: Zeroizing::default(),
        };
        let answer = exchanger.ask(asking).await?;
        let text = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
        if !answer.status.is_success() || text.is_empty() {
            return Err(exchanger.refusal(
                &server_of(&url),
                &answer,
                &[],
                "the machine's metadata of version 2 is switched off, or out of reach for a container (hop limit)",
            ));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    async fn get(
        &self,
        exchanger: &Exchanger,
        role: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<HostAnswer, Fault> {
        let url = self.url(&format!("{ROLES}{role}"));
        let answer = exchanger.get_own(&url, headers).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let mend = "give this machine an instance profile with a role";
        Err(exchanger.refusal(&server_of(&url), &answer, &[], mend))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint.trim_end_matches('/'))
    }
}

impl WrittenKey {
    /// The key for requests in a region to a service.
    pub fn fetched(
        self,
        exchanger: &Exchanger,
        server: &str,
        answer: &HostAnswer,
        (region, service): (&str, &str),
    ) -> Result<Fetched, Fault> {
        // A 200 may hold why there is no key.
        if let Some(code) = self.code.as_deref().filter(|code| *code != "Success") {
            let codes: Vec<String> = answer::code(code).map(str::to_owned).into_iter().collect();
            return Err(exchanger.refusal(server, answer, &codes, "the role cannot be used now"));
        }
        let bad = || {
            let why = format!("{server} answers with no credential that is one");
            Fault::permanent(ErrorCode::BadAnswer, why)
        };
        if !is_key_id(&self.access_key_id) || self.secret_access_key.is_empty() {
            return Err(bad());
        }
        let end = self
            .expiration
            .map(|end| end.parse::<UnixTime>().map_err(|_| bad()));
        let end = end.transpose()?;
        let key = AwsKey {
            id: self.access_key_id,
            secret: Secret::new(self.secret_access_key.into_bytes()),
            session_token: self.token.map(|token| Secret::new(token.into_bytes())),
            region: region.to_owned(),
            service: service.to_owned(),
        };
        Ok(Fetched {
            credential: Credential::Aws(key),
            lives: end.map(|end| exchanger.until(end, answer)),
        })
    }
}

//! `webIdentity`: a role of AWS for who holds a token of a trusted issuer, e.g. a service
//! account of Kubernetes
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>).
//! The token goes in the body of an unsigned form, never in a URL.

use async_trait::async_trait;
use drydock_capability_http::HostAnswer;
use drydock_core::{ErrorClass, ErrorCode, Fault, Secret, UnixTime};

use super::aws_static::is_key_id;
use super::xml::element;
use super::{CredentialSource, Exchanger, ReadSecret, server_of};
use crate::answer;
use crate::credential::{AwsKey, Credential, Fetched};

/// A role that a token is exchanged for.
pub struct WebIdentity {
    pub role: String,
    pub token: ReadSecret,
    /// Stands in the service's trail.
    pub session_name: String,
    /// Of STS, e.g. `https://sts.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// None for the service's default, one hour.
    pub duration_seconds: Option<u64>,
    pub region: String,
    pub service: String,
}

#[async_trait]
impl CredentialSource for WebIdentity {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let token = exchanger.read_text("tokenFile", &self.token).await?;
        let seconds = self.duration_seconds.map(|seconds| seconds.to_string());
        let mut fields = vec![
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &self.role),
            ("RoleSessionName", &self.session_name),
            ("WebIdentityToken", &token),
        ];
        if let Some(seconds) = &seconds {
            fields.push(("DurationSeconds", seconds));
        }
        let url = format!("{}/", self.endpoint.trim_end_matches('/'));
        let answer = exchanger.post_form(&url, &fields).await?;
        if !answer.status.is_success() {
            return Err(refused(exchanger, &url, &answer));
        }
        self.credential(exchanger, &url, &answer)
    }
}

impl WebIdentity {
    fn credential(
        &self,
        exchanger: &Exchanger,
        url: &str,
        answer: &HostAnswer,
    ) -> Result<Fetched, Fault> {
        let text = std::str::from_utf8(&answer.body).unwrap_or_default();
        let of = |name: &str| element(text, name).filter(|text| !text.is_empty());
        let bad = || {
            let why = format!("{} answers with no credential that is one", server_of(url));
            Fault::permanent(ErrorCode::BadAnswer, why)
        };
        let secret = |name: &str| {
            let text = of(name).ok_or_else(bad)?;
            Ok::<_, Fault>(Secret::new(text.as_bytes().to_vec()))
        };
        let id = of("AccessKeyId")
            .filter(|id| is_key_id(id))
            .ok_or_else(bad)?;
        let end = of("Expiration").and_then(|end| end.parse::<UnixTime>().ok());
        let key = AwsKey {
            id: id.to_string(),
            secret: secret("SecretAccessKey")?,
            session_token: Some(secret("SessionToken")?),
            region: self.region.clone(),
            service: self.service.clone(),
        };
        Ok(Fetched {
            credential: Credential::Aws(key),
            lives: Some(exchanger.until(end.ok_or_else(bad)?, answer)),
        })
    }
}

fn refused(exchanger: &Exchanger, url: &str, answer: &HostAnswer) -> Fault {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    let code = element(text, "Code");
    let code = code
        .as_deref()
        .and_then(|code| answer::code(code))
        .unwrap_or_default();
    let codes: Vec<String> = Some(code.to_owned())
        .filter(|code| !code.is_empty())
        .into_iter()
        .collect();
    let fault = exchanger.refusal(&server_of(url), answer, &codes, mend(code));
    match code {
        // The file is read again at the next try, and by then holds the next token.
        "ExpiredTokenException" | "IDPCommunicationError" => Fault {
            class: ErrorClass::Transient,
            ..fault
        },
        _ => fault,
    }
}

fn mend(code: &str) -> &'static str {
    match code {
        "ExpiredTokenException" => {
            "the token in the file has ended, so see that whoever writes it renews it"
        }
        "InvalidIdentityToken" => {
            "the role's provider does not take the token: compare issuer and audience"
        }
        "AccessDenied" => {
            "the role's trust policy does not take the token: compare its subject and audience"
        }
        "RegionDisabled" => "the account has STS switched off in this region: correct `region`",
        _ => "",
    }
}

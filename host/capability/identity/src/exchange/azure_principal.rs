//! `servicePrincipal`: an application of Entra ID, by its secret, its certificate, or a token
//! that Entra trusts
//! (<https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>).

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drydock_capability_http::HostAnswer;
use drydock_core::{ErrorCode, Fault};
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::azure_managed::WrittenToken;
use super::{CredentialSource, Exchanger, ReadSecret, server_of};
use crate::answer;
use crate::credential::Fetched;
use crate::jwt::{self, Algorithm};

/// Life of an assertion: ten minutes are the most, and it is used at once.
const ASSERTION_SECONDS: i64 = 300;

/// An assertion is valid from before it was made on, for a server whose clock is behind.
const ASSERTION_BEFORE_SECONDS: i64 = 60;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application that acts for itself.
pub struct ServicePrincipal {
    pub tenant: String,
    pub client_id: String,
    pub proof: PrincipalProof,
    /// E.g. `https://login.microsoftonline.com`.
    pub authority: String,
    /// E.g. `https://storage.azure.com`.
    pub audience: String,
}

/// How it shows that it is the application.
pub enum PrincipalProof {
    Secret(ReadSecret),
    /// Certificate and private RSA key, in PEM, one after the other.
    Certificate(ReadSecret),
    /// A token of a trusted issuer, which rotates.
    Federated(ReadSecret),
}

/// As Entra writes why it refuses.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenRefusal {
    error: String,
    error_codes: Vec<u64>,
}

#[async_trait]
impl CredentialSource for ServicePrincipal {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let url = self.url();
        let scope = format!("{}/.default", self.audience.trim_end_matches('/'));
        let (name, value) = self.proof(exchanger, &url).await?;
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("scope", &scope),
            (name, &value),
        ];
        if name == "client_assertion" {
            fields.push(("client_assertion_type", JWT_BEARER));
        }
        let answer = exchanger.post_form(&url, &fields).await?;
        let server = server_of(&url);
        if !answer.status.is_success() {
            return Err(refused(exchanger, &server, &answer));
        }
        Exchanger::json::<WrittenToken>(&server, &answer)?.fetched(exchanger, &server, &answer)
    }
}

impl ServicePrincipal {
    fn url(&self) -> String {
        let authority = self.authority.trim_end_matches('/');
        format!("{authority}/{}/oauth2/v2.0/token", self.tenant)
    }

    async fn proof(
        &self,
        exchanger: &Exchanger,
        url: &str,
    ) -> Result<(&'static str, Zeroizing<String>), Fault> {
        match &self.proof {
            PrincipalProof::Secret(read) => {
                Ok(("client_secret", exchanger.read_text("secret", read).await?))
            }
            PrincipalProof::Federated(read) => {
                let token = exchanger.read_text("federatedTokenFile", read).await?;
                Ok(("client_assertion", token))
            }
            PrincipalProof::Certificate(read) => {
                let pem = exchanger.read("certificate", read).await?;
                let assertion = self.assertion(exchanger, url, pem.expose())?;
                Ok(("client_assertion", Zeroizing::new(assertion)))
            }
        }
    }

    /// PS256 with `x5t#S256`, the only way that is documented.
    fn assertion(&self, exchanger: &Exchanger, url: &str, pem: &[u8]) -> Result<String, Fault> {
        let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| {
            Fault::permanent(
                ErrorCode::BadSecret,
                "the identity's certificate holds no certificate in PEM: put certificate and private key, one after the other, where the document leads",
            )
        })?;
        let thumbprint = digest::digest(&digest::SHA256, &certificate);
        let now = exchanger.now().0;
        let algorithm = Algorithm::Ps256;
        let header = json!({
            "alg": algorithm.word(),
            "typ": "JWT",
            "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint),
        });
        let claims = json!({
            "aud": url,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": jwt::random_id()?,
            "nbf": now - ASSERTION_BEFORE_SECONDS,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        });
        jwt::signed(&header, &claims, pem, algorithm)
    }
}

fn refused(exchanger: &Exchanger, server: &str, answer: &HostAnswer) -> Fault {
    let written: WrittenRefusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let word = answer::code(&written.error).map(str::to_owned);
    let numbers = written
        .error_codes
        .iter()
        .map(|number| format!("AADSTS{number}"));
    let codes: Vec<String> = word.into_iter().chain(numbers.take(1)).collect();
    let mend = mend(written.error_codes.first().copied().unwrap_or_default());
    exchanger.refusal(server, answer, &codes, mend)
}

/// By the numbers of
/// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
fn mend(number: u64) -> &'static str {
    match number {
        90_002 => {
            "there is no such tenant there: correct `tenant`, or `authority` for another cloud"
        }
        700_016 => "the tenant has no such application: correct `clientId`",
        7_000_215 => {
            "the secret is another one's: put the secret's value, not its id, where the document leads"
        }
        7_000_222 => "the secret has ended: make a new one",
        700_027 => "the certificate is not the application's, or has ended",
        700_024 | 700_213 | 70_021 => {
            "no federated credential of the application takes the token: compare issuer, subject and audience"
        }
        _ => "",
    }
}

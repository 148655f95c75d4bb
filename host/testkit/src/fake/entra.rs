//! A fake of the token endpoint of Entra ID.
//!
//! Kept: `POST /TENANT/oauth2/v2.0/token` as a form with `client_credentials`; a client
//! secret; a client assertion as the platform documents it (PS256 alone, `x5t#S256`, audience
//! the token URL, issuer and subject the client, ten minutes at most, each `jti` once); a
//! federated token that was registered; the AADSTS numbers of refusals; access tokens with a
//! v1 issuer, as storage takes them. Not kept: other grants, throttling, signed tokens.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::jwt::{Token, thumbprint, unsigned};
use super::{Asked, Behaviour, Levers, Reply, now};

pub use super::jwt::rsa_certificate_pem;

/// The only tenant, and the client in it.
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

/// The client's secret, which holds what forms and URLs have to escape.
pub const SECRET: &str = "8Q~entra+secret/with=odd&characters~0123456789";

/// The longest life of an assertion.
const ASSERTION_SECONDS_MAX: i64 = 600;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the endpoint knows of the client.
pub struct Entra {
    thumbprint: String,
    federated: Mutex<BTreeSet<String>>,
    seen: Mutex<BTreeSet<String>>,
    echoes: bool,
}

/// A refusal: number and words.
type Refusal = (u16, u32, &'static str, String);

impl Entra {
    /// A client with [`SECRET`], the testkit's certificate, and these federated tokens.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn new(certificate_pem: &str, federated: &[&str]) -> Result<Self> {
        Ok(Self {
            thumbprint: thumbprint(certificate_pem)?,
            federated: Mutex::new(federated.iter().map(ToString::to_string).collect()),
            seen: Mutex::default(),
            echoes: false,
        })
    }

    /// One that is careless: it repeats the whole form in its refusals.
    #[must_use]
    pub fn that_echoes(self) -> Self {
        Self {
            echoes: true,
            ..self
        }
    }

    fn judge(&self, asked: &Asked) -> Result<String, Refusal> {
        let Some(tenant) = asked.path.strip_suffix("/oauth2/v2.0/token") else {
            return Err((404, 90_023, "invalid_request", "no such path".to_owned()));
        };
        if asked.method != "POST" || !asked.is_form() {
            return Err((400, 900_144, "invalid_request", "it is no form".to_owned()));
        }
        if tenant.trim_start_matches('/') != TENANT {
            let words = format!("Tenant '{tenant}' not found.");
            return Err((400, 90_002, "invalid_request", words));
        }
        if asked.field("client_id").as_deref() != Some(CLIENT) {
            let words = "Application was not found in the directory.".to_owned();
            return Err((400, 700_016, "unauthorized_client", words));
        }
        if asked.field("grant_type").as_deref() != Some("client_credentials") {
            return Err((400, 70_003, "unsupported_grant_type", String::new()));
        }
        self.judge_client(asked)?;
        let scope = asked.field("scope").unwrap_or_default();
        match scope.strip_suffix("/.default") {
            Some(audience) => Ok(audience.to_owned()),
            None => Err((
                400,
                70_011,
                "invalid_scope",
                "The scope is not valid.".to_owned(),
            )),
        }
    }

    fn judge_client(&self, asked: &Asked) -> Result<(), Refusal> {
        let refused = |number, words: String| (401, number, "invalid_client", words);
        match (
            asked.field("client_secret"),
            asked.field("client_assertion"),
        ) {
            (Some(secret), None) if secret == SECRET => Ok(()),
            (Some(_), None) => {
                let words = "Invalid client secret provided.".to_owned();
                Err(refused(7_000_215, words))
            }
            (None, Some(_))
                if asked.field("client_assertion_type").as_deref() != Some(JWT_BEARER) =>
            {
                Err(refused(
                    50_027,
                    "The assertion's type is unknown.".to_owned(),
                ))
            }
            (None, Some(assertion)) if self.is_federated(&assertion) => Ok(()),
            (None, Some(assertion)) => self
                .judge_assertion(asked, &assertion)
                .map_err(|error| refused(700_027, format!("Client assertion is wrong: {error}"))),
            _ => Err(refused(7_000_216, "No client authentication.".to_owned())),
        }
    }

    fn is_federated(&self, token: &str) -> bool {
        let federated = self
            .federated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        federated.contains(token)
    }

    fn judge_assertion(&self, asked: &Asked, text: &str) -> Result<()> {
        let token = Token::parse(text)?;
        ensure!(token.header["alg"] == "PS256", "the algorithm is not PS256");
        ensure!(token.header["typ"] == "JWT", "it is no JWT");
        ensure!(
            token.header["x5t#S256"] == self.thumbprint.as_str(),
            "the certificate is unknown"
        );
        token.verify()?;
        token.judge_times(now(), ASSERTION_SECONDS_MAX)?;
        let host = asked.header("host");
        let url = format!("https://{host}{}", asked.path);
        ensure!(
            token.claims["aud"] == url.as_str(),
            "the audience is not {url}"
        );
        ensure!(
            token.claims["iss"] == CLIENT && token.claims["sub"] == CLIENT,
            "issuer and subject are not the client"
        );
        let id = token.claims["jti"].as_str().unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(
            !id.is_empty() && seen.insert(id.to_owned()),
            "the jti is missing or was there before"
        );
        Ok(())
    }
}

impl Behaviour for Entra {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        match self.judge(asked) {
            Ok(audience) => {
                let token = access_token(&audience, levers);
                let lifetime = levers.lifetime();
                Reply::json(
                    200,
                    &json!({"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}),
                )
            }
            Err((status, number, error, words)) => {
                let echoed = if self.echoes { asked.body.as_str() } else { "" };
                Reply::json(
                    status,
                    &json!({
                        "error": error,
                        "error_description": format!("AADSTS{number}: {words}{echoed}"),
                        "error_codes": [number],
                        "trace_id": "0", "correlation_id": "0",
                    }),
                )
            }
        }
    }
}

/// A token that Azurite takes for this audience.
pub(super) fn access_token(audience: &str, levers: &Levers) -> String {
    let now = now();
    let end = now.saturating_add_unsigned(levers.lifetime());
    let claims: Value = json!({
        "aud": audience,
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": now, "nbf": now, "exp": end,
        "appid": CLIENT, "oid": CLIENT, "sub": CLIENT, "tid": TENANT, "ver": "1.0",
        "uti": format!("fake-{}", levers.next()),
    });
    unsigned(&claims)
}

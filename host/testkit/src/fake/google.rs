//! A fake of the servers at which Google hands out access tokens.
//!
//! Kept: `POST /token` with an assertion of a service account (RS256 with the key's id, issuer,
//! scope, audience, an hour at most); the metadata server's token, refused without the header
//! `Metadata-Flavor` and answered with it; the exchange of a federated token at `POST /v1/token`
//! and, after that, `generateAccessToken` of a service account. Not kept: signed tokens, other
//! scopes than storage.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::jwt::{Token, rsa_key_pem};
use super::{Asked, Behaviour, Levers, Reply, now};
use crate::instant;

/// The service account and the id of its key.
pub const ACCOUNT: &str = "drydock@backups-1.iam.gserviceaccount.com";
pub const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// Whom a federated token is for, and the token that is taken.
pub const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/k";
pub const FEDERATED_TOKEN: &str = "federated.token.of.the-cluster";

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const IMPERSONATED_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const HOUR_SECONDS: i64 = 3600;

const METADATA_TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// All of these servers at one address.
pub struct Google;

/// The JSON of the service account's key, as its console writes it, with tokens from this URL.
#[must_use]
pub fn key_file(token_url: &str) -> String {
    json!({
        "type": "service_account",
        "project_id": "backups-1",
        "private_key_id": KEY_ID,
        "private_key": rsa_key_pem(),
        "client_email": ACCOUNT,
        "client_id": "1",
        "token_uri": token_url,
    })
    .to_string()
}

impl Behaviour for Google {
    fn answer(&self, asked: &Asked, levers: &Levers) -> Reply {
        match asked.path.as_str() {
            "/token" => match judge_assertion(asked) {
                Ok(()) => token(levers),
                Err(error) => refused("invalid_grant", &format!("Invalid JWT: {error}")),
            },
            "/v1/token" => match judge_exchange(asked) {
                Ok(()) => token(levers),
                Err(error) => refused("invalid_request", &error.to_string()),
            },
            METADATA_TOKEN if asked.method == "GET" => metadata(asked, levers),
            path if path
                == format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken") =>
            {
                impersonated(asked, levers)
            }
            _ => Reply::text(404, "Not Found"),
        }
    }
}

fn judge_assertion(asked: &Asked) -> Result<()> {
    ensure!(asked.method == "POST" && asked.is_form(), "it is no form");
    let grant = asked.field("grant_type");
    ensure!(
        grant.as_deref() == Some("urn:ietf:params:oauth:grant-type:jwt-bearer"),
        "the grant is unknown"
    );
    let token = Token::parse(&asked.field("assertion").context("there is none")?)?;
    ensure!(
        token.header["alg"] == "RS256" && token.header["kid"] == KEY_ID,
        "the key is unknown"
    );
    token.verify()?;
    token.judge_times(now(), HOUR_SECONDS)?;
    ensure!(token.claims["iss"] == ACCOUNT, "the issuer is unknown");
    ensure!(token.claims["scope"] == SCOPE, "the scope is not granted");
    let url = format!("https://{}/token", asked.header("host"));
    ensure!(
        token.claims["aud"] == url.as_str(),
        "the audience is not {url}"
    );
    Ok(())
}

fn judge_exchange(asked: &Asked) -> Result<()> {
    ensure!(asked.method == "POST" && asked.is_form(), "it is no form");
    for (name, value) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("audience", AUDIENCE),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token", FEDERATED_TOKEN),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ] {
        ensure!(
            asked.field(name).as_deref() == Some(value),
            "{name} is not valid"
        );
    }
    let scope = asked.field("scope").unwrap_or_default();
    ensure!(
        [SCOPE, IMPERSONATED_SCOPE].contains(&scope.as_str()),
        "the scope is not valid"
    );
    Ok(())
}

fn metadata(asked: &Asked, levers: &Levers) -> Reply {
    if asked.header("metadata-flavor") != "Google" || !asked.header("x-forwarded-for").is_empty() {
        return Reply::text(403, "Forbidden");
    }
    token(levers).with("metadata-flavor", "Google")
}

fn impersonated(asked: &Asked, levers: &Levers) -> Reply {
    let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let is_ours = asked
        .header("authorization")
        .starts_with("Bearer ya29.fake-");
    if asked.method != "POST" || !is_ours || body["scope"] != json!([SCOPE]) {
        return Reply::json(
            403,
            &json!({"error": {"code": 403, "status": "PERMISSION_DENIED"}}),
        );
    }
    let end = now().saturating_add_unsigned(levers.lifetime());
    let told = json!({"accessToken": access_token(levers), "expireTime": instant::rfc3339(end)});
    Reply::json(200, &told)
}

fn token(levers: &Levers) -> Reply {
    let lifetime = levers.lifetime();
    let told = json!({"access_token": access_token(levers), "expires_in": lifetime, "token_type": "Bearer"});
    Reply::json(200, &told)
}

fn access_token(levers: &Levers) -> String {
    access_token_of(levers.next())
}

/// The access token that is handed out as this one, counted from 1.
#[must_use]
pub fn access_token_of(number: usize) -> String {
    format!("ya29.fake-{number:08}-access-token-0123456789")
}

fn refused(error: &str, words: &str) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": words}))
}

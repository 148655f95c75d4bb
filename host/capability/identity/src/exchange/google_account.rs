//! `serviceAccountKey`: a service account at Google, by the JSON of its key
//! (<https://developers.google.com/identity/protocols/oauth2/service-account>).

use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_http::HostAnswer;
use drydock_core::{ErrorCode, Fault, Secret};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::{CredentialSource, Exchanger, ReadSecret, server_of};
use crate::answer;
use crate::credential::{Credential, Fetched};
use crate::jwt::{self, Algorithm};

/// What a store needs.
pub(super) const STORAGE_SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Life of an assertion: it is used at once, and an hour is the most.
const ASSERTION_SECONDS: i64 = 300;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A key of a service account.
pub struct ServiceAccountKey {
    pub key: ReadSecret,
    /// The only token endpoint that the key may name: its file comes from elsewhere.
    pub token_endpoint: String,
}

/// The part of the key's JSON that counts.
#[derive(Deserialize)]
struct WrittenKey {
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

/// A token as Google writes it.
#[derive(Deserialize)]
pub(super) struct WrittenToken {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

/// Why there is none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenRefusal {
    error: String,
}

#[async_trait]
impl CredentialSource for ServiceAccountKey {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let secret = exchanger.read("key", &self.key).await?;
        let key = self.parsed(&secret)?;
        let now = exchanger.now().0;
        let algorithm = Algorithm::Rs256;
        let header = json!({"alg": algorithm.word(), "typ": "JWT", "kid": key.private_key_id});
        let claims = json!({
            "iss": key.client_email,
            "scope": STORAGE_SCOPE,
            "aud": self.token_endpoint,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        });
        let private = Zeroizing::new(key.private_key);
        let assertion = jwt::signed(&header, &claims, private.as_bytes(), algorithm)?;
        let fields = [
            ("grant_type", JWT_BEARER),
            ("assertion", assertion.as_str()),
        ];
        let answer = exchanger.post_form(&self.token_endpoint, &fields).await?;
        let server = server_of(&self.token_endpoint);
        if !answer.status.is_success() {
            let mend =
                "see that the key was not removed, the account not disabled, and the clock right";
            return Err(refused(exchanger, &server, &answer, mend));
        }
        Exchanger::json::<WrittenToken>(&server, &answer)?.fetched(&server)
    }
}

impl ServiceAccountKey {
    fn parsed(&self, secret: &Secret) -> Result<WrittenKey, Fault> {
        let bad = |why: &str| Fault::permanent(ErrorCode::BadSecret, why);
        let key: WrittenKey = serde_json::from_slice(secret.expose()).map_err(|_| {
            bad("the identity's key is no JSON of a service account's key (client_email, private_key_id, private_key, token_uri): put the file that the console gave where the document leads")
        })?;
        if key.token_uri != self.token_endpoint {
            return Err(bad(&format!(
                "the identity's key wants tokens from another server than {}: say `tokenEndpoint` in the document if that is right",
                server_of(&self.token_endpoint)
            )));
        }
        Ok(key)
    }
}

impl WrittenToken {
    pub fn fetched(self, server: &str) -> Result<Fetched, Fault> {
        if self.access_token.is_empty() || self.expires_in == 0 {
            let why = format!("{server} answers with no token, or one without an end");
            return Err(Fault::permanent(ErrorCode::BadAnswer, why));
        }
        Ok(Fetched {
            credential: Credential::Bearer(Secret::new(self.access_token.into_bytes())),
            lives: Some(Duration::from_secs(self.expires_in)),
        })
    }
}

/// The fault of an answer that is no token.
pub(super) fn refused(
    exchanger: &Exchanger,
    server: &str,
    answer: &HostAnswer,
    mend: &str,
) -> Fault {
    let written: WrittenRefusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let codes: Vec<_> = answer::code(&written.error)
        .map(str::to_owned)
        .into_iter()
        .collect();
    exchanger.refusal(server, answer, &codes, mend)
}

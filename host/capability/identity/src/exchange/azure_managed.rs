//! `managedIdentity`: the identity of a virtual machine at Azure, by its metadata service
//! (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).

use std::time::Duration;

use async_trait::async_trait;
use drydock_capability_http::HostAnswer;
use drydock_core::{ErrorCode, Fault, Secret, UnixTime};
use serde::{Deserialize, Deserializer};

use super::{CredentialSource, Exchanger, server_of};
use crate::answer;
use crate::credential::{Credential, Fetched};
use crate::words;

const API_VERSION: &str = "2018-02-01";

/// The machine's identity.
pub struct ManagedIdentity {
    pub choice: ManagedIdentityChoice,
    /// `http://169.254.169.254`.
    pub endpoint: String,
    /// E.g. `https://storage.azure.com`.
    pub audience: String,
}

/// Which of the machine's identities.
pub enum ManagedIdentityChoice {
    /// The machine's own, or its only one.
    Only,
    ClientId(String),
    ObjectId(String),
    ResourceId(String),
}

/// A token as Azure writes it: numbers may be texts, and one of the two ends may be missing.
#[derive(Deserialize)]
pub(super) struct WrittenToken {
    #[serde(default)]
    access_token: String,
    #[serde(default, deserialize_with = "number")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    expires_on: Option<u64>,
}

/// Why there is none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenRefusal {
    error: String,
}

#[async_trait]
impl CredentialSource for ManagedIdentity {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let mut fields = vec![("api-version", API_VERSION), ("resource", &self.audience)];
        fields.extend(self.choice.field());
        let url = format!(
            "{}/metadata/identity/oauth2/token?{}",
            self.endpoint.trim_end_matches('/'),
            words::form(&fields)
        );
        let answer = exchanger.get_own(&url, &[("metadata", "true")]).await?;
        let server = server_of(&url);
        if !answer.status.is_success() {
            let written: WrittenRefusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            let codes: Vec<_> = answer::code(&written.error)
                .map(str::to_owned)
                .into_iter()
                .collect();
            let mend = "assign an identity to this machine, or correct which one is named";
            return Err(exchanger.refusal(&server, &answer, &codes, mend));
        }
        Exchanger::json::<WrittenToken>(&server, &answer)?.fetched(exchanger, &server, &answer)
    }
}

impl ManagedIdentityChoice {
    fn field(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Only => None,
            Self::ClientId(id) => Some(("client_id", id)),
            Self::ObjectId(id) => Some(("object_id", id)),
            Self::ResourceId(id) => Some(("msi_res_id", id)),
        }
    }
}

impl WrittenToken {
    pub fn fetched(
        self,
        exchanger: &Exchanger,
        server: &str,
        answer: &HostAnswer,
    ) -> Result<Fetched, Fault> {
        let end = self.expires_on.and_then(|end| i64::try_from(end).ok());
        let until = end.map(|end| exchanger.until(UnixTime(end), answer));
        let lives = self.expires_in.map(Duration::from_secs).or(until);
        let (false, Some(lives)) = (self.access_token.is_empty(), lives) else {
            let why = format!("{server} answers with no token, or one without an end");
            return Err(Fault::permanent(ErrorCode::BadAnswer, why));
        };
        Ok(Fetched {
            credential: Credential::Bearer(Secret::new(self.access_token.into_bytes())),
            lives: Some(lives),
        })
    }
}

/// A number, or a text of one.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    Ok(match Option::<Written>::deserialize(deserializer)? {
        Some(Written::Number(number)) => Some(number),
        Some(Written::Text(text)) => text.parse().ok(),
        None => None,
    })
}

//! What requests are completed with.

use std::fmt;
use std::time::Duration;

use drydock_core::Secret;

/// One credential of one moment.
pub enum Credential {
    /// Sent as `Authorization: Bearer`.
    Bearer(Secret),
    /// A shared access signature as it stands in a query, and the signature in it, decoded.
    Sas {
        query: Secret,
        signature: Secret,
    },
    /// Of a storage account at Azure; the key is decoded.
    AccountKey {
        account: String,
        key: Secret,
    },
    Aws(AwsKey),
}

/// A key of AWS, or of whoever speaks S3.
pub struct AwsKey {
    pub id: String,
    pub secret: Secret,
    /// Of keys that end by themselves.
    pub session_token: Option<Secret>,
    pub region: String,
    /// `s3` of a store.
    pub service: String,
}

/// A credential and how long it is good for.
pub struct Fetched {
    pub credential: Credential,
    /// None where nobody says: then it is looked up again now and then.
    pub lives: Option<Duration>,
}

impl Credential {
    /// All that must never be seen, with a word for each.
    pub fn secrets(&self) -> Vec<(&'static str, &Secret)> {
        match self {
            Self::Bearer(token) => vec![("identity.token", token)],
            Self::Sas { query, signature } => {
                vec![("identity.sas", query), ("identity.sas", signature)]
            }
            Self::AccountKey { key, .. } => vec![("identity.key", key)],
            Self::Aws(key) => {
                let token = key.session_token.iter();
                let token = token.map(|token| ("identity.sessionToken", token));
                std::iter::once(("identity.secret", &key.secret))
                    .chain(token)
                    .collect()
            }
        }
    }

    /// Whether who sees the request can use what was added to it.
    pub fn is_bare(&self) -> bool {
        matches!(self, Self::Bearer(_) | Self::Sas { .. })
    }
}

/// The kind alone.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Sas { .. } => "Sas(..)",
            Self::AccountKey { .. } => "AccountKey(..)",
            Self::Aws(_) => "Aws(..)",
        })
    }
}

impl fmt::Debug for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKey")
            .field("region", &self.region)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("credential", &self.credential)
            .field("lives", &self.lives)
            .finish()
    }
}

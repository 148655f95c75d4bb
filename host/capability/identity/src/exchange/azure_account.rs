//! `accountKey` and `sas`: what opens a storage account at Azure by itself.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_core::{ErrorCode, Fault, Secret, UnixTime};

use super::{CredentialSource, Exchanger, ReadSecret};
use crate::credential::{Credential, Fetched};
use crate::words::fields;

/// The key of a storage account.
pub struct AccountKey {
    pub account: String,
    pub key: ReadSecret,
}

/// A shared access signature: what stands behind the `?` of its URL.
pub struct Sas {
    pub token: ReadSecret,
}

#[async_trait]
impl CredentialSource for AccountKey {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let text = exchanger.read_text("key", &self.key).await?;
        let key = STANDARD.decode(text.as_bytes()).map_err(|_| {
            Fault::permanent(
                ErrorCode::BadSecret,
                "the identity's key is not base64, as keys of storage accounts are: put the right one where the document leads",
            )
        })?;
        Ok(Fetched {
            credential: Credential::AccountKey {
                account: self.account.clone(),
                key: Secret::new(key),
            },
            lives: None,
        })
    }
}

#[async_trait]
impl CredentialSource for Sas {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let text = exchanger.read_text("sas", &self.token).await?;
        let text = text.strip_prefix('?').unwrap_or(&text);
        let signature = judge(text, exchanger.now())?;
        Ok(Fetched {
            credential: Credential::Sas {
                query: Secret::new(text.as_bytes().to_vec()),
                signature,
            },
            lives: None,
        })
    }
}

/// The signature in it, if it is one at all and has not ended. It is never repeated.
fn judge(text: &str, now: UnixTime) -> Result<Secret, Fault> {
    let bad = |why: String| Fault::permanent(ErrorCode::BadSecret, why);
    let odd = |c: char| !c.is_ascii_graphic() || "#?\"'<>".contains(c);
    let fields = fields(text);
    let value = |wanted: &[u8]| {
        let field = fields.iter().find(|(name, _)| name == wanted);
        field.map(|(_, value)| value.clone())
    };
    let signature = value(b"sig").filter(|_| !text.contains(odd));
    let signature = signature.ok_or_else(|| {
        bad("the identity's sas is no shared access signature: put there what stands behind the ? of its URL (sv=...&sig=...), as it is".to_owned())
    })?;
    let end = value(b"se").and_then(|end| String::from_utf8(end).ok());
    let end = end.and_then(|end| end.parse::<UnixTime>().ok());
    match end {
        Some(end) if end <= now => Err(bad(format!(
            "the identity's sas ended at {end}: put a new one where the document leads"
        ))),
        _ => Ok(Secret::new(signature)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signature_or_has_ended_is_told_without_repeating_it() {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let good = "sv=2023-11-03&se=2026-06-02T00%3A00%3A00Z&sr=c&sp=rwl&sig=a%2Bb%3D";
        judge(good, now).unwrap();
        // A day alone, and none because a stored policy says it.
        judge("sv=2023-11-03&se=2026-06-02&sig=x", now).unwrap();
        judge("sv=2023-11-03&si=policy&sig=x", now).unwrap();
        for (bad, expected) in [
            ("sv=2023&secretly", "is no shared access signature"),
            ("sig=a b", "is no shared access signature"),
            ("https://a/?sig=secretly", "is no shared access signature"),
            (
                "se=2026-05-31T00:00:00Z&sig=secretly",
                "ended at 2026-05-31T00:00:00Z",
            ),
        ] {
            let fault = judge(bad, now).unwrap_err();
            assert!(fault.message.contains(expected), "{fault}");
            assert!(!fault.message.contains("secretly"), "{fault}");
        }
    }
}

//! `accessKey`: a key of AWS, or of whoever speaks S3, that stands in files.

use async_trait::async_trait;
use drydock_core::{ErrorCode, Fault, Secret};

use super::{CredentialSource, Exchanger, ReadSecret};
use crate::credential::{AwsKey, Credential, Fetched};

/// An access key.
pub struct AccessKey {
    /// No secret, and may still stand in a file.
    pub id: ReadSecret,
    pub secret: ReadSecret,
    pub session_token: Option<ReadSecret>,
    pub region: String,
    pub service: String,
}

#[async_trait]
impl CredentialSource for AccessKey {
    async fn fetch(&self, exchanger: &Exchanger) -> Result<Fetched, Fault> {
        let id = exchanger.read_plain(&self.id).await?;
        let id = id
            .expose_text()
            .map(str::trim)
            .unwrap_or_default()
            .to_owned();
        if !is_key_id(&id) {
            return Err(Fault::permanent(
                ErrorCode::BadSecret,
                "the identity's id holds other characters than an access key's id has: letters, digits and .-_",
            ));
        }
        let secret = exchanger.read_text("secret", &self.secret).await?;
        let session_token = match &self.session_token {
            Some(read) => Some(exchanger.read_text("sessionToken", read).await?),
            None => None,
        };
        let key = AwsKey {
            id,
            secret: Secret::new(secret.as_bytes().to_vec()),
            session_token: session_token.map(|token| Secret::new(token.as_bytes().to_vec())),
            region: self.region.clone(),
            service: self.service.clone(),
        };
        Ok(Fetched {
            credential: Credential::Aws(key),
            lives: None,
        })
    }
}

/// What is put into a header as it stands.
pub(super) fn is_key_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

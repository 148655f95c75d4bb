//! How a credential is put into a request: one file a way that signs, and two that need none.

mod aws;
mod shared_key;

use drydock_capability_http::identity::{Completion, Draft};
use drydock_core::{ErrorCode, Fault, Scheme, UnixTime};
use http::{HeaderName, HeaderValue, header};
use ring::hmac;
use zeroize::Zeroizing;

use crate::credential::Credential;

/// Headers by which a plugin would speak for itself.
const OWN_HEADERS: [&str; 3] = ["authorization", "x-amz-security-token", "x-amz-date"];

/// What is added to the request.
///
/// # Errors
/// What of the request stands in the way, or that the credential is none.
pub(crate) fn completion(
    credential: &Credential,
    draft: &Draft<'_>,
    now: UnixTime,
) -> Result<Completion, Fault> {
    if let Some(name) = OWN_HEADERS
        .iter()
        .find(|name| draft.headers.contains_key(**name))
    {
        return Err(Fault::denied(
            ErrorCode::HeaderRefused,
            format!(
                "the header {name} of a request to {} is set by the target's identity and must not come from the plugin",
                draft.server
            ),
        ));
    }
    if credential.is_bare() && draft.server.scheme == Scheme::Http {
        return Err(Fault::denied(
            ErrorCode::BadConfiguration,
            format!(
                "the identity of {} is a token that whoever sees it can use, so it does not go in the clear: write https:// under `endpoints:` of the target",
                draft.server
            ),
        ));
    }
    match credential {
        Credential::Bearer(token) => bearer(token.expose()),
        Credential::Sas { query, .. } => at_end(query.expose()),
        Credential::AccountKey { account, key } => shared_key::sign(account, key, draft, now),
        Credential::Aws(key) => aws::sign(key, draft, now),
    }
}

fn bearer(token: &[u8]) -> Result<Completion, Fault> {
    let text = Zeroizing::new([b"Bearer ", token].concat());
    let value = HeaderValue::from_bytes(&text).map_err(|_| {
        Fault::permanent(
            ErrorCode::BadAnswer,
            "the token holds bytes that no header can hold",
        )
    })?;
    Ok(Completion {
        headers: vec![(header::AUTHORIZATION, sensitive(value))],
        query: None,
    })
}

fn at_end(sas: &[u8]) -> Result<Completion, Fault> {
    let text = String::from_utf8(sas.to_vec()).map_err(|_| {
        Fault::permanent(ErrorCode::BadSecret, "the identity's sas is not UTF-8 text")
    })?;
    Ok(Completion {
        headers: Vec::new(),
        query: Some(Zeroizing::new(text)),
    })
}

/// A header of plain text.
fn text_header(name: &'static str, value: &str) -> Result<(HeaderName, HeaderValue), Fault> {
    let value = HeaderValue::from_str(value).map_err(|_| {
        Fault::permanent(
            ErrorCode::BadSecret,
            format!(
                "the identity's value for the header {name} holds bytes that no header can hold"
            ),
        )
    })?;
    Ok((HeaderName::from_static(name), value))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    Zeroizing::new(hmac::sign(&key, message).as_ref().to_vec())
}

/// All values of a header, trimmed, joined by commas.
fn joined_values(draft: &Draft<'_>, name: &HeaderName) -> Result<String, Fault> {
    let values = draft.headers.get_all(name).iter().map(|value| {
        let text = value.to_str().map_err(|_| {
            Fault::permanent(
                ErrorCode::BadRequest,
                format!(
                    "the header {name} holds other characters than ASCII, and so cannot be signed"
                ),
            )
        })?;
        Ok(text.trim().to_owned())
    });
    Ok(values.collect::<Result<Vec<_>, Fault>>()?.join(","))
}

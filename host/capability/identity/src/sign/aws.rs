//! Signatures of AWS, version 4, as S3 wants them
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>): the path
//! is encoded once and not normalised; the payload's hash is signed.

use std::collections::BTreeMap;

use drydock_capability_http::identity::{Completion, Draft};
use drydock_core::{ErrorCode, Fault, Scheme, UnixTime};
use http::{HeaderName, HeaderValue, header};
use ring::digest;
use zeroize::Zeroizing;

use super::{hmac_sha256, joined_values, sensitive, text_header};
use crate::credential::AwsKey;
use crate::instant;
use crate::words::{decoded, encoded, fields};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

const PAYLOAD: &str = "x-amz-content-sha256";

/// In the place of a hash, over TLS.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// The SHA-256 of nothing, in hex.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Hex digits of a SHA-256.
const HASH_DIGITS: usize = 64;

/// Headers beside `host` and `x-amz-*` that are signed where they are there.
const ALSO_SIGNED: [HeaderName; 2] = [header::CONTENT_TYPE, HeaderName::from_static("content-md5")];

pub(super) fn sign(key: &AwsKey, draft: &Draft<'_>, now: UnixTime) -> Result<Completion, Fault> {
    let instant = instant::basic(now);
    let payload = payload(draft)?;
    let mut added = vec![
        text_header("x-amz-date", &instant)?,
        text_header(PAYLOAD, &payload)?,
    ];
    if let Some(token) = &key.session_token {
        let text = token.expose_text().unwrap_or_default();
        let (name, value) = text_header("x-amz-security-token", text.trim())?;
        added.push((name, sensitive(value)));
    }
    let headers = signed_headers(draft, &added)?;
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"));
    let canonical = Zeroizing::new(format!(
        "{}\n{}\n{}\n{}\n{names}\n{payload}",
        draft.method,
        path(draft),
        query(draft)?,
        lines.collect::<String>()
    ));
    let date = &instant[..8];
    let scope = format!("{date}/{}/{}/aws4_request", key.region, key.service);
    let text = format!(
        "{ALGORITHM}\n{instant}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let signature = hex::encode(hmac_sha256(&signing_key(key, date), text.as_bytes()));
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.id
    );
    let (name, value) = text_header("authorization", &authorization)?;
    added.push((name, sensitive(value)));
    Ok(Completion {
        headers: added,
        query: None,
    })
}

fn signing_key(key: &AwsKey, date: &str) -> Zeroizing<Vec<u8>> {
    let first = Zeroizing::new([b"AWS4", key.secret.expose()].concat());
    [date, &key.region, &key.service, "aws4_request"]
        .iter()
        .fold(first, |key, part| hmac_sha256(&key, part.as_bytes()))
}

/// What is signed for the body: its hash where the plugin says it or it is empty; over TLS,
/// with a checksum for the server to hold it against, none.
fn payload(draft: &Draft<'_>) -> Result<String, Fault> {
    let refused = |why: String| Err(Fault::permanent(ErrorCode::BadRequest, why));
    let said = draft.headers.get(PAYLOAD).map(HeaderValue::as_bytes);
    let is_hash =
        |value: &[u8]| value.len() == HASH_DIGITS && value.iter().all(u8::is_ascii_hexdigit);
    match said {
        Some(hash) if is_hash(hash) => {
            return Ok(String::from_utf8_lossy(hash).to_lowercase());
        }
        None if draft.body_bytes == Some(0) => return Ok(EMPTY.to_owned()),
        Some(value) if value != UNSIGNED.as_bytes() => {
            return refused(format!(
                "the header {PAYLOAD} of a request to {} is neither 64 hex digits nor {UNSIGNED}",
                draft.server
            ));
        }
        _ => {}
    }
    if draft.server.scheme == Scheme::Https && has_checksum(draft) {
        return Ok(UNSIGNED.to_owned());
    }
    refused(format!(
        "a request with a body to {} has neither the header {PAYLOAD} with the SHA-256 of the body nor, over TLS, a checksum (x-amz-checksum-*, Content-MD5): send one of them, so that nobody can change the body on its way",
        draft.server
    ))
}

fn has_checksum(draft: &Draft<'_>) -> bool {
    let is_checksum = |name: &HeaderName| {
        let value = name.as_str().strip_prefix("x-amz-checksum-");
        name == "content-md5"
            || value.is_some_and(|word| !matches!(word, "algorithm" | "type" | "mode"))
    };
    draft.headers.keys().any(is_checksum)
}

/// `host` and what must not change on the way, by name.
fn signed_headers<'h>(
    draft: &'h Draft<'_>,
    added: &'h [(HeaderName, HeaderValue)],
) -> Result<BTreeMap<&'h str, String>, Fault> {
    let mut headers = BTreeMap::from([("host", draft.server.authority())]);
    for name in draft.headers.keys() {
        if name.as_str().starts_with("x-amz-") || ALSO_SIGNED.contains(name) {
            headers.insert(name.as_str(), one_spaced(&joined_values(draft, name)?));
        }
    }
    for (name, value) in added {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.insert(name.as_str(), value);
    }
    Ok(headers)
}

/// With runs of spaces as one.
fn one_spaced(text: &str) -> String {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn path(draft: &Draft<'_>) -> String {
    let path = draft.path.split('?').next().unwrap_or_default();
    encoded(&decoded(path), true)
}

/// In order, each name and value encoded anew.
fn query(draft: &Draft<'_>) -> Result<String, Fault> {
    let query = draft.path.split_once('?').map_or("", |(_, query)| query);
    if query.contains('+') {
        return Err(Fault::permanent(
            ErrorCode::BadRequest,
            format!(
                "the query of a request to {} holds a +, which servers read in two ways: write %20 for a space and %2B for a plus",
                draft.server
            ),
        ));
    }
    let fields = fields(query).into_iter();
    let mut pairs: Vec<_> = fields
        .map(|(name, value)| (encoded(&name, false), encoded(&value, false)))
        .collect();
    pairs.sort();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

#[cfg(test)]
mod tests;

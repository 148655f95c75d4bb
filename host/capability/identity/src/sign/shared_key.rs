//! Signatures by the key of a storage account at Azure
//! (<https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_capability_http::identity::{Completion, Draft};
use drydock_core::{ErrorCode, Fault, Secret, UnixTime};
use http::{HeaderName, header};

use super::{hmac_sha256, joined_values, sensitive, text_header};
use crate::instant;
use crate::words::fields;

/// Standard headers whose values are signed, in their order, after the length.
const STANDARD_HEADERS: [HeaderName; 8] = [
    HeaderName::from_static("content-md5"),
    header::CONTENT_TYPE,
    header::DATE,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

pub(super) fn sign(
    account: &str,
    key: &Secret,
    draft: &Draft<'_>,
    now: UnixTime,
) -> Result<Completion, Fault> {
    let date = instant::http_date(now);
    let text = string_to_sign(account, draft, &date)?;
    let signature = STANDARD.encode(hmac_sha256(key.expose(), text.as_bytes()));
    let (name, value) = text_header("authorization", &format!("SharedKey {account}:{signature}"))?;
    Ok(Completion {
        headers: vec![text_header("x-ms-date", &date)?, (name, sensitive(value))],
        query: None,
    })
}

fn string_to_sign(account: &str, draft: &Draft<'_>, date: &str) -> Result<String, Fault> {
    let mut lines = vec![
        draft.method.to_string(),
        joined_values(draft, &header::CONTENT_ENCODING)?,
        joined_values(draft, &header::CONTENT_LANGUAGE)?,
        length(draft)?,
    ];
    for name in &STANDARD_HEADERS {
        lines.push(match *name {
            // `x-ms-date` takes its place.
            header::DATE => String::new(),
            _ => joined_values(draft, name)?,
        });
    }
    lines.extend(own_headers(draft, date)?);
    lines.push(resource(account, draft));
    Ok(lines.join("\n"))
}

/// Empty for none, and for an empty body.
fn length(draft: &Draft<'_>) -> Result<String, Fault> {
    match draft.body_bytes {
        Some(0) => Ok(String::new()),
        Some(bytes) => Ok(bytes.to_string()),
        None => Err(Fault::permanent(
            ErrorCode::BadRequest,
            format!(
                "the length of a request's body to {} is signed and is not known: say Content-Length",
                draft.server
            ),
        )),
    }
}

/// The service's own headers, by name. Its order differs from this one only where a name of
/// metadata holds a `_`.
fn own_headers(draft: &Draft<'_>, date: &str) -> Result<Vec<String>, Fault> {
    let mut headers = BTreeMap::new();
    for name in draft.headers.keys() {
        if name.as_str().starts_with("x-ms-") {
            headers.insert(name.as_str(), joined_values(draft, name)?);
        }
    }
    headers.insert("x-ms-date", date.to_owned());
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}"));
    Ok(lines.collect())
}

/// Account, path as it is sent, and the query's fields with their values decoded.
fn resource(account: &str, draft: &Draft<'_>) -> String {
    let (path, query) = draft.path.split_once('?').unwrap_or((draft.path, ""));
    let mut by_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in fields(query) {
        let name = String::from_utf8_lossy(&name).to_lowercase();
        let value = String::from_utf8_lossy(&value).into_owned();
        by_name.entry(name).or_default().push(value);
    }
    let mut text = format!("/{account}{path}");
    for (name, mut values) in by_name {
        values.sort();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}

#[cfg(test)]
mod tests {
    use drydock_capability_http::identity::Server;
    use drydock_core::{Host, Scheme};
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn draft<'a>(
        method: &'a Method,
        path: &'a str,
        headers: &'a HeaderMap,
        bytes: Option<u64>,
    ) -> Draft<'a> {
        Draft {
            method,
            server: Server {
                scheme: Scheme::Https,
                host: Host::parse("myaccount.blob.core.windows.net").unwrap(),
                port: 443,
            },
            path,
            headers,
            body_bytes: bytes,
        }
    }

    /// The example of the vendor's description, for Get Container Metadata.
    #[test]
    fn the_text_is_the_vendor_s() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-version", HeaderValue::from_static("2015-02-21"));
        let path = "/mycontainer?restype=container&comp=metadata&timeout=20";
        let draft = draft(&Method::GET, path, &headers, Some(0));
        let text = string_to_sign("myaccount", &draft, "Fri, 26 Jun 2015 23:39:12 GMT").unwrap();
        assert_eq!(
            text,
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        );
    }

    #[test]
    fn headers_and_fields_stand_where_they_belong() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("if-none-match", "*"),
            ("date", "whatever"),
            ("x-ms-blob-type", " BlockBlob "),
            ("x-ms-meta-b", "two  words"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let path = "/c/a%20b%2Fc?include=x&BlockId=a%2Bb&include=m";
        let draft = draft(&Method::PUT, path, &headers, Some(11));
        let text = string_to_sign("acct", &draft, "D").unwrap();
        assert_eq!(
            text,
            "PUT\n\n\n11\n\ntext/plain\n\n\n\n*\n\n\nx-ms-blob-type:BlockBlob\nx-ms-date:D\nx-ms-meta-b:two  words\n/acct/c/a%20b%2Fc\nblockid:a+b\ninclude:m,x"
        );
    }

    #[test]
    fn a_length_that_nobody_knows_cannot_be_signed() {
        let headers = HeaderMap::new();
        let draft = draft(&Method::PUT, "/c/b", &headers, None);
        let fault = string_to_sign("acct", &draft, "D").unwrap_err();
        assert!(fault.message.ends_with("say Content-Length"), "{fault}");
    }
}

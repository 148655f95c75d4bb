//! The examples of Amazon's description of S3's signatures, and what cannot be signed.

use drydock_capability_http::identity::Server;
use drydock_core::{Host, Secret};
use http::{HeaderMap, Method};

use super::*;

/// 2013-05-24T00:00:00Z.
const NOW: UnixTime = UnixTime(1_369_353_600);

fn key() -> AwsKey {
    AwsKey {
        id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret: Secret::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_vec()),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
    }
}

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let headers = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    headers.collect()
}

fn draft<'a>(
    scheme: Scheme,
    (method, path): (&'a Method, &'a str),
    headers: &'a HeaderMap,
    body_bytes: Option<u64>,
) -> Draft<'a> {
    Draft {
        method,
        server: Server {
            scheme,
            host: Host::parse("examplebucket.s3.amazonaws.com").unwrap(),
            port: scheme.default_port(),
        },
        path,
        headers,
        body_bytes,
    }
}

fn added(key: &AwsKey, draft: &Draft<'_>, name: &str) -> Result<String, Fault> {
    let completion = sign(key, draft, NOW)?;
    let mut headers = completion.headers.into_iter();
    let (_, value) = headers.find(|(own, _)| own == name).unwrap();
    Ok(String::from_utf8(value.as_bytes().to_vec()).unwrap())
}

fn signature(draft: &Draft<'_>) -> (String, String) {
    let text = added(&key(), draft, "authorization").unwrap();
    let (head, signature) = text.split_once(", Signature=").unwrap();
    let (_, names) = head.split_once("SignedHeaders=").unwrap();
    (names.to_owned(), signature.to_owned())
}

#[test]
fn a_bucket_s_lifecycle_is_asked_for_as_in_the_example() {
    let headers = map(&[]);
    let draft = draft(
        Scheme::Https,
        (&Method::GET, "/?lifecycle"),
        &headers,
        Some(0),
    );
    let (names, signature) = signature(&draft);
    assert_eq!(names, "host;x-amz-content-sha256;x-amz-date");
    assert_eq!(
        signature,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
}

#[test]
fn a_listing_is_asked_for_as_in_the_example() {
    let headers = map(&[]);
    let path = "/?max-keys=2&prefix=J";
    for path in [path, "/?prefix=J&max-keys=2"] {
        let draft = draft(Scheme::Https, (&Method::GET, path), &headers, Some(0));
        assert_eq!(
            signature(&draft).1,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}

#[test]
fn what_is_signed_changes_the_signature_and_what_is_not_does_not() {
    let method = Method::PUT;
    let plain = [("x-amz-checksum-crc32c", "AAAAAA==")];
    let of = |headers: &[(&'static str, &'static str)], path: &str| {
        let headers = map(headers);
        signature(&draft(Scheme::Https, (&method, path), &headers, Some(4)))
    };
    let (names, first) = of(&plain, "/a%20b");
    assert_eq!(
        names,
        "host;x-amz-checksum-crc32c;x-amz-content-sha256;x-amz-date"
    );
    let other = [("x-amz-checksum-crc32c", "AAAAAQ==")];
    assert_ne!(of(&other, "/a%20b").1, first);
    assert_ne!(of(&plain, "/a%2Bb").1, first);
    assert_ne!(of(&plain, "/a%20b/").1, first);
    let untouched = [plain[0], ("if-none-match", "*")];
    assert_eq!(of(&untouched, "/a%20b").1, first);
    // The same path in another writing, as the server reads it.
    assert_eq!(of(&plain, "/%61%20b").1, first);
}

#[test]
fn a_session_token_is_sent_and_signed() {
    let headers = map(&[]);
    let draft = draft(Scheme::Https, (&Method::GET, "/"), &headers, Some(0));
    let with = AwsKey {
        session_token: Some(Secret::new(b"session+token==".to_vec())),
        ..key()
    };
    let token = added(&with, &draft, "x-amz-security-token").unwrap();
    assert_eq!(token, "session+token==");
    let text = added(&with, &draft, "authorization").unwrap();
    assert!(text.contains("x-amz-date;x-amz-security-token,"), "{text}");
    let completion = sign(&with, &draft, NOW).unwrap();
    let told = format!("{completion:?} {with:?}");
    assert!(
        !told.contains("session") && !told.contains("wJalr"),
        "{told}"
    );
}

#[test]
fn a_body_is_bound_to_its_request() {
    let method = Method::PUT;
    let of = |scheme, headers: &[(&'static str, &'static str)], bytes| {
        let headers = map(headers);
        let draft = draft(scheme, (&method, "/k"), &headers, bytes);
        added(&key(), &draft, "x-amz-content-sha256").map_err(|fault| fault.message)
    };
    let hash = [(
        "x-amz-content-sha256",
        "44CE7DD67C959E0D3524FFAC1771DFBBA87D2B6B4B4E99E42034A8B803F8B072",
    )];
    let checksum = [("x-amz-checksum-sha256", "x")];
    let algorithm = [("x-amz-checksum-algorithm", "SHA256")];
    let (http, https) = (Scheme::Http, Scheme::Https);
    assert_eq!(of(http, &[], Some(0)).unwrap(), EMPTY);
    assert_eq!(of(http, &hash, Some(9)).unwrap(), hash[0].1.to_lowercase());
    assert_eq!(of(https, &checksum, Some(9)).unwrap(), UNSIGNED);
    assert_eq!(of(https, &[("content-md5", "x")], None).unwrap(), UNSIGNED);
    for (scheme, headers, bytes) in [
        (http, &checksum, Some(9)),
        (https, &algorithm, Some(9)),
        (http, &[("x-amz-content-sha256", UNSIGNED)], Some(9)),
        (https, &[("x-amz-content-sha256", UNSIGNED)], None),
    ] {
        let why = of(scheme, headers, bytes).unwrap_err();
        assert!(why.contains("has neither the header"), "{why}");
    }
    let streamed = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")];
    let why = of(https, &streamed, Some(9)).unwrap_err();
    assert!(why.contains("is neither 64 hex digits"), "{why}");
}

#[test]
fn a_plus_in_a_query_is_refused() {
    let headers = map(&[]);
    let draft = draft(
        Scheme::Https,
        (&Method::GET, "/?prefix=a+b"),
        &headers,
        Some(0),
    );
    let why = sign(&key(), &draft, NOW).unwrap_err().message;
    assert!(
        why.contains("write %20 for a space and %2B for a plus"),
        "{why}"
    );
}

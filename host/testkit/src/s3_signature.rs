//! Signatures of S3's version 4, made for the testkit's own requests and judged where no real
//! server does: versitygw takes session tokens of its own alone. The product has another
//! writing of its own; both are held against the same real server.

use anyhow::{Context as _, Result, bail, ensure};
use ring::{digest, hmac};

use crate::fake::now;
use crate::instant;
use crate::versitygw::{REGION, User};
use crate::web::Seen;

/// What is signed.
pub struct Signed<'a> {
    pub user: User,
    pub method: &'a str,
    pub host: &'a str,
    /// As it is sent, with the query, whose names are in order and all have a `=`.
    pub path: &'a str,
    pub body: &'a [u8],
}

/// Whether this user signed a request, with its host and every `x-amz-` header in it.
///
/// # Errors
/// What is missing, or that the signature is another one.
pub fn judge(seen: &Seen, user: User) -> Result<()> {
    let header = |name: &str| -> Result<&str> {
        let value = seen.headers.get(name);
        let value = value.with_context(|| format!("{name} is missing"))?;
        Ok(value.to_str()?)
    };
    let authorization = header("authorization")?;
    let part = |name: &str| -> Result<&str> {
        let (_, rest) = authorization
            .split_once(name)
            .context("a part is missing")?;
        Ok(rest.split(',').next().unwrap_or_default())
    };
    let (id, scope) = part("Credential=")?.split_once('/').context("no scope")?;
    ensure!(id == user.id, "it is the key of {id}");
    let names = part("SignedHeaders=")?;
    let is_signed = |name: &str| names.split(';').any(|own| own == name);
    let must_be = |name: &&str| *name == "host" || name.starts_with("x-amz-");
    let mut wanted = seen
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(must_be);
    if let Some(name) = wanted.find(|name| !is_signed(name)) {
        bail!("{name} is not signed");
    }
    let lines = names
        .split(';')
        .map(|name| Ok(format!("{name}:{}\n", header(name)?)));
    let lines = lines.collect::<Result<String>>()?;
    let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
    let payload = header("x-amz-content-sha256")?;
    let canonical = format!(
        "{}\n{path}\n{query}\n{lines}\n{names}\n{payload}",
        seen.method
    );
    let signature = sign(user, scope, header("x-amz-date")?, &canonical);
    ensure!(
        part("Signature=")? == signature,
        "the signature is another one"
    );
    Ok(())
}

/// All headers that the request needs beside its length.
pub fn headers(signed: &Signed<'_>) -> Vec<(String, String)> {
    let instant = instant::basic(now());
    let hash = hex::encode(digest::digest(&digest::SHA256, signed.body));
    let (path, query) = signed.path.split_once('?').unwrap_or((signed.path, ""));
    let canonical = format!(
        "{}\n{path}\n{query}\nhost:{}\nx-amz-content-sha256:{hash}\nx-amz-date:{instant}\n\nhost;x-amz-content-sha256;x-amz-date\n{hash}",
        signed.method, signed.host
    );
    let scope = format!("{}/{REGION}/s3/aws4_request", &instant[..8]);
    let signature = sign(signed.user, &scope, &instant, &canonical);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
        signed.user.id
    );
    vec![
        ("host".to_owned(), signed.host.to_owned()),
        ("x-amz-date".to_owned(), instant),
        ("x-amz-content-sha256".to_owned(), hash),
        ("authorization".to_owned(), authorization),
    ]
}

fn sign(user: User, scope: &str, instant: &str, canonical: &str) -> String {
    let digest = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{instant}\n{scope}\n{digest}");
    let first = format!("AWS4{}", user.secret).into_bytes();
    let key = scope.split('/').fold(first, |key, part| mac(&key, part));
    hex::encode(mac(&key, &text))
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

//! Bringing a file of the operator's choice here: for the host itself, which knows its
//! digest beforehand. No plugin's power leads here.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use drydock_core::{ErrorCode, Fault, HostPattern, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body::Body as _;

use super::backend::{HttpAccess, HttpCall, HttpConfig};
use super::body::ResponseBody;
use super::grant::{AddressClass, HttpRule};
use super::plan::Waits;
use drydock_capability_secret::SecretAccess;

/// Releases lead from their page to a store of files in one or two steps.
const REDIRECTS_MAX: usize = 5;

/// Everything inside, since the operator names the server. Metadata services stay
/// forbidden whatever a rule says.
pub(super) const INSIDE: [AddressClass; 4] = [
    AddressClass::Loopback,
    AddressClass::LinkLocal,
    AddressClass::Private,
    AddressClass::Shared,
];

/// Hands what `url` leads to, at most `bytes_max` bytes, to `sink`, and says how many
/// bytes came.
///
/// # Errors
/// `bad-url`, `http-status`, `too-large`, `write-failed`, or what the way there came to.
pub async fn download(
    config: &Arc<HttpConfig>,
    url: &str,
    bytes_max: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Fault> {
    let mut next = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let response = ask(config, &next).await?;
        match follow(&next, &response)? {
            Some(location) => next = location,
            None => return take(response.into_body(), url, bytes_max, &mut sink).await,
        }
    }
    Err(Fault::permanent(
        ErrorCode::HttpStatus,
        format!("{url} leads on and on: more than {REDIRECTS_MAX} redirects"),
    ))
}

async fn ask(config: &Arc<HttpConfig>, url: &str) -> Result<Response<ResponseBody>, Fault> {
    let uri: Uri = url.parse().map_err(|_| bad(url))?;
    let access = HttpAccess::new(vec![rule(url, &uri)?], Arc::clone(config));
    let request = Request::get(uri).body(String::new());
    let call = HttpCall {
        secrets: SecretAccess::new(Vec::new(), None),
        identity: None,
        waits: Waits::default(),
        moved: Arc::new(|_| {}),
    };
    let sent = access.send(request.map_err(|_| bad(url))?, call).await;
    sent.map_err(|error| error.fault)
}

fn rule(url: &str, uri: &Uri) -> Result<HttpRule, Fault> {
    let scheme = match uri.scheme_str() {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        _ => return Err(bad(url)),
    };
    let host = uri.host().and_then(|host| HostPattern::parse(host).ok());
    let port = uri.port_u16().unwrap_or(scheme.default_port());
    let mut rule = HttpRule::new(scheme, host.ok_or_else(|| bad(url))?, port);
    rule.limits.methods = ["GET".to_owned()].into();
    rule.limits.addresses = INSIDE.into();
    Ok(rule)
}

/// Where a redirect leads; none for the file itself.
fn follow(url: &str, response: &Response<ResponseBody>) -> Result<Option<String>, Fault> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    match location.and_then(|value| value.to_str().ok()) {
        Some(location) if status.is_redirection() => Ok(Some(location.to_owned())),
        _ => Err(Fault::permanent(
            ErrorCode::HttpStatus,
            format!("the server of {url} answers {status}"),
        )),
    }
}

async fn take(
    body: ResponseBody,
    url: &str,
    bytes_max: u64,
    sink: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Fault> {
    let mut body = pin!(body);
    let mut came = 0;
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|error| error.fault)?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        came += bytes.len() as u64;
        if came > bytes_max {
            return Err(Fault::permanent(
                ErrorCode::TooLarge,
                format!("{url} leads to more than {bytes_max} bytes, which no such file has"),
            ));
        }
        sink(&bytes).map_err(|error| {
            Fault::transient(
                ErrorCode::WriteFailed,
                format!("what {url} leads to cannot be written: {error}"),
            )
        })?;
    }
    Ok(came)
}

fn bad(url: &str) -> Fault {
    Fault::permanent(ErrorCode::BadUrl, format!("{url} is no URL of a file"))
}

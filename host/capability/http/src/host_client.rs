//! Small requests of the host's own, to servers that its operator names: those that hand out
//! credentials. No plugin's power leads here, and no rule of a plugin's counts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use drydock_core::{ErrorCode, Fault, Host, HostPattern};
use http::{HeaderMap, Request, StatusCode, Uri};
use zeroize::Zeroizing;

use super::address::{is_metadata_name, is_own_machine};
use super::backend::HttpConfig;
use super::clients::{Clients, Route};
use super::download::INSIDE;
use super::error::HttpError;
use super::grant::HttpRule;
use super::plan::Goal;

/// From the beginning of such a request to the end of its answer. Services of the machine
/// answer in milliseconds, others in a second.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// Largest answer: a token has some KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Sends them. Redirects are answers like any other, and nothing is sent twice.
pub struct HostClient {
    config: Arc<HttpConfig>,
    clients: Clients,
}

/// How such a request leaves this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRoute {
    /// As requests of plugins do: through the proxy, trusting the node's authorities, and never
    /// to a metadata address.
    Network,
    /// Without a proxy, and to nothing but the machine's own addresses and those of a cloud's
    /// metadata.
    OwnMachine,
}

/// An answer, whole.
pub struct HostAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
}

impl HostClient {
    #[must_use]
    pub fn new(config: Arc<HttpConfig>) -> Self {
        Self {
            clients: Clients::new(Arc::clone(&config)),
            config,
        }
    }

    /// Sends a request and takes its answer in.
    ///
    /// # Errors
    /// Where it may not go, or how it failed. The sentence names the server, and nothing that
    /// was sent or answered.
    pub async fn exchange(
        &self,
        route: HostRoute,
        request: Request<Zeroizing<Vec<u8>>>,
    ) -> Result<HostAnswer, Fault> {
        let (parts, body) = request.into_parts();
        let goal = Goal::of(&parts.uri).map_err(|error| error.fault)?;
        let what = format!("{} {}", parts.method, goal.server());
        let route = self.route(route, &goal, &parts.uri)?;
        let client = self.clients.get(&route).map_err(|error| error.fault)?;
        let url = goal.url().map_err(|error| error.fault)?;
        let mut outgoing = reqwest::Request::new(parts.method, url);
        *outgoing.headers_mut() = parts.headers;
        if !body.is_empty() {
            *outgoing.body_mut() = Some(body.to_vec().into());
        }
        let exchange = answered(client.execute(outgoing), &what);
        let answer = tokio::time::timeout(EXCHANGE_MAX, Box::pin(exchange)).await;
        answer.unwrap_or_else(|_| {
            Err(Fault::transient(
                ErrorCode::Timeout,
                format!("{what} was given up after {EXCHANGE_MAX:?}: the server did not answer"),
            ))
        })
    }

    fn route(&self, route: HostRoute, goal: &Goal, uri: &Uri) -> Result<Route, Fault> {
        if route == HostRoute::OwnMachine {
            return own_machine(goal);
        }
        let host = uri.host().and_then(|host| HostPattern::parse(host).ok());
        let host = host.ok_or_else(|| {
            let why = format!("{} names no single host", goal.server());
            Fault::permanent(ErrorCode::BadUrl, why)
        })?;
        let mut rule = HttpRule::new(goal.scheme, host, goal.port);
        rule.limits.addresses = INSIDE.into();
        let allowed = goal.allowed("POST", &[rule]).map_err(|error| error.fault)?;
        Ok(match self.config.proxies.of(goal.scheme, &goal.host) {
            Some(proxy) => Route::Proxy(proxy.to_owned()),
            None => Route::Direct(allowed),
        })
    }
}

fn own_machine(goal: &Goal) -> Result<Route, Fault> {
    let is_own = match &goal.host {
        Host::Address(address) => is_own_machine(*address),
        // What a name leads to is looked at when it is resolved.
        Host::Name(_) => true,
    };
    if is_own || is_metadata_name(&goal.host) {
        return Ok(Route::OwnMachine);
    }
    Err(Fault::denied(
        ErrorCode::AddressProhibited,
        format!(
            "{} is none of the addresses at which a machine gets credentials without TLS: its own, or those of a cloud's metadata",
            goal.server()
        ),
    ))
}

async fn answered(
    execute: impl Future<Output = reqwest::Result<reqwest::Response>>,
    what: &str,
) -> Result<HostAnswer, Fault> {
    let failed = |error: reqwest::Error| HttpError::of(&error, what).fault;
    let mut response = execute.await.map_err(failed)?;
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Fault::permanent(
                ErrorCode::BodyTooLarge,
                format!("the answer to {what} has more than {ANSWER_BYTES_MAX} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HostAnswer {
        status: response.status(),
        headers: response.headers().clone(),
        body,
    })
}

/// Status and length, never what was answered.
impl fmt::Debug for HostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostAnswer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HostClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostClient(..)")
    }
}

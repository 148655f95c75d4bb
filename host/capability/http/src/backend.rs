//! The client of one plugin: its rules, its connections, and the sending itself.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use drydock_core::{ErrorClass, ErrorCode, Fault};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::body::{Bounds, Outgoing, ResponseBody, Sent};
use super::clients::{Clients, Route};
use super::error::{HttpError, HttpErrorKind};
use super::grant::HttpRule;
use super::identity::{Draft, Server, UsedIdentity};
use super::names::{NameLookup, SystemNames};
use super::plan::{self, Goal, Waits};
use super::proxy::Proxies;
use drydock_capability_secret::{Redactor, SecretAccess};

/// Requests of one plugin under way at once, and so its connections: a store sends a
/// handful of parts side by side.
const REQUESTS_MAX: usize = 64;

/// Names and values of a response's headers together; servers send a few KiB.
pub(super) const RESPONSE_HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Told of bytes that moved over the network. Must not block.
pub type Moved = Arc<dyn Fn(u64) + Send + Sync>;

/// How requests leave this node.
#[derive(Clone)]
pub struct HttpConfig {
    pub proxies: Proxies,
    /// Certificates in PEM that are trusted beside the system's.
    pub ca_pem: Option<Vec<u8>>,
    pub waits: Waits,
    pub names: Arc<dyn NameLookup>,
}

/// What one attempt brings to its requests.
#[derive(Clone)]
pub struct HttpCall {
    pub secrets: SecretAccess,
    /// Completes the requests to its servers; none where the step or target has no identity.
    pub identity: Option<UsedIdentity>,
    /// What the plugin asks for; the host's own limits cut it.
    pub waits: Waits,
    pub moved: Moved,
}

/// The requests that one plugin may send. Clones and narrowed ones share connections.
#[derive(Clone)]
pub struct HttpAccess {
    rules: Arc<[HttpRule]>,
    inner: Arc<Inner>,
}

struct Inner {
    config: Arc<HttpConfig>,
    clients: Clients,
    requests: Arc<Semaphore>,
}

/// A request that may be sent.
struct Planned {
    goal: Goal,
    route: Route,
    url: reqwest::Url,
    headers: HeaderMap,
    method: Method,
}

impl HttpAccess {
    #[must_use]
    pub fn new(rules: Vec<HttpRule>, config: Arc<HttpConfig>) -> Self {
        let inner = Inner {
            clients: Clients::new(Arc::clone(&config)),
            config,
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
        };
        Self {
            rules: rules.into(),
            inner: Arc::new(inner),
        }
    }

    /// The same with these rules, which must be part of its own.
    #[must_use]
    pub fn narrowed(&self, rules: Vec<HttpRule>) -> Self {
        Self {
            rules: rules.into(),
            inner: Arc::clone(&self.inner),
        }
    }

    /// Sends a request, if it may be sent; resolves once the head of the response is
    /// there. Redirects are answers like any other. Ends with its future. Call it on the
    /// runtime that connections belong to.
    ///
    /// # Errors
    /// [`HttpError`]: what no rule allows, or how it failed.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        call: HttpCall,
    ) -> Result<Response<ResponseBody>, HttpError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let length = body_bytes(&parts.headers, &body);
        let ready = self.ready(parts, length, &call).await;
        let (planned, permit, client) = ready.map_err(HttpError::unsent)?;
        let what = planned.what();
        let exchange = Exchange {
            is_head: planned.method == Method::HEAD,
            waits: self.inner.config.waits.capped(&call.waits),
            begun: Instant::now(),
            sent: Arc::new(Sent::new()),
            call,
            what,
            server: planned.goal.server_address(),
            permit,
        };
        let body = Outgoing::new(
            body,
            Arc::clone(&exchange.sent),
            Arc::clone(&exchange.call.moved),
        );
        let mut outgoing = reqwest::Request::new(planned.method, planned.url);
        *outgoing.headers_mut() = planned.headers;
        // An empty body is none, so that a GET carries no frame of one.
        if !body.is_end_stream() {
            *outgoing.body_mut() = Some(reqwest::Body::wrap(body));
        }
        exchange.run(client.execute(outgoing)).await
    }

    /// All that goes before sending.
    async fn ready(
        &self,
        parts: http::request::Parts,
        body_bytes: Option<u64>,
        call: &HttpCall,
    ) -> Result<(Planned, OwnedSemaphorePermit, reqwest::Client), HttpError> {
        let mut planned = self.inner.plan(parts, &self.rules, &call.secrets)?;
        planned.say_if_empty(body_bytes);
        let permit = self.inner.permit()?;
        if let Some(used) = &call.identity {
            planned
                .complete(used, body_bytes, &call.secrets.redactor())
                .await?;
        }
        let client = self.inner.clients.get(&planned.route)?;
        Ok((planned, permit, client))
    }
}

impl Planned {
    /// A method that is expected to carry something says that it carries nothing (RFC 9110, 8.6):
    /// there are servers that refuse it otherwise.
    fn say_if_empty(&mut self, body_bytes: Option<u64>) {
        let carries = [Method::PUT, Method::POST, Method::PATCH].contains(&self.method);
        if carries && body_bytes == Some(0) {
            let none = HeaderValue::from_static("0");
            self.headers.insert(header::CONTENT_LENGTH, none);
        }
    }

    /// Has the identity add what is its, if the request goes to one of its servers.
    async fn complete(
        &mut self,
        used: &UsedIdentity,
        body_bytes: Option<u64>,
        redactor: &Redactor,
    ) -> Result<(), HttpError> {
        if !used.identity.is_for(&self.goal.server_address()) {
            return Ok(());
        }
        let draft = Draft {
            method: &self.method,
            server: self.goal.server_address(),
            path: &self.goal.path,
            headers: &self.headers,
            body_bytes,
        };
        let completion = used.identity.complete(draft, redactor).await?;
        if let Some(query) = completion.query {
            self.url = self.goal.url_with(&query)?;
        }
        for (name, value) in completion.headers {
            self.headers.insert(name, value);
        }
        Ok(())
    }

    fn what(&self) -> String {
        format!("{} {}", self.method, self.goal.server())
    }
}

impl Inner {
    fn plan(
        &self,
        parts: http::request::Parts,
        rules: &[HttpRule],
        secrets: &SecretAccess,
    ) -> Result<Planned, HttpError> {
        let goal = Goal::of(&parts.uri)?;
        let allowed = goal.allowed(parts.method.as_str(), rules)?;
        let url = goal.url()?;
        let headers = plan::headers(&goal, parts.headers, secrets)?;
        let route = match self.config.proxies.of(goal.scheme, &goal.host) {
            Some(proxy) => Route::Proxy(proxy.to_owned()),
            None => Route::Direct(allowed),
        };
        Ok(Planned {
            goal,
            route,
            url,
            headers,
            method: parts.method,
        })
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        let requests = Arc::clone(&self.requests);
        requests.try_acquire_owned().map_err(|_| {
            let fault = Fault::new(
                ErrorClass::Throttled,
                ErrorCode::TooManyRequests,
                format!("the plugin has {REQUESTS_MAX} requests under way, which is the limit: let one end, its response read or dropped"),
            );
            HttpError::new(HttpErrorKind::TooManyConnections, fault)
        })
    }
}

/// A request under way.
struct Exchange {
    what: String,
    server: Server,
    is_head: bool,
    waits: Waits,
    begun: Instant,
    sent: Arc<Sent>,
    call: HttpCall,
    permit: OwnedSemaphorePermit,
}

impl Exchange {
    async fn run(
        self,
        execute: impl Future<Output = reqwest::Result<reqwest::Response>>,
    ) -> Result<Response<ResponseBody>, HttpError> {
        tokio::pin!(execute);
        let answered = loop {
            let patience = self.patience();
            tokio::select! {
                answered = &mut execute => break answered,
                () = tokio::time::sleep_until(patience) => {
                    if self.patience() <= Instant::now() {
                        return Err(self.late());
                    }
                }
            }
        };
        let response = answered.map_err(|error| HttpError::of(&error, &self.what))?;
        self.bounded(response.into())
    }

    /// Until when nothing need happen: bytes that leave put it off.
    fn patience(&self) -> Instant {
        let next = match self.sent.last() {
            Some(last) => last + self.waits.first_byte,
            None => self.begun + self.waits.connect + self.waits.first_byte,
        };
        next.min(self.begun + self.waits.whole)
    }

    fn late(&self) -> HttpError {
        let waited = self.begun.elapsed();
        HttpError::timeout(
            HttpErrorKind::ResponseTimeout,
            format!(
                "{} was given up after {waited:.0?}: the server did not answer",
                self.what
            ),
        )
    }

    fn bounded(
        self,
        response: Response<reqwest::Body>,
    ) -> Result<Response<ResponseBody>, HttpError> {
        let (mut parts, body) = response.into_parts();
        let bytes: usize = parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        if bytes > RESPONSE_HEADERS_BYTES_MAX {
            let fault = Fault::permanent(
                ErrorCode::HeadersTooLarge,
                format!(
                    "the response to {} has {bytes} bytes of headers, more than the {RESPONSE_HEADERS_BYTES_MAX} allowed",
                    self.what
                ),
            );
            return Err(HttpError::new(HttpErrorKind::HeadersTooLarge, fault));
        }
        if let Some(used) = &self.call.identity
            && used.identity.is_for(&self.server)
            && let Some(told) = used.identity.answered(parts.status, &parts.headers)
        {
            (used.tell)(&told);
        }
        redact(&mut parts.headers, &self.call.secrets.redactor());
        let bounds = Bounds {
            announced: self.announced(parts.status, &parts.headers),
            between: self.waits.between_bytes,
            deadline: self.begun + self.waits.whole,
            moved: self.call.moved,
            permit: self.permit,
            what: self.what,
        };
        Ok(Response::from_parts(parts, ResponseBody::new(body, bounds)))
    }

    /// The length of the body that is to come, where the response says it (RFC 9112, 6.3).
    fn announced(&self, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
        let bodiless = self.is_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if bodiless {
            return None;
        }
        headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }
}

/// How much will be sent, where that is known beforehand: what the plugin says comes first,
/// since a body that it writes piece by piece knows no length.
fn body_bytes<B: Body>(headers: &HeaderMap, body: &B) -> Option<u64> {
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse().ok());
    let ended = body.is_end_stream().then_some(0);
    ended.or(said).or(body.size_hint().exact())
}

/// A server that sends a secret back does not tell the plugin by a header.
fn redact(headers: &mut HeaderMap, redactor: &Redactor) {
    for value in headers.values_mut() {
        if let Some(bytes) = redactor.bytes(value.as_bytes()) {
            *value = HeaderValue::from_bytes(&bytes)
                .unwrap_or_else(|_| HeaderValue::from_static("[redacted]"));
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            ca_pem: None,
            waits: Waits::default(),
            names: Arc::new(SystemNames),
        }
    }
}

impl fmt::Debug for HttpAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAccess")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

//! The client of one plugin: its rules, its connections, and the sending itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, Once, PoisonError};

use bytes::Bytes;
use drydock_core::{ErrorClass, ErrorCode, Fault};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use reqwest::{Certificate, Client, Proxy, redirect, retry};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::body::{Bounds, Outgoing, ResponseBody, Sent};
use super::error::{HttpError, HttpErrorKind};
use super::grant::{AddressClass, HttpRule};
use super::names::{Filtered, NameLookup, SystemNames};
use super::plan::{self, Goal, Waits};
use super::proxy::Proxies;
use drydock_capability_secret::{Redactor, SecretAccess};

/// Requests of one plugin under way at once, and so its connections: a store sends a
/// handful of parts side by side.
const REQUESTS_MAX: usize = 64;

/// Connections that are kept for the next request to a host.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// Names and values of a response's headers together; servers send a few KiB.
const RESPONSE_HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Headers of a response.
const RESPONSE_HEADERS_MAX: usize = 200;

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
    clients: Mutex<BTreeMap<Route, Client>>,
    requests: Arc<Semaphore>,
}

/// What connections have in common: they are never shared across it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    Direct(BTreeSet<AddressClass>),
    Proxy(String),
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
            config,
            clients: Mutex::default(),
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
        let planned = self.inner.plan(parts, &self.rules, &call.secrets);
        let ready = planned.and_then(|planned| {
            let permit = self.inner.permit()?;
            let client = self.inner.client(&planned.route)?;
            Ok((planned, permit, client))
        });
        let (planned, permit, client) = ready.map_err(HttpError::unsent)?;
        let what = planned.what();
        let exchange = Exchange {
            is_head: planned.method == Method::HEAD,
            waits: self.inner.config.waits.capped(&call.waits),
            begun: Instant::now(),
            sent: Arc::new(Sent::new()),
            call,
            what,
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
}

impl Planned {
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

    fn client(&self, route: &Route) -> Result<Client, HttpError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(route) {
            return Ok(client.clone());
        }
        let client = self.config.client(route).map_err(|error| {
            // What the client says of a proxy may hold its password.
            tracing::debug!(error = %error.without_url(), "no client");
            let fault = Fault::permanent(
                ErrorCode::BadConfiguration,
                "no request can be sent: mend `http: {caFile: ..., proxy: ...}` of the node's configuration; without a caFile the system must have certificates of authorities",
            );
            HttpError::new(HttpErrorKind::Broken, fault)
        })?;
        clients.insert(route.clone(), client.clone());
        Ok(client)
    }
}

impl HttpConfig {
    fn client(&self, route: &Route) -> reqwest::Result<Client> {
        // Somebody else may have set the same one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.waits.connect)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .http2_max_header_list_size(RESPONSE_HEADERS_BYTES_MAX as u32);
        if let Some(pem) = &self.ca_pem {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        }
        let allowed = match route {
            Route::Direct(allowed) => Some(allowed.clone()),
            Route::Proxy(url) => {
                say_once_what_a_proxy_hides();
                builder = builder.proxy(Proxy::all(url)?);
                None
            }
        };
        let names = Arc::clone(&self.names);
        builder
            .dns_resolver(Arc::new(Filtered { names, allowed }))
            .build()
    }
}

fn say_once_what_a_proxy_hides() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "requests of plugins leave through a proxy: their hosts are held against the grants by name, and the addresses behind the names, which only the proxy sees, are not"
        );
    });
}

/// A request under way.
struct Exchange {
    what: String,
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

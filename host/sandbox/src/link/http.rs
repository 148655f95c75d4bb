//! Adapters for the interface `http` and for `wasi:http`, whose requests the host's own
//! client sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::{HeaderName, Request, Response, header};
use drydock_capability_artifact::{Slice, Work};
use drydock_capability_http::identity::{RequestIdentity, UsedIdentity};
use drydock_capability_http::{
    HttpAccess, HttpCall, HttpConfig, HttpError, HttpErrorKind, HttpGrant, HttpRule, Moved,
    SliceBody, Waits, is_forbidden_header,
};
use drydock_capability_secret::SecretAccess;
use drydock_core::{Capability, ErrorClass, ErrorCode, Fault, Grants};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use wasmtime::component::{HasSelf, Resource};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView,
};

use super::row::{Link, Terms};
use super::secret;
use crate::border::linked::Linker;
use crate::border::{Crossing, Exchange, Replay, ReplayedExchange, http_error};
use crate::guest::{Guest, Tied};
use crate::log::{LogBook, Severity};
use crate::narrowed::Narrowed;
use crate::parts::HostParts;
use crate::world::contract::http::{Host, add_to_linker};
use crate::world::{Answer, WitError};

pub(super) const LINK: Link = Link {
    capability: Capability::of::<HttpGrant>(),
    interface: Some("http"),
    foreign: &["wasi:http/types", "wasi:http/outgoing-handler"],
    not_for: &[],
    writes_for: None,
    add,
    prepare,
    give,
};

/// Names and values of one set of headers, with what they take in memory.
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Who a target's plugin is at the target's servers.
pub(crate) struct PluginIdentity(pub Arc<dyn RequestIdentity>);

/// The network as one attempt sees it.
struct Network {
    context: WasiHttpCtx,
    hooks: Hooks,
}

struct Hooks {
    /// None for a call without power.
    access: Option<HttpAccess>,
    identity: Option<UsedIdentity>,
    secrets: SecretAccess,
    moved: Moved,
    work: Work,
    main: Handle,
    errors: Errors,
    crossing: Option<Crossing>,
}

/// Where what failed is told beside the code that the guest gets.
#[derive(Clone)]
struct Errors {
    last: Arc<Mutex<Option<Fault>>>,
    log: LogBook,
    narrowed: Narrowed,
}

type Sent = Result<
    (
        Response<WasiBody>,
        Box<dyn Future<Output = Result<(), Error>> + Send>,
    ),
    Error,
>;

fn add(l: &mut Linker<Guest>) -> wasmtime::Result<()> {
    add_to_linker::<_, HasSelf<Guest>>(l, |guest| guest)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)
}

/// A plugin's connections.
fn prepare(parts: &mut HostParts, grants: &Grants) {
    let config = parts.get::<Arc<HttpConfig>>().cloned().unwrap_or_default();
    let access = HttpAccess::new(rules(grants), config);
    parts.put(access);
}

fn rules(grants: &Grants) -> Vec<HttpRule> {
    let rules = grants.of().iter().filter_map(HttpGrant::rule);
    rules.cloned().collect()
}

fn give(guest: &mut Guest, terms: &Terms<'_>) {
    secret::give(guest, terms);
    let access = terms.parts.get::<HttpAccess>();
    let access = access.map(|access| access.narrowed(rules(terms.grants)));
    let identity = terms.parts.get::<PluginIdentity>();
    let identity = identity.map(|identity| used(guest, Arc::clone(&identity.0)));
    let network = Network::new(guest, access, identity);
    guest.parts.put(network);
}

/// What an identity has to tell stands in the attempt's log.
fn used(guest: &Guest, identity: Arc<dyn RequestIdentity>) -> UsedIdentity {
    let log = guest.log.clone();
    UsedIdentity {
        identity,
        tell: Arc::new(move |text| log.write(Severity::Warn, text)),
    }
}

impl Network {
    /// The network of this guest, which nothing is sent to without access.
    fn new(guest: &Guest, access: Option<HttpAccess>, identity: Option<UsedIdentity>) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(HEADERS_BYTES_MAX);
        let errors = Errors {
            last: Arc::default(),
            log: guest.log.clone(),
            narrowed: guest.narrowed.clone(),
        };
        let hooks = Hooks {
            access,
            identity,
            secrets: secret::secrets(guest),
            moved: signs_of_life(guest),
            work: guest.work.clone(),
            main: guest.main.clone(),
            errors,
            crossing: guest.crossing.clone(),
        };
        Self { context, hooks }
    }
}

/// Bytes that move over the network are a sign of life.
fn signs_of_life(guest: &Guest) -> Moved {
    let work = guest.work.clone();
    Arc::new(move |bytes| work.moved(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        // A call without power was given none; the linker is that of all calls.
        if self.parts.get::<Network>().is_none() {
            let network = Network::new(self, None, None);
            self.parts.put(network);
        }
        let network = self.parts.get_mut::<Network>();
        let network = network.expect("one was put there if there was none");
        WasiHttpCtxView {
            hooks: &mut network.hooks,
            table: &mut self.table,
            ctx: &mut network.context,
        }
    }
}

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name: &HeaderName| is_forbidden_header(name))
    }

    /// The client sets it, from the host that was checked.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let errors = self.errors.clone();
        let exchange = self.crossing.as_ref().map(Crossing::exchange);
        let mut recorded = match exchange {
            Some(Exchange::Replayed(replay)) => return replayed(replay, request, errors),
            Some(Exchange::Recorded(recorded)) => Some(recorded),
            None => None,
        };
        let request = match &mut recorded {
            Some(recorded) => recorded.begin(request),
            None => request,
        };
        let Some(access) = self.access.clone() else {
            let refused = HttpError::no_power();
            if let Some(recorded) = recorded {
                recorded.refused(&refused);
            }
            return Box::new(async move { Err(errors.told(refused)) });
        };
        let call = HttpCall {
            secrets: self.secrets.clone(),
            identity: self.identity.clone(),
            waits: waits(options),
            moved: Arc::clone(&self.moved),
        };
        // A server may change something whatever the method is.
        let written = self.work.writes();
        let sending = self.main.spawn(async move {
            let sent = access.send(request, call).await;
            if is_known(&sent) {
                written.answered();
            }
            sent
        });
        let sent = async move {
            let mut sending = Tied(sending);
            let sent = (&mut sending.0).await;
            sent.map_err(|_| Error::InternalError(Some("the host failed".to_owned())))
        };
        Box::new(async move {
            let sent = sent.await?;
            match recorded {
                Some(recorded) => answer(recorded.end(sent), errors),
                None => answer(sent, errors),
            }
        })
    }
}

/// Whether the server told what it did, or heard nothing of it.
fn is_known<B>(sent: &Result<Response<B>, HttpError>) -> bool {
    sent.as_ref()
        .err()
        .is_none_or(|error| !error.fault.may_be_done())
}

/// The response out of a record.
fn replayed(
    replay: Replay,
    request: Request<WasiBody>,
    errors: Errors,
) -> Box<dyn Future<Output = Sent> + Send> {
    let taken = ReplayedExchange::take(replay, &request);
    Box::new(async move {
        match taken {
            Ok(taken) => answer(taken.answer(request.into_body()).await, errors),
            Err(differs) => Err(errors.told(http_error(&differs))),
        }
    })
}

fn answer<B>(sent: Result<Response<B>, HttpError>, errors: Errors) -> Sent
where
    B: http_body::Body<Data = bytes::Bytes, Error = HttpError> + Send + 'static,
{
    let response = sent.map_err(|error| errors.told(error))?;
    let body = |body: B| body.map_err(move |error| errors.told(error)).boxed_unsync();
    Ok((response.map(body), Box::new(async { Ok(()) })))
}

impl Errors {
    /// Keeps the fault and tells the guest by a code. A refusal is for the operator too.
    fn told(&self, error: HttpError) -> Error {
        let fault = self.narrowed.explain(error.fault);
        if fault.class == ErrorClass::Denied {
            self.log.write(Severity::Warn, &fault.message);
        }
        let code = code(error.kind, &fault);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        code
    }

    fn last(&self) -> Option<Fault> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Host for Guest {
    async fn attach(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        body: Resource<Slice>,
    ) -> Answer<()> {
        let slice = self.table.get(&body)?.clone();
        let request = self.table.get_mut(&request)?;
        let size = slice.size().to_string();
        let other = |length: &::http::HeaderValue| length.as_bytes() != size.as_bytes();
        if request.body.is_some()
            || request
                .headers
                .get(header::CONTENT_LENGTH)
                .is_some_and(other)
        {
            return Ok(Err(not_attached().into()));
        }
        let body = SliceBody::new(slice);
        let broken = |fault: Fault| Error::InternalError(Some(fault.message));
        request.body = Some(body.map_err(broken).boxed_unsync());
        Ok(Ok(()))
    }

    async fn last_error(&mut self) -> wasmtime::Result<Option<WitError>> {
        let network = self.parts.get::<Network>();
        Ok(network
            .and_then(|network| network.hooks.errors.last())
            .map(Into::into))
    }
}

fn not_attached() -> Fault {
    Fault::permanent(
        ErrorCode::BadRequest,
        "a slice can be the body of a request that has none yet, and whose Content-Length is the slice's if it says one",
    )
}

/// What the guest asks for; what it does not say is the host's to say.
fn waits(options: Option<RequestOptions>) -> Waits {
    let options = options.unwrap_or_default();
    // No wait at all would be a request that always fails.
    let asked = |wait: Option<Duration>| {
        wait.map_or(Duration::MAX, |wait| wait.max(Duration::from_millis(1)))
    };
    Waits {
        connect: asked(options.connect_timeout),
        first_byte: asked(options.first_byte_timeout),
        between_bytes: asked(options.between_bytes_timeout),
        whole: Duration::MAX,
    }
}

fn code(kind: HttpErrorKind, fault: &Fault) -> Error {
    match kind {
        HttpErrorKind::Denied => Error::HttpRequestDenied,
        HttpErrorKind::BadRequest => Error::HttpProtocolError,
        HttpErrorKind::BadUri => Error::HttpRequestUriInvalid,
        HttpErrorKind::AddressProhibited => Error::DestinationIpProhibited,
        HttpErrorKind::NoSuchName => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        HttpErrorKind::Refused => Error::ConnectionRefused,
        HttpErrorKind::ConnectTimeout => Error::ConnectionTimeout,
        HttpErrorKind::ResponseTimeout => Error::HttpResponseTimeout,
        HttpErrorKind::ReadTimeout => Error::ConnectionReadTimeout,
        HttpErrorKind::Certificate => Error::TlsCertificateError,
        HttpErrorKind::Tls => Error::TlsProtocolError,
        HttpErrorKind::Broken => Error::InternalError(Some(fault.message.clone())),
        HttpErrorKind::HeadersTooLarge => Error::HttpResponseHeaderSectionSize(None),
        HttpErrorKind::BodyTooLarge => Error::HttpResponseBodySize(None),
        HttpErrorKind::BodyIncomplete => Error::HttpResponseIncomplete,
        HttpErrorKind::TooManyConnections => Error::ConnectionLimitReached,
    }
}

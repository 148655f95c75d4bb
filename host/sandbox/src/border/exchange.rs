//! Requests, which leave through an interface that is not of the contract: each is recorded
//! as the plugin built it, before the host put a secret into it, with the response as the
//! plugin gets it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use ::http::response::Builder;
use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use drydock_capability_http::{HttpError, HttpErrorKind};
use drydock_core::Fault;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wasmtime_wasi_http::WasiBody;

use super::recorder::{Recorder, Slot};
use super::replay::{Differs, Replay};
use super::told::{CUT, Told, WHOLE_BYTES_MAX, bytes_of, cut_off};
use super::way::Way;

/// The function that sends a request.
const FUNCTION: &str = "wasi:http/outgoing-handler#handle";

/// Where the body of a request stands among its arguments.
const BODY: usize = 3;

/// A request on its way.
pub(crate) enum Exchange {
    Recorded(RecordedExchange),
    Replayed(Replay),
}

/// One whose response is awaited.
pub(crate) struct RecordedExchange {
    recorder: Recorder,
    slot: Option<Slot>,
}

/// One whose response is in a record.
pub(crate) struct ReplayedExchange {
    replay: Replay,
    line: usize,
    recorded_body: Value,
    answer: Option<Value>,
}

/// What was seen of a body.
pub(crate) struct Kept {
    bytes: Vec<u8>,
    size: u64,
    digest: Sha256,
    end: BodyEnd,
}

/// How a body ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum BodyEnd {
    Whole,
    /// Nobody read on.
    Unread,
    Broken(RecordedError),
}

/// Why there was no response, or no more of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RecordedError {
    kind: HttpErrorKind,
    fault: Fault,
}

#[derive(Deserialize)]
enum RecordedAnswer {
    Ok(RecordedResponse),
    Err(RecordedError),
}

#[derive(Deserialize)]
struct RecordedResponse {
    status: u16,
    headers: Vec<(String, Value)>,
    body: Value,
    end: BodyEnd,
}

impl Exchange {
    pub(super) fn new(way: Way) -> Self {
        match way {
            Way::Recorded(recorder) => Self::Recorded(RecordedExchange {
                recorder,
                slot: None,
            }),
            Way::Replayed(replay) => Self::Replayed(replay),
        }
    }
}

impl RecordedExchange {
    /// Writes the request down; its body is what goes out of what this returns.
    pub fn begin(&mut self, request: Request<WasiBody>) -> Request<WasiBody> {
        // What the host attached is in the record as a slice: its size alone is known so early.
        let attached = request.body().size_hint().exact().filter(|size| *size > 0);
        let mut arguments = asked(&request);
        let function = FUNCTION.into();
        if let Some(size) = attached {
            arguments.push(Told::Plain(json!({"attached": size})));
            self.slot = Some(self.recorder.begin(&function, false, arguments));
            return request;
        }
        let (body, kept) = RecordedBody::new(request.into_parts());
        arguments.push(Told::Body(kept));
        self.slot = Some(self.recorder.begin(&function, false, arguments));
        let (parts, body) = body;
        Request::from_parts(parts, body.boxed_unsync())
    }

    /// Writes down that it never left.
    pub fn refused(self, error: &HttpError) {
        self.answered(case("Err", told(&RecordedError::of(error))));
    }

    /// Writes the response down; its body is what is read of what this returns.
    pub fn end<B>(
        self,
        sent: Result<Response<B>, HttpError>,
    ) -> Result<Response<RecordedBody<B>>, HttpError>
    where
        B: Body<Data = Bytes, Error = HttpError>,
    {
        match sent {
            Ok(response) => {
                let ((parts, body), kept) = RecordedBody::new(response.into_parts());
                let response = response_told(parts.status.as_u16(), &parts.headers, kept);
                self.answered(case("Ok", response));
                Ok(Response::from_parts(parts, body))
            }
            Err(error) => {
                self.refused(&error);
                Err(error)
            }
        }
    }

    fn answered(self, answer: Told) {
        if let Some(slot) = self.slot {
            self.recorder.end(slot, answer);
        }
    }
}

impl ReplayedExchange {
    /// The next recorded call, which must be this request. What its body was comes with the
    /// request's own.
    pub fn take(replay: Replay, request: &Request<WasiBody>) -> Result<Self, Differs> {
        let taken = replay.take(FUNCTION, &asked(request))?;
        let mut arguments = taken.call.arguments;
        let recorded_body = if arguments.len() > BODY {
            arguments.swap_remove(BODY)
        } else {
            Value::Null
        };
        Ok(Self {
            line: taken.line,
            recorded_body,
            answer: taken.call.answer,
            replay,
        })
    }

    /// The recorded response, once the whole body of the request was seen.
    pub async fn answer(self, body: WasiBody) -> Result<Response<ReplayedBody>, HttpError> {
        if self.recorded_body.get("attached").is_none() {
            let kept = read(body).await;
            if !self.replay.is_same(&self.recorded_body, &Told::Body(kept)) {
                let told = "the request has another body than the recorded one".to_owned();
                return Err(self.differs(told));
            }
        }
        let answer = match self.answer.clone().map(serde_json::from_value) {
            Some(Ok(RecordedAnswer::Ok(response))) => response,
            Some(Ok(RecordedAnswer::Err(error))) => return Err(error.into()),
            Some(Err(error)) => {
                return Err(self.differs(format!("this answers no request: {error}")));
            }
            None => {
                let told = "the request was never answered: the recorded attempt ended there";
                return Err(self.differs(told.to_owned()));
            }
        };
        self.response(answer)
    }

    fn response(&self, recorded: RecordedResponse) -> Result<Response<ReplayedBody>, HttpError> {
        if let Some(cut) = recorded.body.get(CUT) {
            let told = format!("the response cannot be given again: {}", cut_off(cut));
            return Err(self.differs(told));
        }
        let wrong = |why: String| self.differs(format!("this answers no request: {why}"));
        let bytes = bytes_of(&recorded.body).map_err(wrong)?;
        let broken = match recorded.end {
            BodyEnd::Whole => None,
            BodyEnd::Unread => Some(Broken::Unread(self.replay.clone(), self.line)),
            BodyEnd::Broken(error) => Some(Broken::So(error)),
        };
        let headers = recorded.headers.iter();
        let builder = headers.fold(Response::builder().status(recorded.status), with_header);
        let body = ReplayedBody {
            bytes: Some(bytes.into()),
            broken,
        };
        builder.body(body).map_err(|error| wrong(error.to_string()))
    }

    fn differs(&self, told: String) -> HttpError {
        http_error(&self.replay.differs(self.line, told))
    }
}

/// The same as the error of a request that was never sent.
pub(crate) fn http_error(differs: &Differs) -> HttpError {
    let fault = Fault::permanent(drydock_core::ErrorCode::BadRequest, differs.to_string());
    HttpError {
        kind: HttpErrorKind::Denied,
        fault,
    }
}

fn with_header(builder: Builder, (name, value): &(String, Value)) -> Builder {
    let bytes = bytes_of(value).unwrap_or_default();
    builder.header(name, bytes)
}

/// Method, address and headers, as the plugin gave them.
fn asked(request: &Request<WasiBody>) -> Vec<Told> {
    vec![
        Told::Text(request.method().to_string()),
        Told::Text(request.uri().to_string()),
        headers_told(request.headers()),
    ]
}

/// In the order of their names: that of a table is nobody's.
fn headers_told(headers: &HeaderMap) -> Told {
    let mut told: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    told.sort_by_key(|(name, _)| *name);
    let header = |(name, value): (&str, &[u8])| {
        Told::List(vec![
            Told::Text(name.to_owned()),
            Told::Bytes(value.to_vec()),
        ])
    };
    Told::List(told.into_iter().map(header).collect())
}

fn response_told(status: u16, headers: &HeaderMap, kept: Arc<Mutex<Kept>>) -> Told {
    Told::Map(vec![
        ("status".to_owned(), Told::Plain(json!(status))),
        ("headers".to_owned(), headers_told(headers)),
        ("body".to_owned(), Told::Body(Arc::clone(&kept))),
        ("end".to_owned(), Told::BodyEnd(kept)),
    ])
}

fn case(name: &str, told: Told) -> Told {
    Told::Map(vec![(name.to_owned(), told)])
}

fn told(value: &impl Serialize) -> Told {
    Told::of(value).unwrap_or(Told::Plain(Value::Null))
}

/// A body that is written down as it passes.
pub(crate) struct RecordedBody<B> {
    inner: Pin<Box<B>>,
    kept: Arc<Mutex<Kept>>,
}

impl<B> RecordedBody<B> {
    fn new<P>((parts, body): (P, B)) -> ((P, Self), Arc<Mutex<Kept>>) {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let recorded = Self {
            inner: Box::pin(body),
            kept: Arc::clone(&kept),
        };
        ((parts, recorded), kept)
    }
}

impl<B> Body for RecordedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Tellable,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(self.inner.as_mut().poll_frame(context));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    kept.add(data);
                }
            }
            Some(Err(error)) => kept.end = error.told(),
            None => kept.end = BodyEnd::Whole,
        }
        // Whoever is told that this was the end asks no more.
        if self.inner.is_end_stream() {
            kept.end = BodyEnd::Whole;
        }
        drop(kept);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let is_at_end = self.inner.is_end_stream();
        if is_at_end {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.end = BodyEnd::Whole;
        }
        is_at_end
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// How the end of a body is written down.
trait Tellable {
    fn told(&self) -> BodyEnd;
}

impl Tellable for HttpError {
    fn told(&self) -> BodyEnd {
        BodyEnd::Broken(RecordedError::of(self))
    }
}

/// Of a request: the plugin gave no more of it.
impl Tellable for wasmtime_wasi_http::Error {
    fn told(&self) -> BodyEnd {
        BodyEnd::Unread
    }
}

/// A body out of a record.
pub(crate) struct ReplayedBody {
    bytes: Option<Bytes>,
    broken: Option<Broken>,
}

enum Broken {
    So(RecordedError),
    /// More of it may be there, and nobody knows.
    Unread(Replay, usize),
}

impl Body for ReplayedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let broken = self.broken.take().map(|broken| match broken {
            Broken::So(error) => error.into(),
            Broken::Unread(replay, line) => {
                let told = "the plugin reads more of the response than when it was recorded";
                http_error(&replay.differs(line, told.to_owned()))
            }
        });
        Poll::Ready(broken.map(Err))
    }
}

impl RecordedError {
    fn of(error: &HttpError) -> Self {
        Self {
            kind: error.kind,
            fault: error.fault.clone(),
        }
    }
}

impl From<RecordedError> for HttpError {
    fn from(RecordedError { kind, fault }: RecordedError) -> Self {
        Self { kind, fault }
    }
}

impl Kept {
    fn add(&mut self, data: &[u8]) {
        self.size += data.len() as u64;
        self.digest.update(data);
        let room = WHOLE_BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
    }

    pub(super) fn told(&self) -> Told {
        if self.size <= WHOLE_BYTES_MAX as u64 {
            return Told::Bytes(self.bytes.clone());
        }
        Told::Cut {
            bytes: self.size,
            sha256: hex::encode(self.digest.clone().finalize()),
            beginning: self.bytes.clone(),
        }
    }

    pub(super) fn end_told(&self) -> Told {
        told(&self.end)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            size: 0,
            digest: Sha256::new(),
            end: BodyEnd::Unread,
        }
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("size", &self.size).finish()
    }
}

/// A body to its end, as it would be recorded.
async fn read(body: WasiBody) -> Arc<Mutex<Kept>> {
    let (((), mut body), kept) = RecordedBody::new(((), body));
    while let Some(Ok(_)) = body.frame().await {}
    kept
}

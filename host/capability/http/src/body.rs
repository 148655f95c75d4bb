//! Bodies on their way: counted, and never waited for without end.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use drydock_core::{ErrorCode, Fault};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::backend::Moved;
use super::error::{HttpError, HttpErrorKind};
use drydock_capability_artifact::Slice;

/// Most bytes of one response: far above the largest object that is read back in one go.
const RESPONSE_BYTES_MAX: u64 = 1 << 40;

/// When bytes of a request last left.
#[derive(Debug)]
pub(super) struct Sent {
    start: Instant,
    /// Milliseconds after the start, and one; 0 for never.
    last: AtomicU64,
}

/// A request's body, of which every piece is noted.
pub(super) struct Outgoing<B> {
    /// Its own lock makes the body shareable, which the client asks for; it is never
    /// contended, since the client polls through a unique reference.
    inner: Mutex<Pin<Box<B>>>,
    sent: Arc<Sent>,
    moved: Moved,
}

/// A response's body.
pub struct ResponseBody {
    inner: reqwest::Body,
    what: String,
    received: u64,
    /// By the header Content-Length, where the response has a body.
    announced: Option<u64>,
    between: Duration,
    quiet: Pin<Box<Sleep>>,
    deadline: Pin<Box<Sleep>>,
    moved: Moved,
    done: bool,
    /// Given back when the body is gone.
    _permit: OwnedSemaphorePermit,
}

/// A slice as a request's body: its bytes go from the host to the wire.
pub struct SliceBody {
    slice: Slice,
    offset: u64,
    reading: Option<Reading>,
}

/// The piece that is sent next.
type Reading = Pin<Box<dyn Future<Output = Result<Vec<u8>, Fault>> + Send>>;

impl Sent {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn note(&self) {
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last.store(passed + 1, Ordering::Relaxed);
    }

    /// When bytes last left; none before the first.
    pub fn last(&self) -> Option<Instant> {
        match self.last.load(Ordering::Relaxed) {
            0 => None,
            passed => Some(self.start + Duration::from_millis(passed - 1)),
        }
    }
}

impl<B> Outgoing<B> {
    pub fn new(body: B, sent: Arc<Sent>, moved: Moved) -> Self {
        Self {
            inner: Mutex::new(Box::pin(body)),
            sent,
            moved,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let frame = ready!(inner.as_mut().poll_frame(context));
        self.sent.note();
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            (self.moved)(bytes.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

impl<B> Outgoing<B> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pin<Box<B>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a response's body is held to.
pub(super) struct Bounds {
    pub what: String,
    pub announced: Option<u64>,
    pub between: Duration,
    pub deadline: Instant,
    pub moved: Moved,
    pub permit: OwnedSemaphorePermit,
}

impl ResponseBody {
    pub(super) fn new(inner: reqwest::Body, bounds: Bounds) -> Self {
        Self {
            inner,
            what: bounds.what,
            received: 0,
            announced: bounds.announced,
            between: bounds.between,
            quiet: Box::pin(tokio::time::sleep(bounds.between)),
            deadline: Box::pin(tokio::time::sleep_until(bounds.deadline)),
            moved: bounds.moved,
            done: false,
            _permit: bounds.permit,
        }
    }

    fn took(&mut self, bytes: usize) -> Result<(), HttpError> {
        self.received += bytes as u64;
        (self.moved)(bytes as u64);
        let between = self.between;
        self.quiet.as_mut().reset(Instant::now() + between);
        let most = self.announced.unwrap_or(RESPONSE_BYTES_MAX);
        if self.received > most.min(RESPONSE_BYTES_MAX) {
            return Err(self.too_large());
        }
        Ok(())
    }

    fn too_large(&self) -> HttpError {
        let fault = Fault::permanent(
            ErrorCode::BodyTooLarge,
            format!(
                "the response to {} is longer than the server said it would be, or than {RESPONSE_BYTES_MAX} bytes",
                self.what
            ),
        );
        HttpError::new(HttpErrorKind::BodyTooLarge, fault)
    }

    fn ended(&self) -> Result<(), HttpError> {
        match self.announced {
            Some(announced) if announced != self.received => {
                let fault = Fault::transient(
                    ErrorCode::BodyIncomplete,
                    format!(
                        "the response to {} ended after {} of {announced} bytes",
                        self.what, self.received
                    ),
                );
                Err(HttpError::new(HttpErrorKind::BodyIncomplete, fault))
            }
            _ => Ok(()),
        }
    }

    fn overdue(&mut self, context: &mut Context<'_>) -> Option<HttpError> {
        let late = |why: String| HttpError::timeout(HttpErrorKind::ReadTimeout, why);
        if self.quiet.as_mut().poll(context).is_ready() {
            let (what, between) = (&self.what, self.between);
            return Some(late(format!(
                "no byte of the response to {what} came for {between:?}"
            )));
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            return Some(late(format!(
                "{} took longer than a request may take",
                self.what
            )));
        }
        None
    }

    fn fail(&mut self, error: HttpError) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.done = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                match self.took(bytes) {
                    Ok(()) => Poll::Ready(Some(Ok(frame))),
                    Err(error) => self.fail(error),
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let error = match self.ended() {
                    Err(incomplete) if self.announced.is_some() => incomplete,
                    _ => HttpError::of(&error, &self.what),
                };
                self.fail(error)
            }
            Poll::Ready(None) => {
                self.done = true;
                Poll::Ready(self.ended().err().map(Err))
            }
            Poll::Pending => match self.overdue(context) {
                Some(error) => self.fail(error),
                None => Poll::Pending,
            },
        }
    }
}

impl SliceBody {
    #[must_use]
    pub fn new(slice: Slice) -> Self {
        Self {
            slice,
            offset: 0,
            reading: None,
        }
    }
}

impl Body for SliceBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.offset >= self.slice.size() {
            return Poll::Ready(None);
        }
        let (slice, offset) = (self.slice.clone(), self.offset);
        let read = || Box::pin(async move { slice.next_to_send(offset).await }) as Reading;
        let bytes = ready!(self.reading.get_or_insert_with(read).as_mut().poll(context));
        self.reading = None;
        Poll::Ready(Some(bytes.map(|bytes| {
            self.offset += bytes.len() as u64;
            Frame::data(Bytes::from(bytes))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.offset >= self.slice.size()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.slice.size() - self.offset)
    }
}

//! Requests to servers, over `wasi:http`. Needs the request `http`.
//!
//! A redirect is an answer like any other: a plugin that follows one sends a new request,
//! which the host checks anew.

use std::time::Duration;

use crate::bindings::host::drydock::plugin::http as ours;
use crate::bindings::host::wasi::http::outgoing_handler;
use crate::bindings::host::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use crate::bindings::host::wasi::io::streams::{InputStream, OutputStream, StreamError};
use crate::{Error, Slice};

/// What one read takes at most.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// A request in the making.
pub struct Request<'a> {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Body<'a>,
    wait: Option<Duration>,
}

/// What a request carries.
enum Body<'a> {
    Empty,
    Bytes(&'a [u8]),
    Slice(&'a Slice),
    Chunks(u64, &'a mut dyn FnMut() -> Result<Option<Vec<u8>>, Error>),
}

/// The head of a response, and the body to be read.
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    // The stream must be gone before the body, and the body before the response.
    stream: InputStream,
    _body: IncomingBody,
    _response: IncomingResponse,
}

impl<'a> Request<'a> {
    /// `method` in capitals; `url` with `https://` or `http://`, host and path.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Body::Empty,
            wait: None,
        }
    }

    /// Waits at most so long for the head of the response, and so long for each piece of the
    /// body. The host's own limits hold where nothing is said, and cut what is.
    #[must_use]
    pub fn wait_at_most(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &'a [u8]) -> Self {
        self.body = Body::Bytes(bytes);
        self
    }

    /// Sends a slice, whose bytes stay in the host.
    #[must_use]
    pub fn slice(mut self, slice: &'a Slice) -> Self {
        self.body = Body::Slice(slice);
        self
    }

    /// Sends `size` bytes that `next` gives piece by piece.
    #[must_use]
    pub fn chunks(
        mut self,
        size: u64,
        next: &'a mut dyn FnMut() -> Result<Option<Vec<u8>>, Error>,
    ) -> Self {
        self.body = Body::Chunks(size, next);
        self
    }

    /// Sends the request and waits for the head of the response.
    ///
    /// # Errors
    /// What no grant allows, with the line to add, or what the network did.
    pub fn send(self) -> Result<Response, Error> {
        let (request, options) = (self.request()?, self.options()?);
        let body = self.body;
        let outgoing = match &body {
            Body::Empty => None,
            Body::Slice(slice) => {
                ours::attach(&request, slice)?;
                None
            }
            Body::Bytes(_) | Body::Chunks(..) => {
                Some(request.body().map_err(|()| refused("has a body already"))?)
            }
        };
        let pending = outgoing_handler::handle(request, options).map_err(|code| failed(&code))?;
        if let Some(outgoing) = outgoing {
            fill(outgoing, body)?;
        }
        loop {
            match pending.get() {
                Some(Ok(Ok(response))) => return Response::new(response),
                Some(Ok(Err(code))) => return Err(failed(&code)),
                Some(Err(())) => return Err(refused("was answered twice")),
                None => pending.subscribe().block(),
            }
        }
    }

    /// The host adds the wait to connect to the one for the first byte, so the latter has all.
    fn options(&self) -> Result<Option<RequestOptions>, Error> {
        let Some(wait) = self.wait else {
            return Ok(None);
        };
        let nanoseconds = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let options = RequestOptions::new();
        let set = options
            .set_connect_timeout(Some(0))
            .and_then(|()| options.set_first_byte_timeout(Some(nanoseconds)))
            .and_then(|()| options.set_between_bytes_timeout(Some(nanoseconds)));
        set.map_err(|()| refused("cannot be bounded in time"))?;
        Ok(Some(options))
    }

    fn request(&self) -> Result<OutgoingRequest, Error> {
        let fields = Fields::new();
        let length = match &self.body {
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Chunks(size, _) => Some(*size),
            Body::Empty | Body::Slice(_) => None,
        };
        let length =
            length.map(|length| ("content-length".to_owned(), length.to_string().into_bytes()));
        for (name, value) in self.headers.iter().chain(&length) {
            fields
                .append(name, value)
                .map_err(|_| refused(&format!("cannot have the header {name}")))?;
        }
        let request = OutgoingRequest::new(fields);
        let (scheme, rest) = match self.url.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            _ => return Err(refused("must begin with https:// or http://")),
        };
        let path = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path);
        let path = (!path.is_empty()).then_some(path);
        let set = request
            .set_method(&method(&self.method))
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(authority)))
            .and_then(|()| request.set_path_with_query(path));
        set.map_err(|()| refused("has a method, host or path that cannot be sent"))?;
        Ok(request)
    }
}

impl Response {
    fn new(response: IncomingResponse) -> Result<Self, Error> {
        let body = response.consume().map_err(|()| refused("lost its body"))?;
        let stream = body.stream().map_err(|()| refused("lost its body"))?;
        let headers = response.headers();
        let entries = headers.entries();
        drop(headers);
        Ok(Self {
            status: response.status(),
            headers: entries,
            stream,
            _body: body,
            _response: response,
        })
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The next piece of the body, at most 1 MiB; none at its end.
    ///
    /// # Errors
    /// When the body broke off or did not go on.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.stream.blocking_read(READ_BYTES_MAX) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(_)) => return Err(broken_off()),
            }
        }
    }

    /// The whole body, if it has no more bytes than that.
    ///
    /// # Errors
    /// As [`Response::chunk`], and `too-large`.
    pub fn body(mut self, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.chunk()? {
            if whole.len() + chunk.len() > bytes_max {
                return Err(Error::permanent(
                    "too-large",
                    format!("the response has more than {bytes_max} bytes"),
                ));
            }
            whole.extend(chunk);
        }
        Ok(whole)
    }
}

/// Writes the body. A server that answers before it took everything is heard all the same.
fn fill(outgoing: OutgoingBody, body: Body<'_>) -> Result<(), Error> {
    let stream = outgoing.write().map_err(|()| refused("lost its body"))?;
    let whole = match body {
        Body::Bytes(bytes) => write(&stream, bytes),
        Body::Chunks(_, next) => loop {
            match next()? {
                None => break true,
                Some(chunk) if write(&stream, &chunk) => {}
                Some(_) => break false,
            }
        },
        Body::Empty | Body::Slice(_) => true,
    };
    drop(stream);
    if whole {
        OutgoingBody::finish(outgoing, None).map_err(|code| failed(&code))?;
    }
    Ok(())
}

/// Whether the stream took all bytes.
fn write(stream: &OutputStream, mut bytes: &[u8]) -> bool {
    let ready = stream.subscribe();
    while !bytes.is_empty() {
        ready.block();
        let Ok(room) = stream.check_write() else {
            return false;
        };
        let room = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        if stream.write(&bytes[..room]).is_err() {
            return false;
        }
        bytes = &bytes[room..];
    }
    true
}

fn method(word: &str) -> Method {
    match word {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

/// What the host says of it, which is more than the code does.
fn failed(code: &ErrorCode) -> Error {
    ours::last_error().unwrap_or_else(|| {
        Error::permanent("bad-request", format!("the request was refused: {code}"))
    })
}

fn broken_off() -> Error {
    ours::last_error().unwrap_or_else(|| Error::transient("unreachable", "the response broke off"))
}

fn refused(what: &str) -> Error {
    Error::permanent("bad-request", format!("the request {what}"))
}

//! Requests: what is asked, what is answered, and asking again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use drydock_plugin_sdk::http::{Request, Response};
use drydock_plugin_sdk::{Error, ErrorClass, Slice, clock, instant, progress};

use crate::refusal::{Cause, Refusal};
use crate::retry::Retry;

/// Largest answer that is taken in: a page of 5,000 entries has some MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

const NANOSECONDS: u64 = 1_000_000_000;

/// One request.
#[derive(Clone)]
pub struct Call<'a> {
    /// What it is for, as goes on after "refused to", e.g. `store part 3 of c/rp/a`.
    pub what: String,
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body<'a>,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    Empty,
    Bytes(&'a [u8]),
    Slice(&'a Slice),
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why there is no answer to go on with.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The service said no, to what.
    Refused(Box<Refused>),
    /// Nothing came back, or nothing was sent.
    Broken(Error),
}

/// What a service refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Scheme and host.
    pub server: String,
    pub what: String,
    pub refusal: Refusal,
}

/// Sends calls, and reads refusals as one service writes them.
#[derive(Clone, Copy)]
pub struct Client {
    /// Why an answer is none to go on with; none where it is.
    judge: fn(&Answer) -> Option<Refusal>,
}

/// Counts attempts at what is not the same request each time.
#[derive(Default)]
pub struct Attempts {
    retry: Retry,
    /// Whether a credential that was refused had its second chance: the host asks for another
    /// one after a refusal, where there is one to be had.
    renewed: bool,
}

impl Attempts {
    /// Waits a while after a failure; false where another attempt cannot help, or there were
    /// enough.
    pub fn goes_on(&mut self, failure: &Failure) -> bool {
        if failure.is(Cause::Expired) {
            return !std::mem::replace(&mut self.renewed, true);
        }
        let pause = failure
            .may_pass()
            .then(|| self.retry.pause(failure.retry_after(), chance()))
            .flatten();
        pause.is_some_and(wait)
    }
}

impl<'a> Call<'a> {
    #[must_use]
    pub fn new(method: &'static str, url: String, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            method,
            url,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: Body<'a>) -> Self {
        self.body = body;
        self
    }

    /// Scheme and host: what may be told of a URL.
    fn server(&self) -> String {
        let scheme = self.url.find("://").map_or(0, |at| at + 3);
        let rest = &self.url[scheme..];
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        self.url[..scheme + end].to_owned()
    }

    fn request(&self) -> Request<'a> {
        let request = Request::new(self.method, &self.url);
        let with =
            |request: Request<'a>, (name, value): &(&str, String)| request.header(name, value);
        let request = self.headers.iter().fold(request, with);
        match self.body {
            Body::Empty => request,
            Body::Bytes(bytes) => request.bytes(bytes),
            Body::Slice(slice) => request.slice(slice),
        }
    }
}

impl Answer {
    /// The first header of that name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text, without the mark that some put before XML.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        text.trim_start_matches('\u{feff}')
    }

    fn of(response: Response) -> Result<Self, Error> {
        let (status, headers) = (response.status, headers(&response));
        Ok(Self {
            status,
            headers,
            body: response.body(ANSWER_BYTES_MAX)?,
        })
    }
}

impl Client {
    #[must_use]
    pub fn new(judge: fn(&Answer) -> Option<Refusal>) -> Self {
        Self { judge }
    }

    /// Sends a call until it is carried out, or nothing is left to hope for.
    ///
    /// # Errors
    /// The last failure.
    pub fn send(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        again(|| self.once(call))
    }

    /// Sends a call that must not be sent twice as it is; see [`Attempts`].
    ///
    /// # Errors
    /// What came of it.
    pub fn once(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let answer = call.request().send().and_then(Answer::of);
        self.judged(call, answer.map_err(Failure::Broken)?)
    }

    /// The same for an answer whose body is read piece by piece.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn open(&self, call: &Call<'_>) -> Result<Response, Failure> {
        again(|| {
            let response = call.request().send().map_err(Failure::Broken)?;
            if (200..300).contains(&response.status) {
                return Ok(response);
            }
            let answer = Answer::of(response).map_err(Failure::Broken)?;
            let judged = self.judged(call, answer);
            Err(judged.err().unwrap_or_else(|| unexpected(call)))
        })
    }

    fn judged(&self, call: &Call<'_>, answer: Answer) -> Result<Answer, Failure> {
        let Some(refusal) = (self.judge)(&answer) else {
            return Ok(answer);
        };
        let now = clock::now() / NANOSECONDS;
        let theirs = answer.header("date").and_then(instant::from_http_date);
        let mut refusal = refusal.told_at(now, theirs);
        let asked = answer.header("retry-after");
        refusal.retry_after = asked.and_then(|value| instant::retry_after(value, now));
        Err(Failure::Refused(Box::new(Refused {
            server: call.server(),
            what: call.what.clone(),
            refusal,
        })))
    }
}

impl Failure {
    /// What the service said.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refused) => Some(&refused.refusal),
            Self::Broken(_) => None,
        }
    }

    /// Whether the service gave this reason.
    #[must_use]
    pub fn is(&self, cause: Cause) -> bool {
        self.refusal().is_some_and(|refusal| refusal.cause == cause)
    }

    /// Whether sending the same again may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.refusal.cause.may_pass(),
            Self::Broken(error) => {
                matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled)
            }
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Refused(refused) => refused.refusal.retry_after,
            Self::Broken(error) => error.retry_after_seconds,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => refused.refusal.error(&refused.server, &refused.what),
            Failure::Broken(error) => error,
        }
    }
}

/// Answers of a request with a body that nobody expected, e.g. a redirect.
fn unexpected(call: &Call<'_>) -> Failure {
    Failure::Broken(Error::permanent(
        "wrong-answer",
        format!(
            "{} did not answer as it should when asked to {}",
            call.server(),
            call.what
        ),
    ))
}

/// Does it once more while that may help.
fn again<T>(mut act: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut attempts = Attempts::default();
    loop {
        match act() {
            Err(failure) if attempts.goes_on(&failure) => {}
            done => return done,
        }
    }
}

/// Waits; false once the run was asked to stop.
pub(crate) fn wait(pause: Duration) -> bool {
    let milliseconds = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
    if progress::cancelled() {
        return false;
    }
    clock::wait(milliseconds);
    !progress::cancelled()
}

/// A number that differs from call to call, so that many callers do not come back at once.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(clock::monotonic())
}

fn headers(response: &Response) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = response.headers.iter();
    headers
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_server_is_told() {
        for (url, server) in [
            ("https://a.example/b?sig=x", "https://a.example"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://a?x=/", "https://a"),
        ] {
            let call = Call::new("GET", url.to_owned(), "look");
            assert_eq!(call.server(), server);
        }
    }

    #[test]
    fn a_mark_before_text_is_passed_over() {
        let answer = Answer {
            status: 200,
            headers: vec![("etag".to_owned(), "\"x\"".to_owned())],
            body: b"\xef\xbb\xbf<a/>".to_vec(),
        };
        assert_eq!(answer.text(), "<a/>");
        assert_eq!(answer.header("etag"), Some("\"x\""));
        assert_eq!(answer.header("other"), None);
    }
}

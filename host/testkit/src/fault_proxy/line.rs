//! One connection of HTTP/1.1, read request by request and written as it should not be.

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::client::unchunked;

/// A request's head has some hundred bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Largest body: a part of a test's object.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

const PIECE_BYTES: usize = 64 * 1024;

/// A connection, in the clear or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// What carries it.
    fn carrier(&mut self) -> &mut TcpStream;
}

/// A request as it came.
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub struct Line {
    stream: Box<dyn Stream>,
    /// Read, and not yet taken.
    ahead: Vec<u8>,
}

impl Stream for TcpStream {
    fn carrier(&mut self) -> &mut TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn carrier(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }

    /// As a map; what is no header's value is left out.
    pub fn header_map(&self) -> HeaderMap {
        let entries = self.headers.iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        });
        entries.collect()
    }
}

impl Line {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    /// The next request; none when the client is done.
    pub async fn request(&mut self) -> Result<Option<Request>> {
        let end = loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                break end;
            }
            ensure!(self.ahead.len() < HEAD_BYTES_MAX, "the head has no end");
            if !self.more().await? {
                ensure!(self.ahead.is_empty(), "the client left in a head");
                return Ok(None);
            }
        };
        let rest = self.ahead.split_off(end + 4);
        let head = std::mem::replace(&mut self.ahead, rest);
        let mut request = head_of(std::str::from_utf8(&head)?)?;
        request.body = self.body(&request).await?;
        Ok(Some(request))
    }

    async fn body(&mut self, request: &Request) -> Result<Vec<u8>> {
        if request.header("transfer-encoding").is_some() {
            let end = loop {
                match find(&self.ahead, b"0\r\n\r\n") {
                    Some(end) if end == 0 || self.ahead[..end].ends_with(b"\r\n") => break end + 5,
                    _ => ensure!(self.more().await?, "the client left in a body"),
                }
            };
            let rest = self.ahead.split_off(end);
            return unchunked(&std::mem::replace(&mut self.ahead, rest));
        }
        let length: usize = request.header("content-length").unwrap_or("0").parse()?;
        ensure!(length <= BODY_BYTES_MAX, "the body is too large for a test");
        while self.ahead.len() < length {
            ensure!(self.more().await?, "the client left in a body");
        }
        let rest = self.ahead.split_off(length);
        Ok(std::mem::replace(&mut self.ahead, rest))
    }

    async fn more(&mut self) -> Result<bool> {
        let have = self.ahead.len();
        self.ahead.resize(have + PIECE_BYTES, 0);
        let read = self.stream.read(&mut self.ahead[have..]).await;
        self.ahead.truncate(have + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Past TLS, if there is any.
    pub async fn write_below(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.carrier().write_all(bytes).await?;
        Ok(())
    }

    /// Says goodbye as it should be said.
    pub async fn close(&mut self) -> Result<()> {
        self.stream.shutdown().await?;
        Ok(())
    }

    /// What is not sent yet is dropped, and the client hears of a reset.
    pub fn reset(mut self) -> Result<()> {
        self.stream.carrier().set_zero_linger()?;
        Ok(())
    }
}

fn head_of(head: &str) -> Result<Request> {
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        bail!("the request has no first line");
    };
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').context("a header has no name")?;
        Ok((name.to_lowercase(), value.trim().to_owned()))
    });
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.collect::<Result<_>>()?,
        body: Vec::new(),
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

//! A listener whose connections are few, short and small.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at a time: a scraper, a load balancer, a person, and each once more.
/// Others wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 16;

/// Time of a whole connection. An answer takes milliseconds.
const CONNECTION_WALL_MAX: Duration = Duration::from_secs(10);

/// Bytes that are read of one connection: a request line with headers, no body.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

pub struct Limited {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

/// A connection that ends when its time is over.
pub struct Connection {
    stream: TcpStream,
    over: Pin<Box<Sleep>>,
    bytes_left: usize,
    _permit: OwnedSemaphorePermit,
}

impl Limited {
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let free = Arc::clone(&self.free).acquire_owned().await;
        let permit = free.expect("nobody closes the semaphore");
        // The library's own accept waits a moment when the process is out of handles.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            over: Box::pin(tokio::time::sleep(CONNECTION_WALL_MAX)),
            bytes_left: REQUEST_BYTES_MAX,
            _permit: permit,
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.over.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        if self.bytes_left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let room = self.bytes_left.min(buffer.remaining());
        let mut bounded = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut bounded))?;
        let count = bounded.filled().len();
        buffer.advance(count);
        self.bytes_left -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

use std::time::Duration;

use drydock_testkit::lock_server::LockServer;
use drydock_testkit::wait_until;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

struct Client(BufReader<TcpStream>);

impl Client {
    async fn new(server: &LockServer) -> Self {
        let stream = TcpStream::connect(server.address()).await;
        let stream = stream.expect("the server listens");
        Self(BufReader::new(stream))
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        let said = self.0.get_mut().write_all(line.as_bytes()).await;
        said.expect("the server hears");
    }

    /// The next line; empty where the connection is closed.
    async fn hear(&mut self) -> String {
        let mut line = String::new();
        let _ = self.0.read_line(&mut line).await;
        line.trim_end().to_owned()
    }

    async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.hear().await
    }
}

async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Duration::from_secs(10);
    let waited = wait_until(what, limit, async || holds()).await;
    waited.expect("it comes true");
}

#[tokio::test]
async fn a_lock_is_one_connections_as_long_as_it_stays_open() {
    let server = LockServer::start().await.unwrap();
    let mut first = Client::new(&server).await;
    assert_eq!(first.ask("lock a one").await, "held");
    assert_eq!(first.ask("holds").await, "yes");
    assert_eq!(first.ask("lock b one").await, "held");
    let mut second = Client::new(&server).await;
    assert_eq!(second.ask("who").await, "a=one b=one");
    assert_eq!(second.ask("holds").await, "no");
    second.say("lock a two").await;
    // One that goes away while it waits keeps nothing, though it may be given the lock for as
    // long as the server has not heard that it went.
    let mut third = Client::new(&server).await;
    third.say("lock a three").await;
    drop(third);
    drop(first);
    assert_eq!(second.hear().await, "held");
    wait("only a is held", || server.held().len() == 1).await;
    assert_eq!(server.held()["a"], "two");
    assert!(server.break_hold("a") && !server.break_hold("b"));
    assert_eq!(second.hear().await, "");
    wait("nothing is held", || server.held().is_empty()).await;
    let given = server.given();
    assert!(given == 3 || given == 4, "{given}");
}

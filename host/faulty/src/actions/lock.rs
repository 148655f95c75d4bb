//! `test-lock`: a session hold on a lock of a testkit server.

use std::time::Duration;

use async_trait::async_trait;
use drydock_core::{ActionManifest, ErrorCode, Fault, Finding, HoldEnd, HoldKind, HoldOrder};
use drydock_engine::model::Done;
use drydock_node::action::{Action, ActionCall, ProbeEnd};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::config::{Config, Place, stopped};
use super::holding;
use super::once::unasked;

/// How often it looks whether it still holds.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub struct TestLock(ActionManifest);

impl TestLock {
    pub fn new() -> Self {
        Self(holding(HoldKind::Session))
    }
}

#[async_trait]
impl Action for TestLock {
    fn version(&self) -> &str {
        super::VERSION
    }

    fn manifest(&self) -> &ActionManifest {
        &self.0
    }

    async fn check_config(&self, config: &str) -> Result<Vec<Finding>, Fault> {
        Config::of(config)?.lock()?;
        Ok(Vec::new())
    }

    async fn run(&self, call: ActionCall) -> Result<Done, Fault> {
        let config = Config::of(&call.config)?;
        config.come_to(Place::Before, &call).await?;
        let (server, lock) = config.lock()?;
        let mut stop = call.stop.clone();
        let taking = Client::hold(server, lock, &call);
        let mut client = tokio::select! {
            client = taking => client?,
            why = stopped(&mut stop) => return Err(why.not_done()),
        };
        config.come_to(Place::After, &call).await?;
        let evidence = format!("lock {lock} of {server}");
        let hold = loop {
            let order = call.progress.held(&evidence, LOOK_INTERVAL).await;
            if !client.holds().await {
                let why = format!("the connection to {server} was closed");
                break HoldEnd::Lost { why };
            }
            match order {
                HoldOrder::GoOn => {}
                HoldOrder::LetGo => break HoldEnd::ToTheEnd,
            }
        };
        Ok(Done {
            hold: Some(hold),
            ..Done::default()
        })
    }

    async fn probe(&self, call: ActionCall) -> Result<ProbeEnd, Fault> {
        Err(unasked(&call))
    }

    async fn undo(&self, call: ActionCall) -> Result<(), Fault> {
        Err(unasked(&call))
    }
}

/// A connection to the server, which holds as long as it is there.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub async fn connect(server: &str) -> Result<Self, Fault> {
        let stream = TcpStream::connect(server).await;
        let stream = stream.map_err(|error| {
            let message = format!("no connection to {server}: {error}");
            Fault::transient(ErrorCode::of("test"), message).not_done()
        })?;
        Ok(Self(BufReader::new(stream)))
    }

    async fn hold(server: &str, lock: &str, call: &ActionCall) -> Result<Self, Fault> {
        let mut client = Self::connect(server).await?;
        match client
            .ask(&format!("lock {lock} {}", call.occasion.step))
            .await
        {
            Some(answer) if answer == "held" => Ok(client),
            answer => {
                let message = format!("{server} does not give {lock}: {answer:?}");
                Err(Fault::transient(ErrorCode::of("test"), message))
            }
        }
    }

    async fn holds(&mut self) -> bool {
        self.ask("holds").await.as_deref() == Some("yes")
    }

    /// Nothing where the connection is gone.
    pub async fn ask(&mut self, line: &str) -> Option<String> {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.ok()?;
        let mut answer = String::new();
        let read = self.0.read_line(&mut answer).await.ok()?;
        (read > 0).then(|| answer.trim_end().to_owned())
    }
}

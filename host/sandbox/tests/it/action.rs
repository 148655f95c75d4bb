//! Plugins that change the world: what they can say, what each call can do, and holds whose
//! attempt is the hold. The fixture `actor` does what its configuration names.

use std::fs;
use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use drydock_capability_http::HttpConfig;
use drydock_capability_secret::SecretSource;
use drydock_core::{Certainty, Fault, HoldEnd, HoldOrder, Level, Probed, Secret, UnixTime, Value};
use drydock_sandbox::{
    ActionDone, ActionProbed, Attempt, Limits, Occasion, Plugin, StepCall, StepEvents,
};
use drydock_testkit::lock_server::LockServer;
use drydock_testkit::wait_until;
use drydock_testkit::web::WebServer;
use serde::Serialize as _;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::network::kit::granted;
use crate::{admit, call, sandbox_with};

#[path = "../../../../plugins/fixtures/actor/src/behaviour.rs"]
mod behaviour;

use behaviour::Behaviour;

/// How long anything takes at most that is over at once.
const SOON: Duration = Duration::from_secs(20);

const SECRET: &str = "hunter2-secret-0123456789";

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// How a behaviour ends, whichever export it is asked of.
#[derive(Debug, PartialEq)]
enum End {
    Good,
    /// It fails with this code.
    Code(&'static str),
    /// It is asked of some exports only, and by tests of its own.
    ByItself,
}

/// Every behaviour is claimed here.
fn end(behaviour: Behaviour) -> End {
    match behaviour {
        Behaviour::Say | Behaviour::Nothing | Behaviour::BadHandles => End::Good,
        Behaviour::UndeclaredOutput => End::Code("no-such-output"),
        Behaviour::WrongType | Behaviour::BadJson => End::Code("wrong-type"),
        Behaviour::LargeOutput => End::Code("too-large"),
        Behaviour::EscapeCodes | Behaviour::Secret => End::Code("said"),
        Behaviour::FailAtOnce => End::Code("busy"),
        Behaviour::Panic => End::Code("plugin-trapped"),
        Behaviour::Failure
        | Behaviour::FindingsFlood
        | Behaviour::PlanFlood
        | Behaviour::WriteFile
        | Behaviour::MakeFolder
        | Behaviour::RemoveFile
        | Behaviour::ReadFile
        | Behaviour::Post
        | Behaviour::Get
        | Behaviour::WriteAndDeny
        | Behaviour::PostAndDeny
        | Behaviour::Hold
        | Behaviour::HoldAndLie
        | Behaviour::HoldAndLeave
        | Behaviour::HoldForEver
        | Behaviour::LostAndFound
        | Behaviour::ProbeOther
        | Behaviour::ProbeNotBegun
        | Behaviour::ProbeBegun
        | Behaviour::ProbeUndone
        | Behaviour::ProbeHeld
        | Behaviour::ProbeLost => End::ByItself,
    }
}

struct Shown;

impl SecretSource for Shown {
    fn read(&self, _: &str) -> Result<Secret, Fault> {
        Ok(Secret::new(SECRET.as_bytes().to_vec()))
    }
}

/// What a run hears, and what it orders.
#[derive(Default)]
struct Run {
    cuts: AtomicU32,
    kept: Mutex<Vec<String>>,
    evidence: Mutex<Vec<String>>,
    let_go: watch::Sender<bool>,
}

#[async_trait]
impl StepEvents for Run {
    async fn cut(&self) -> Result<(), Fault> {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn keep(&self, handle: String) -> Result<(), Fault> {
        self.kept.lock().unwrap().push(handle);
        Ok(())
    }

    async fn held(&self, evidence: String, at_most: Duration) -> Result<HoldOrder, Fault> {
        self.evidence.lock().unwrap().push(evidence);
        let mut let_go = self.let_go.subscribe();
        let ordered = tokio::time::timeout(at_most, let_go.wait_for(|let_go| *let_go)).await;
        Ok(match ordered {
            Ok(_) => HoldOrder::LetGo,
            Err(_) => HoldOrder::GoOn,
        })
    }
}

/// A folder, a server, and the action that may use both.
struct Stage {
    folder: TempDir,
    web: WebServer,
    plugin: Arc<Plugin>,
    run: Arc<Run>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Limits::default(), None).await
    }

    /// `port` is that of another server, which may be asked as well.
    async fn with(limits: Limits, port: Option<u16>) -> Self {
        let (folder, web) = (TempDir::new().unwrap(), WebServer::http().await.unwrap());
        let server = |port: u16| json!({"scheme": "http", "host": "127.0.0.1", "port": port, "addresses": ["loopback"]});
        let servers: Vec<Json> = [web.port()].into_iter().chain(port).map(server).collect();
        let grants = granted(&json!({
            "files": [
                {"directory": folder.path(), "access": "write"},
                {"directory": folder.path().join("new"), "access": "write"},
            ],
            "http": servers,
            "secret": [{"name": "shown", "reveal": true}],
        }));
        let sandbox = sandbox_with(limits).with_http(HttpConfig::default());
        let plugin = admit(&sandbox, "actor", &grants).with_secrets(Arc::new(Shown));
        Self {
            folder,
            web,
            plugin,
            run: Arc::default(),
        }
    }

    fn call(&self, behaviour: Behaviour) -> StepCall {
        self.call_at(behaviour, &self.web.url_by("127.0.0.1", "/act"))
    }

    fn call_at(&self, behaviour: Behaviour, url: &str) -> StepCall {
        let folder = match behaviour {
            Behaviour::MakeFolder => self.folder.path().join("new"),
            _ => self.folder.path().to_owned(),
        };
        let config = json!({
            "do": word(behaviour), "folder": folder, "url": url, "secret": "shown",
        });
        StepCall {
            occasion: Occasion {
                run: "s1-20260102T030405Z".to_owned(),
                step: "act@m1".to_owned(),
                attempt: 2,
                key: KEY.to_owned(),
                member: Some("m1".to_owned()),
                deadline: None,
                inputs: [("from".to_owned(), Value::Integer(7))].into(),
                so_far: None,
            },
            events: Arc::clone(&self.run) as Arc<dyn StepEvents>,
            ..call(&config.to_string())
        }
    }

    async fn runs(&self, behaviour: Behaviour) -> Attempt<ActionDone> {
        self.plugin.run_action(self.call(behaviour), None).await
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

fn word(behaviour: Behaviour) -> String {
    let word = behaviour.serialize(serde_json::value::Serializer);
    word.unwrap().as_str().unwrap().to_owned()
}

fn code<T: std::fmt::Debug>(attempt: &Attempt<T>) -> &str {
    attempt.result.as_ref().unwrap_err().code.as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_ends_as_it_should() {
    let stage = Stage::new().await;
    for behaviour in Behaviour::ALL.iter().copied() {
        let attempt = match end(behaviour) {
            End::ByItself => continue,
            End::Good => {
                stage.runs(behaviour).await.result.unwrap();
                continue;
            }
            End::Code(expected) => (stage.runs(behaviour).await, expected),
        };
        let (attempt, expected) = attempt;
        assert_eq!(code(&attempt), expected, "{behaviour:?}");
        let undone = stage.plugin.undo_action(stage.call(behaviour)).await;
        assert_eq!(code(&undone), expected, "{behaviour:?}");
        for text in [
            format!("{:?}", attempt.result),
            attempt.log.to_string(),
            undone.log.to_string(),
        ] {
            assert!(!text.contains(SECRET), "{behaviour:?}: {text}");
            assert!(!text.contains('\u{1b}'), "{behaviour:?}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_action_says_comes_to_its_run() {
    let stage = Stage::new().await;
    let done = stage.runs(Behaviour::Say).await.result.unwrap();
    assert_eq!(done.outputs["path"], Value::Text(KEY.to_owned()));
    assert_eq!(done.outputs["count"], Value::Integer(2));
    assert_eq!(done.outputs["ok"], Value::Flag(true));
    assert_eq!(done.outputs["raw"], Value::Bytes(vec![1, 2, 3]));
    let more = json!({
        "run": "s1-20260102T030405Z", "step": "act@m1", "member": "m1",
        "inputs": "from=Value::Integer(7)",
    });
    assert_eq!(done.outputs["more"], Value::Json(more));
    assert_eq!(done.reasons, ["one of two answered"]);
    assert_eq!(done.findings[0].level, Level::Note);
    assert_eq!(*stage.run.kept.lock().unwrap(), ["snapshot-1"]);
    assert_eq!(stage.run.cuts.load(Ordering::Relaxed), 1);
    let planned = stage.plugin.plan_action(stage.call(Behaviour::Say)).await;
    assert_eq!(planned.result.unwrap(), ["would make it"]);
    let forgotten = stage
        .plugin
        .forget_kept(stage.call(Behaviour::Nothing), "snapshot-1".to_owned())
        .await;
    forgotten.result.unwrap();
    assert!(forgotten.log.to_string().contains("forgets snapshot-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_anybody_reads_is_refused() {
    let stage = Stage::new().await;
    assert_eq!(
        code(&stage.runs(Behaviour::FindingsFlood).await),
        "too-large"
    );
    let planned = stage.plugin.plan_action(stage.call(Behaviour::PlanFlood));
    assert_eq!(code(&planned.await), "too-large");
    let failed = stage.runs(Behaviour::Failure).await;
    assert_eq!(code(&failed), "too-old");
    let log = failed.log.to_string();
    assert!(log.contains("degraded: one of two answered"), "{log}");
    let undone = stage.plugin.undo_action(stage.call(Behaviour::Failure));
    assert_eq!(code(&undone.await), "too-old");
    // What was found before a failure, or while taking back, stands in the log.
    let failed = stage.runs(Behaviour::EscapeCodes).await;
    assert!(
        failed.log.to_string().contains("found said: "),
        "{}",
        failed.log
    );
    let undone = stage.plugin.undo_action(stage.call(Behaviour::Say)).await;
    undone.result.unwrap();
    let log = undone.log.to_string();
    assert!(log.contains("found seen: it is there"), "{log}");
    assert!(log.contains("degraded: one of two answered"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_it_found() {
    let stage = Stage::new().await;
    let probe = async |behaviour| stage.plugin.probe_action(stage.call(behaviour)).await;
    for (behaviour, found) in [
        (Behaviour::ProbeNotBegun, Probed::NotBegun),
        (Behaviour::ProbeBegun, Probed::Begun),
        (Behaviour::ProbeUndone, Probed::Undone),
        (Behaviour::ProbeHeld, Probed::Held),
        (Behaviour::ProbeLost, Probed::Lost),
    ] {
        let probed = probe(behaviour).await.result.unwrap();
        assert_eq!(probed, ActionProbed::Found(found));
    }
    let done = probe(Behaviour::Say).await.result.unwrap();
    assert!(matches!(done, ActionProbed::Done(done) if done.outputs.len() == 5));
    assert_eq!(code(&probe(Behaviour::ProbeOther).await), "bad-answer");
}

/// A plan and a probe look. Whatever they try to change stays as it is, and nothing is sent
/// but what only asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_a_probe_can_change_nothing() {
    let stage = Stage::new().await;
    for behaviour in [
        Behaviour::WriteFile,
        Behaviour::MakeFolder,
        Behaviour::RemoveFile,
        Behaviour::Post,
        Behaviour::WriteAndDeny,
        Behaviour::PostAndDeny,
    ] {
        if behaviour == Behaviour::RemoveFile {
            fs::write(stage.folder.path().join("mine"), b"mine").unwrap();
        }
        let before = stage.files();
        let planned = stage.plugin.plan_action(stage.call(behaviour)).await;
        let probed = stage.plugin.probe_action(stage.call(behaviour)).await;
        for fault in [planned.result.unwrap_err(), probed.result.unwrap_err()] {
            assert!(fault.message.len() > 10, "{behaviour:?}: {fault:?}");
            assert_eq!(fault.class, drydock_core::ErrorClass::Denied, "{fault:?}");
        }
        assert_eq!(stage.files(), before, "{behaviour:?}");
    }
    assert_eq!(stage.web.seen().len(), 0, "{:?}", stage.web.seen());
    for behaviour in [Behaviour::ReadFile, Behaviour::Get] {
        let planned = stage.plugin.plan_action(stage.call(behaviour)).await;
        planned.result.unwrap();
    }
    assert_eq!(stage.web.seen().len(), 1);
    stage.runs(Behaviour::Post).await.result.unwrap();
    assert_eq!(stage.web.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_certainty_counts_where_the_host_saw_the_answers() {
    let stage = Stage::new().await;
    let certainty = |attempt: Attempt<ActionDone>| attempt.result.unwrap_err().certainty;
    let failed = stage.runs(Behaviour::FailAtOnce).await;
    assert_eq!(certainty(failed), Certainty::NotDone);
    let wrote = stage.runs(Behaviour::WriteAndDeny).await;
    assert_eq!(certainty(wrote), Certainty::NotDone);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    let stage = Stage::with(Limits::default(), Some(port)).await;
    let url = format!("http://127.0.0.1:{port}/");
    let asked = stage.call_at(Behaviour::PostAndDeny, &url);
    let cut = tokio::spawn(async move {
        // It took the request, and nobody knows what it made of it.
        let took = move || {
            let (mut stream, _) = nobody.accept()?;
            stream.read_exact(&mut [0; 4])
        };
        tokio::task::spawn_blocking(took).await.unwrap().unwrap();
    });
    let asked = stage.plugin.run_action(asked, None).await;
    cut.await.unwrap();
    assert_eq!(certainty(asked), Certainty::Unknown);
    // Nobody listens there any more, and another server is not granted: nothing was sent.
    for url in [&*url, "http://127.0.0.2:1/"] {
        let asked = stage.call_at(Behaviour::PostAndDeny, url);
        let asked = stage.plugin.run_action(asked, None).await;
        assert_eq!(certainty(asked), Certainty::NotDone, "{url}");
    }
}

/// A lock of a server that is held as long as its answer goes on.
struct Held {
    locks: LockServer,
    stage: Arc<Stage>,
}

impl Held {
    async fn new(limits: Limits) -> Self {
        let locks = LockServer::start().await.unwrap();
        let port = locks.address().rsplit_once(':').unwrap().1.parse().unwrap();
        let stage = Arc::new(Stage::with(limits, Some(port)).await);
        Self { locks, stage }
    }

    fn hold(
        &self,
        behaviour: Behaviour,
        hold_max: Duration,
    ) -> tokio::task::JoinHandle<Attempt<ActionDone>> {
        let stage = Arc::clone(&self.stage);
        let url = format!("http://{}/door/me", self.locks.address());
        let call = stage.call_at(behaviour, &url);
        tokio::spawn(async move { stage.plugin.run_action(call, Some(hold_max)).await })
    }

    async fn until_held(&self) {
        let run = Arc::clone(&self.stage.run);
        let held = async || !run.evidence.lock().unwrap().is_empty();
        wait_until("the lock is held", SOON, held).await.unwrap();
        assert_eq!(self.locks.held()["door"], "me");
    }

    async fn until_free(&self) {
        let free = async || self.locks.held().is_empty();
        wait_until("the lock is free", SOON, free).await.unwrap();
    }

    fn let_go(&self) {
        self.stage.run.let_go.send_replace(true);
    }
}

fn lost(end: Option<&HoldEnd>) -> &str {
    match end {
        Some(HoldEnd::Lost { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_hold_lasts_as_long_as_its_attempt() {
    // It moves nothing that counts for longer than any other attempt may.
    let limits = Limits {
        idle_max: Duration::from_millis(300),
        wall_max: Duration::from_millis(600),
        ..Limits::default()
    };
    let held = Held::new(limits).await;
    let hold = held.hold(Behaviour::Hold, SOON);
    held.until_held().await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(held.locks.held()["door"], "me");
    held.let_go();
    let done = hold.await.unwrap().result.unwrap();
    assert_eq!(done.hold, Some(HoldEnd::ToTheEnd));
    assert_eq!(held.stage.run.evidence.lock().unwrap()[0], "held");
    held.until_free().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_connection_was_cut_is_lost() {
    let held = Held::new(Limits::default()).await;
    let hold = held.hold(Behaviour::Hold, SOON);
    held.until_held().await;
    assert!(held.locks.break_hold("door"));
    let done = hold.await.unwrap().result.unwrap();
    assert!(lost(done.hold.as_ref()).len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_which_nothing_is_said_is_lost() {
    let held = Held::new(Limits::default()).await;
    let hold = held.hold(Behaviour::HoldAndLeave, SOON);
    held.until_held().await;
    held.let_go();
    let done = hold.await.unwrap().result.unwrap();
    let why = lost(done.hold.as_ref());
    assert!(why.contains("without saying whether it held"), "{why}");
    let stage = Stage::new().await;
    let done = stage.runs(Behaviour::LostAndFound).await.result.unwrap();
    assert_eq!(lost(done.hold.as_ref()), "it fell");
}

/// What it says nobody can check; that it held nothing any more is for those who look at the
/// server. What counts is that its lie is its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_lies_is_taken_at_its_word() {
    let held = Held::new(Limits::default()).await;
    let hold = held.hold(Behaviour::HoldAndLie, SOON);
    held.until_held().await;
    assert!(held.locks.break_hold("door"));
    let done = hold.await.unwrap().result.unwrap();
    assert_eq!(done.hold, Some(HoldEnd::ToTheEnd));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_attempt_lets_go_whatever_it_wants() {
    let limits = Limits {
        stop_grace_max: Duration::from_millis(300),
        ..Limits::default()
    };
    // Its time is over.
    let held = Held::new(limits.clone()).await;
    let begin = Instant::now();
    let hold = held.hold(Behaviour::HoldForEver, Duration::from_millis(700));
    held.until_held().await;
    held.let_go();
    assert_eq!(code(&hold.await.unwrap()), "wall-limit");
    assert!(begin.elapsed() < SOON);
    held.until_free().await;
    // The process is gone, or nobody waits for it any more.
    let held = Held::new(limits).await;
    let hold = held.hold(Behaviour::HoldForEver, SOON);
    held.until_held().await;
    hold.abort();
    held.until_free().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_to_stop_wants_nothing_held() {
    let held = Held::new(Limits::default()).await;
    let (stop, stopped) = watch::channel(None);
    let url = format!("http://{}/door/me", held.locks.address());
    let call = StepCall {
        stop: stopped,
        ..held.stage.call_at(Behaviour::Hold, &url)
    };
    let stage = Arc::clone(&held.stage);
    let hold = tokio::spawn(async move { stage.plugin.run_action(call, Some(SOON)).await });
    held.until_held().await;
    stop.send_replace(Some(Fault::permanent(
        drydock_core::ErrorCode::Cancelled,
        "an operator cancelled the run",
    )));
    let done = hold.await.unwrap().result.unwrap();
    assert_eq!(done.hold, Some(HoldEnd::ToTheEnd));
    held.until_free().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_knows_when_it_ends_at_the_latest() {
    let stage = Stage::new().await;
    let mut call = stage.call(Behaviour::Say);
    // Before the run was due: the deadline that it is told is the hold's.
    call.occasion.deadline = Some(UnixTime(1));
    let done = stage.plugin.run_action(call, None).await.result.unwrap();
    assert_eq!(done.outputs["ok"], Value::Flag(false));
}

#[tokio::test]
async fn another_world_is_refused() {
    let plugin = crate::probe(&sandbox_with(Limits::default()));
    let attempt = plugin.run_action(call("{}"), None).await;
    assert_eq!(code(&attempt), "wrong-world");
}

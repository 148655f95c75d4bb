//! Each behaviour by itself: how it ends, what an operator reads, what the log holds, and
//! that nothing of it stays.

use std::fmt::Write as _;
use std::time::Duration;

use drydock_sandbox::{AttemptLog, LogSource};
use drydock_testkit::wait_until;

use super::sentences::{assert_fit, assert_plain, assert_told};
use crate::torture::behaviours::{Act, Guest, Judge, Store};
use crate::torture::company::{Company, Cue, Played, limits, sandbox};
use crate::torture::ends::ends;
use crate::torture::scene::Scene;

/// How long it takes at most until a guest that ended is gone.
const GONE_LIMIT: Duration = Duration::from_secs(30);

/// Plays all of them, one after the other, in one sandbox.
async fn play(acts: impl Iterator<Item = Act>, golden: &str) {
    let scene = Scene::new().unwrap();
    let company = Company::assemble(&sandbox().unwrap(), &[&scene]).unwrap();
    let (mut told, mut wrong) = (String::new(), String::new());
    for act in acts {
        let cue = Cue::default();
        let played = company.play(act, &scene, &cue).await;
        if !ends(act).fits(played.code()) {
            let _ = writeln!(wrong, "{act}: {:?}, not {:?}", played.result, ends(act));
        }
        heard(act, &played.log);
        tell(&mut told, act, &played);
        let gone = async || cue.life.held() == 0;
        wait_until("the guest is gone", GONE_LIMIT, gone)
            .await
            .unwrap();
        assert_eq!(scene.changes(), Vec::<String>::new(), "{act}");
        scene.clear_store();
        company.good_guest(&scene).await.unwrap();
        scene.clear_store();
    }
    assert!(wrong.is_empty(), "{wrong}");
    let folder = scene.store().display().to_string();
    let granted = scene.granted().display().to_string();
    let told = told.replace(&folder, "<store>");
    assert_told(golden, &told.replace(&granted, "<granted>"));
}

/// The sentences, or what it saw.
fn tell(told: &mut String, act: Act, played: &Played) {
    let _ = writeln!(told, "# {}", act.word());
    match &played.result {
        // They give one answer today and another one tomorrow.
        _ if matches!(
            act,
            Act::Guest(Guest::DifferentAnswers) | Act::Store(Store::ChangingLayout)
        ) => {}
        Err(fault) => {
            let words = fault.details.iter().find(|(name, _)| name == "stderr");
            let spoken = words.map_or(0, |(_, words)| words.chars().count());
            let message: String = fault.message.chars().take(1000).collect();
            if spoken == 0 && act != Act::Guest(Guest::HugeError) {
                assert_fit(&act.to_string(), &message);
            }
            assert_plain(&act.to_string(), &fault.message);
            let _ = writeln!(told, "{:?} {}: {message}", fault.class, fault.code);
        }
        Ok(sights) => {
            for sight in sights {
                let _ = writeln!(told, "saw: {sight}");
            }
        }
    }
}

/// What the log holds of those that talk, and that it is plain and bounded for everybody.
fn heard(act: Act, log: &AttemptLog) {
    let bytes: usize = log.lines.iter().map(|line| line.text.len()).sum();
    let allowance = limits().log_bytes_max + 512;
    assert!(bytes <= allowance, "{act} left {bytes} bytes of log");
    for line in &log.lines {
        assert_plain(&act.to_string(), &line.text);
    }
    let texts = |source| {
        let lines = log.lines.iter().filter(move |line| line.source == source);
        lines.map(|line| line.text.as_str()).collect::<Vec<_>>()
    };
    match act {
        Act::Guest(
            Guest::LogFlood | Guest::StdoutFlood | Guest::StderrFlood | Guest::RandomFlood,
        ) => {
            assert!(log.dropped > 100, "{act} dropped {}", log.dropped);
            assert!(log.to_string().contains("log-limit"), "{act}: {log}");
        }
        Act::Guest(Guest::InvalidUtf8Streams) => {
            assert_eq!(texts(LogSource::Stdout), ["a\u{fffd}\u{fffd}b"]);
            assert_eq!(texts(LogSource::Stderr), ["\u{fffd}", "\u{fffd}\u{fffd}"]);
        }
        Act::Guest(Guest::EscapeCodes) => {
            for source in [LogSource::Log, LogSource::Stdout, LogSource::Stderr] {
                assert_eq!(texts(source), ["abcdefghi"]);
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_guest_ends_with_one_sentence() {
    play(Guest::ALL.iter().copied().map(Act::Guest), "hostile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_judge_ends_with_one_sentence() {
    play(Judge::ALL.iter().copied().map(Act::Judge), "hostile-verify").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_store_ends_with_one_sentence() {
    play(Store::ALL.iter().copied().map(Act::Store), "hostile-store").await;
}

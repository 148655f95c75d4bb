//! Records on their own: what is written of values, and what is said of a file that is none.

use drydock_core::PluginDigest;
use serde_json::{Value, json};

use super::told::{Told, WHOLE_BYTES_MAX, restored};
use super::*;

fn head() -> RecordHead {
    RecordHead {
        contract: crate::contract_name::CONTRACT.to_owned(),
        plugin: "p".to_owned(),
        version: "1".to_owned(),
        digest: PluginDigest::new("sha256:00"),
        export: "run".to_owned(),
        inputs: vec!["who=hunter2-secret".to_owned()],
    }
}

fn text(recorder: &Recorder) -> String {
    let mut out = Vec::new();
    recorder.write(&head(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn told(value: &impl serde::Serialize) -> Told {
    Told::of(value).unwrap()
}

/// A record of calls, each with one argument and its answer.
fn recorded(calls: &[(&str, Told, Option<Told>)]) -> Recorder {
    let recorder = Recorder::new().unwrap();
    for (function, argument, answer) in calls {
        let slot = recorder.begin(&Arc::from(*function), false, vec![argument.clone()]);
        if let Some(answer) = answer {
            recorder.end(slot, answer.clone());
        }
    }
    recorder
}

fn replay(text: &str) -> Result<Replay, String> {
    Replay::read("rec.jsonl", text).map_err(|error| error.to_string())
}

fn asked(replay: &Replay, function: &str, argument: &Told) -> Result<Value, String> {
    let answer = replay.answer(function, vec![argument.clone()]);
    answer
        .map(|answer| answer.value)
        .map_err(|error| error.to_string())
}

#[test]
fn values_are_given_back_as_they_were() {
    let answer = (
        Some(-7_i64),
        vec![("a".to_owned(), vec![0_u8, 255])],
        Ok::<_, u8>("x"),
        vec![b'o', b'k'],
    );
    let recorder = recorded(&[("f", told(&1_u32), Some(told(&answer)))]);
    let replay = replay(&text(&recorder)).unwrap();
    let value = asked(&replay, "f", &told(&1_u32)).unwrap();
    let expected = json!([-7, [["a", [0, 255]]], {"Ok": "x"}, [111, 107]]);
    assert_eq!(value, expected);
    assert_eq!((replay.left(), replay.difference()), (None, None));
}

#[test]
fn a_secret_stands_in_no_line_in_whatever_spelling() {
    const SECRET: &str = "hunter2-secret";
    let recorder = Recorder::new().unwrap();
    let redactor = Redactor::default();
    let crossing = Crossing::new(Way::Recorded(recorder.clone()));
    crossing.redact_by(&redactor);
    let begin = |argument: Told| recorder.begin(&Arc::from("f"), false, vec![argument]);
    // It is used before anybody knows that it is one, and long before the end of a long text.
    let early = begin(told(&format!("Bearer {SECRET}")));
    recorder.end(early, told(&SECRET.as_bytes()));
    redactor.add("token", SECRET.as_bytes());
    recorder.read_secret("token", SECRET.as_bytes());
    let long = format!("{SECRET}{}{SECRET}", "x".repeat(WHOLE_BYTES_MAX));
    begin(told(&long.into_bytes()));
    // A secret that begins just before the beginning ends.
    begin(told(&format!(
        "{}{SECRET}{}",
        "y".repeat(4 * 1024 - 5),
        "z".repeat(WHOLE_BYTES_MAX)
    )));
    begin(told(&json!({"inner": [hex::encode(SECRET)]})));
    let text = text(&recorder);
    for needle in [SECRET, "hunter", &hex::encode(SECRET)] {
        assert!(!text.contains(needle), "{needle}: {text}");
    }
    assert!(text.contains("who=[redacted secret token]"), "{text}");

    // What stands in for it is found again, in the same spellings.
    let replay = replay(&text).unwrap();
    let shown = asked(&replay, "f", &told(&"Bearer redacted-secret-token")).unwrap();
    let shown: Vec<u8> = serde_json::from_value(shown).unwrap();
    assert_eq!(shown, b"redacted-secret-token");
    let long = format!(
        "redacted-secret-token{}redacted-secret-token",
        "x".repeat(WHOLE_BYTES_MAX)
    );
    let told = asked(&replay, "f", &told(&long.into_bytes())).unwrap_err();
    assert!(told.contains("f was never answered"), "{told}");
}

#[test]
fn a_secret_in_base64_is_found_whatever_follows_from_its_length() {
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    for secret in ["abcdefgh", "abcdefghi", "abcdefghij"] {
        let recorder = Recorder::new().unwrap();
        let redactor = Redactor::default();
        redactor.add("token", secret.as_bytes());
        recorder.redact_by(&redactor);
        recorder.read_secret("token", secret.as_bytes());
        let argument = format!("Basic {}", encoded(&format!("user:{secret}")));
        let slot = recorder.begin(&Arc::from("f"), false, vec![told(&argument)]);
        recorder.end(slot, told(&()));
        let replay = replay(&text(&recorder)).unwrap();
        let again = format!("Basic {}", encoded("user:redacted-secret-token"));
        assert_eq!(
            asked(&replay, "f", &told(&again)),
            Ok(Value::Null),
            "{secret}"
        );
    }
}

#[test]
fn a_secret_url_stands_in_by_its_server() {
    let recorder = Recorder::new().unwrap();
    recorder.read_secret("hook", b"https://me:pw@hooks.example:8443/T0123/abc?x=1\n");
    recorder.read_secret("plain", b"not://a-url-for-us");
    let text = text(&recorder);
    assert!(
        text.contains("\"https://hooks.example:8443/redacted-secret-hook\""),
        "{text}"
    );
    assert!(text.contains("\"redacted-secret-plain\""), "{text}");
    for secret in ["T0123", "pw@", "me:"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_is_too_long_is_compared_by_its_digest_and_never_given_back() {
    let long = |byte: u8| told(&vec![byte; WHOLE_BYTES_MAX + 1]);
    let recorder = recorded(&[
        ("write", long(1), Some(told(&()))),
        ("write", long(2), Some(told(&()))),
        ("read", told(&0), Some(long(3))),
    ]);
    let text = text(&recorder);
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    let replay = replay(&text).unwrap();
    assert_eq!(asked(&replay, "write", &long(1)), Ok(Value::Null));
    let told_of = asked(&replay, "write", &long(3)).unwrap_err();
    assert!(
        told_of.starts_with("rec.jsonl:4: recorded was write("),
        "{told_of}"
    );
    let told_of = asked(&replay, "read", &told(&0)).unwrap_err();
    assert_eq!(
        told_of,
        "rec.jsonl:5: the answer of read cannot be given again: only the first 4096 of its 262145 bytes were written down (262144 is the most that is kept whole): record the plugin with less to read"
    );
    // The first is what counts.
    let first = replay.difference().unwrap();
    assert!(first.starts_with("rec.jsonl:4: "), "{first}");
}

#[test]
fn another_call_is_told_with_both() {
    let recorder = recorded(&[
        ("status", told(&"http://a:1"), Some(told(&()))),
        ("status", told(&"http://b:1"), None),
    ]);
    let text = text(&recorder);
    let other = replay(&text).unwrap();
    assert_eq!(
        asked(&other, "status", &told(&"http://c:1")).unwrap_err(),
        "rec.jsonl:3: recorded was status(\"http://a:1\"), and the plugin asks for status(\"http://c:1\"): it is not the plugin that was recorded, or it does not do the same again"
    );
    let same = replay(&text).unwrap();
    assert_eq!(
        asked(&same, "status", &told(&"http://a:1")),
        Ok(Value::Null)
    );
    let left = same.left().unwrap();
    assert!(
        left.starts_with("rec.jsonl:4: the plugin ended without status(\"http://b:1\")"),
        "{left}"
    );
    assert_eq!(
        asked(&same, "status", &told(&"http://b:1")).unwrap_err(),
        "rec.jsonl:4: status was never answered: the recorded attempt ended there"
    );
    assert_eq!(
        asked(&same, "status", &told(&"http://b:1")).unwrap_err(),
        "rec.jsonl:5: the record ends here, and the plugin asks for status(\"http://b:1\")"
    );
}

#[test]
fn a_file_that_is_no_record_is_told_with_its_line() {
    let text = text(&recorded(&[("f", told(&1), Some(told(&2)))]));
    let lines: Vec<&str> = text.lines().collect();
    let refused = |text: &str| replay(text).err().unwrap();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n")
    };
    assert_eq!(
        refused(&without(3)),
        "rec.jsonl: this record is cut off behind line 3: its last line must be `{\"end\":…}`; record the plugin anew"
    );
    let half = &text[..text.len() - 5];
    assert!(
        refused(half).starts_with("rec.jsonl:4: this is no line of a record: "),
        "{}",
        refused(half)
    );
    assert!(refused("").starts_with("rec.jsonl:1: this record does not say what was recorded"));
    assert!(refused("a: yaml\n").starts_with("rec.jsonl:1: this is no line of a record: "));
    assert!(
        refused(&without(0)).starts_with("rec.jsonl:1: this record has this line in another place")
    );
    assert!(refused(&without(1)).starts_with("rec.jsonl:2: this record has no random bytes"));
    assert!(
        refused(&without(2)).starts_with("rec.jsonl:3: this record has 0 calls and ends with 1")
    );
    let longer = format!("{text}{{\"now\":1}}\n");
    assert!(refused(&longer).starts_with("rec.jsonl:5: this record goes on behind its end"));
    let other = text.replace("drydock:plugin@0.1.0", "drydock:plugin@9.0.0");
    assert!(
        refused(&other).starts_with(
            "rec.jsonl:1: this record is of drydock:plugin@9.0.0, and this host speaks"
        )
    );
    let unknown = text.replace("\"function\"", "\"fonction\"");
    assert!(refused(&unknown).contains("unknown field `fonction`"));
}

#[test]
fn the_clock_and_random_numbers_of_a_record_come_again() {
    let recorder = Recorder::new().unwrap();
    let crossing = Crossing::new(Way::Recorded(recorder.clone()));
    assert_eq!([crossing.now(|| 5), crossing.now(|| 9)], [5, 9]);
    let replay = replay(&text(&recorder)).unwrap();
    assert_eq!(replay.seed(), recorder.seed());
    let again = Crossing::new(Way::Replayed(replay));
    let host = || panic!("nobody reads the host's clock");
    assert_eq!(
        [again.now(host), again.now(host), again.now(host)],
        [5, 9, 9]
    );
}

#[test]
fn no_json_of_the_contract_looks_like_what_a_record_adds() {
    let value = json!({"bytes": {"$utf8": "ab"}, "text": "$utf8", "list": [{"$base64": "AP8="}]});
    assert_eq!(
        restored(value).unwrap(),
        json!({"bytes": [97, 98], "text": "$utf8", "list": [[0, 255]]})
    );
    assert!(restored(json!({"$base64": "%"})).is_err());
}

use std::sync::mpsc as std_mpsc;

use super::*;

/// Writes down what it is told.
struct Diary {
    lines: std_mpsc::Sender<String>,
    refuse: Option<&'static [u8]>,
}

impl OutputSink for Diary {
    fn open(&mut self, name: &str, secret: bool) -> Result<(), Fault> {
        self.note(format!("open {name} {secret}"));
        Ok(())
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.note(format!("write {}", bytes.len()));
        match self.refuse {
            Some(bad) if bad == bytes => Err(Fault::transient(ErrorCode::NoSpace, "full")),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.note("finish".to_owned());
        Ok(())
    }

    fn discard(&mut self, reason: Fault) {
        self.note(format!("discard {}", reason.code));
    }
}

impl Diary {
    fn note(&self, line: String) {
        self.lines.send(line).unwrap();
    }
}

fn outputs(refuse: Option<&'static [u8]>) -> (Outputs, std_mpsc::Receiver<String>) {
    let (lines, diary) = std_mpsc::channel();
    (Outputs::start(Box::new(Diary { lines, refuse })), diary)
}

#[tokio::test]
async fn a_finished_output_reaches_the_sink_in_order() {
    let (outputs, diary) = outputs(None);
    let output = outputs.opener().create("a.db", true).await.unwrap();
    output.write(vec![0; 3]).await.unwrap();
    output.write(vec![0; 2]).await.unwrap();
    output.finish().await.unwrap();
    assert_eq!(
        output.write(vec![1]).await.unwrap_err().code.as_str(),
        "output-closed"
    );
    assert_eq!(
        output.finish().await.unwrap_err().code.as_str(),
        "output-closed"
    );
    drop(output);
    outputs.close().await.unwrap();
    assert_eq!(
        diary.iter().collect::<Vec<_>>(),
        ["open a.db true", "write 3", "write 2", "finish"]
    );
}

#[tokio::test]
async fn an_output_that_is_only_dropped_is_discarded() {
    let (outputs, diary) = outputs(None);
    let output = outputs.opener().create("a.db", false).await.unwrap();
    drop(output);
    outputs.close().await.unwrap();
    assert_eq!(
        diary.iter().collect::<Vec<_>>(),
        ["open a.db false", "discard given-up"]
    );
}

#[tokio::test]
async fn a_broken_stream_leaves_only_the_discard() {
    let (outputs, diary) = outputs(None);
    let output = outputs.opener().create("a.db", true).await.unwrap();
    output.break_off(&Fault::transient(ErrorCode::StreamBroken, "died"));
    assert_eq!(
        output.finish().await.unwrap_err().code.as_str(),
        "stream-broken"
    );
    assert_eq!(
        output.write(vec![1]).await.unwrap_err().code.as_str(),
        "stream-broken"
    );
    output.discard().await;
    let next = outputs.opener().create("b.db", true).await.unwrap();
    next.finish().await.unwrap();
    drop((output, next));
    outputs.close().await.unwrap();
    assert_eq!(
        diary.iter().collect::<Vec<_>>(),
        [
            "open a.db true",
            "discard stream-broken",
            "open b.db true",
            "finish"
        ]
    );
}

#[tokio::test]
async fn a_write_that_the_sink_refuses_spoils_the_output() {
    let (outputs, diary) = outputs(Some(b"bad"));
    let output = outputs.opener().create("a.db", true).await.unwrap();
    output.write(b"bad".to_vec()).await.unwrap();
    output.write(b"good".to_vec()).await.unwrap();
    assert_eq!(output.finish().await.unwrap_err().code.as_str(), "no-space");
    drop(output);
    outputs.close().await.unwrap();
    assert_eq!(
        diary.iter().collect::<Vec<_>>(),
        ["open a.db true", "write 3", "discard no-space"]
    );
}

#[tokio::test]
async fn two_outputs_at_once_are_refused() {
    let (outputs, _diary) = outputs(None);
    let opener = outputs.opener();
    let _first = opener.create("a.db", true).await.unwrap();
    assert_eq!(
        opener
            .create("b.db", true)
            .await
            .err()
            .unwrap()
            .code
            .as_str(),
        "output-open"
    );
}

#[test]
fn names_follow_the_contract() {
    let long = "a".repeat(NAME_CHARACTERS_MAX);
    for good in [
        "a",
        "kubernetes-etcd-snapshot_20260102_030405.db",
        "_x",
        &long,
    ] {
        assert!(check_name(good).is_ok(), "{good}");
    }
    let longer = "a".repeat(NAME_CHARACTERS_MAX + 1);
    for bad in ["", ".a", "-a", "a/b", "..", "a b", "ä", "a\n", &longer] {
        assert_eq!(
            check_name(bad).unwrap_err().code.as_str(),
            "bad-name",
            "{bad}"
        );
    }
}

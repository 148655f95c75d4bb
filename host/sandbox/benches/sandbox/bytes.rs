//! 1 GiB of a file to the host: through the plugin, past it, and without one.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use drydock_repository::Target as _;
use drydock_sandbox::StoreTarget;
use serde_json::json;
use tokio::sync::mpsc;

use crate::measure::{Report, Side, Unit};
use crate::stage::Stage;

const BYTES: u64 = 1024 * 1024 * 1024;

/// What one read moves natively, as much as a call of a plugin may.
const PIECE: usize = 1024 * 1024;

/// Pieces on their way to whoever takes them.
const IN_FLIGHT: usize = 4;

const OBJECT: &str = "object";

pub async fn measure(stage: &Stage, runs: usize, report: &mut Report) {
    let file = File::create(stage.folder().join(OBJECT)).unwrap();
    let piece: Vec<u8> = (0..PIECE).map(|n| n as u8).collect();
    for offset in (0..BYTES).step_by(PIECE) {
        file.write_all_at(&piece, offset).unwrap();
    }
    let mut native = Side::new("read natively in pieces of 1 MiB");
    let mut past = Side::new("past the plugin: it names the range");
    let mut large = Side::new("through the plugin in pieces of 1 MiB");
    let mut small = Side::new("through the plugin in pieces of 64 KiB");
    let target = |words| stage.target(&stage.plugin, &words);
    let (by, through, bit_by_bit) = (
        target(json!({})),
        target(json!({"chunkKibibytes": 1024})),
        target(json!({"chunkKibibytes": 64})),
    );
    // The file is in the page cache from here on.
    read(&stage.folder().join(OBJECT)).await;
    for _ in 0..runs {
        native.add(1, read(&stage.folder().join(OBJECT))).await;
        past.add(1, fetch(&by)).await;
        large.add(1, fetch(&through)).await;
        small.add(1, fetch(&bit_by_bit)).await;
    }
    report.add(
        "1 GiB of a cached file",
        Unit::Milliseconds,
        &[native, past, large, small],
    );
}

/// Reads on a thread for blocking work and hands the pieces over, as the host does it.
async fn read(path: &std::path::Path) {
    let (into, out) = mpsc::channel(IN_FLIGHT);
    let file = File::open(path).unwrap();
    let reader = tokio::task::spawn_blocking(move || {
        for offset in (0..BYTES).step_by(PIECE) {
            let mut piece = vec![0; PIECE];
            file.read_exact_at(&mut piece, offset).unwrap();
            into.blocking_send(piece).unwrap();
        }
    });
    assert_eq!(count(out).await, BYTES);
    reader.await.unwrap();
}

async fn fetch(target: &StoreTarget) {
    let (into, out) = mpsc::channel(IN_FLIGHT);
    let (fetched, counted) = tokio::join!(target.get_range(OBJECT, 0, BYTES, into), count(out));
    fetched.unwrap();
    assert_eq!(counted, BYTES);
}

async fn count(mut out: mpsc::Receiver<Vec<u8>>) -> u64 {
    let mut bytes = 0;
    while let Some(piece) = out.recv().await {
        bytes += piece.len() as u64;
    }
    bytes
}

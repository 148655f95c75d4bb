//! Bodies in both directions, past the plugin and through it.

use std::sync::Arc;

use drydock_capability_artifact::Slice;
use serde_json::json;

use super::kit::{World, acts_on, saw};

/// Many times what any buffer on the way holds.
const LARGE: u64 = 64 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_streams_up() {
    let world = World::start().await;
    let act = json!({"do": "upload", "url": world.server.url("/up"), "bytes": LARGE});
    let expected = format!("200  {LARGE} bytes, sum {}", 7 * LARGE);
    assert_eq!(saw(&world.signer(), act).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_streams_down() {
    let world = World::start().await;
    let act = json!({"do": "download", "url": world.server.url(&format!("/download/{LARGE}"))});
    let expected = format!("200 {LARGE} {}", 3 * LARGE);
    assert_eq!(saw(&world.signer(), act).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_goes_from_the_host_to_the_server() {
    let world = World::start().await;
    // Not the whole of what lies behind it.
    let bytes = Arc::new(vec![5_u8; 3 * 1024 * 1024 + 10]);
    let slice = Slice::new(bytes, 4, 3 * 1024 * 1024 + 1).unwrap();
    let size = slice.size();
    let act = json!({"do": "attach", "url": world.server.url("/up")});
    let verdict = acts_on(&world.signer(), std::slice::from_ref(&act), Some(slice))
        .await
        .result
        .unwrap();
    assert_eq!(
        verdict.findings[0].message,
        format!("200  {size} bytes, sum {}", 5 * size)
    );
    let seen = world.server.seen();
    assert_eq!(seen[0].headers["content-length"], size.to_string());
    assert!(!seen[0].headers.contains_key("transfer-encoding"));
    let nothing = acts_on(
        &world.signer(),
        &[act],
        Some(Slice::whole(Arc::new(Vec::new()))),
    )
    .await;
    assert_eq!(
        nothing.result.unwrap().findings[0].message,
        "200  0 bytes, sum 0"
    );
}

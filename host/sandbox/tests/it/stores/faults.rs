//! Some pairs of the grid of faults; `cargo xtask torture stores` plays all of it.

use crate::faults::cell::End;
use crate::faults::grid::cell;
use crate::faults::service::Service;

/// A fault at a call, and with which code a plugin that cannot get over it fails.
async fn play(service: &Service, pairs: &[(&str, Option<&str>)]) {
    for (number, (name, code)) in pairs.iter().enumerate() {
        let cell = cell(service, name).unwrap_or_else(|| panic!("there is no {name}"));
        let end = cell.play(service, &format!("cell-{number}")).await;
        match (end.unwrap(), code) {
            (End::Passed, None) => {}
            (End::Mended(why), Some(code)) if why.contains(code) => {}
            (end, _) => panic!("{name} ended otherwise: {end:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_s3_gets_over_what_happens_to_its_parts_and_its_end() {
    let service = Service::s3().await.unwrap();
    let pairs = [
        ("flipped on the way there after part", None),
        ("reset after complete", None),
        ("200 with an error in it before complete", None),
    ];
    play(&service, &pairs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_and_a_removal_at_s3_wait_or_tell() {
    let service = Service::s3().await.unwrap();
    let pairs = [
        ("503 with Retry-After after put", None),
        ("clock skew before delete", Some("clock-differs")),
    ];
    play(&service, &pairs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_at_azure_are_got_over_or_told() {
    let service = Service::azure().await.unwrap();
    let pairs = [
        ("broken TLS after block list", None),
        ("reset after get", None),
        ("401 before put", None),
    ];
    play(&service, &pairs).await;
}

//! Bytes that somebody else chose: components cut off, with bits turned over, or made of
//! noise. What is admitted all the same stays within its limits; the rest is refused with
//! one sentence; and nothing panics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_capability_artifact::Slice;
use drydock_core::Facts;
use drydock_core::Grants;
use drydock_sandbox::{Admission, JudgeCall, Limits, inspect, read_manifest};
use drydock_testkit::random::Random;

use super::bytes::{self, COMPONENT};
use super::sentences::assert_plain;
use crate::call;
use crate::torture::company::{built, limits};

const SEED: u64 = 20_261_121;

/// Components whose whole way is tried: compiling those that are valid takes the most.
const WHOLE_WAYS: usize = 200;

/// Components whose manifest alone is read, which takes microseconds.
const READINGS: usize = 20_000;

/// A reading of a quarter of a megabyte, with a hundred times to spare.
const READING_MAX: Duration = Duration::from_secs(2);

/// What is wrong with a component.
fn spoilt(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match random.below(6) {
        0 => bytes.truncate(random.below(good.len())),
        1 => bytes = random.bytes(random.clone().below(4096)),
        2 => bytes = [COMPONENT, &random.bytes(2048)].concat(),
        3 => {
            let (at, length) = (random.below(good.len()), random.below(64));
            let noise = random.bytes(length);
            bytes.splice(at..(at + length).min(good.len()), noise);
        }
        4 => flip(&mut bytes, random, 1),
        _ => {
            let flips = 1 + random.below(8);
            flip(&mut bytes, random, flips);
        }
    }
    bytes
}

fn flip(bytes: &mut [u8], random: &mut Random, times: usize) {
    for _ in 0..times {
        let (at, bit) = (random.below(bytes.len()), random.below(8));
        bytes[at] ^= 1 << bit;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spoilt_components_are_refused_or_stay_within_limits() {
    let sandbox = crate::sandbox();
    let good = built("hostile-verify").unwrap();
    let mut random = Random::new(SEED);
    let (mut refused, mut failed, mut well) = (0, 0, 0);
    let limits = Limits {
        idle_max: Duration::from_secs(1),
        ..limits()
    };
    for number in 0..WHOLE_WAYS {
        let component = spoilt(&good, &mut random);
        let grants = Grants::default();
        let admitted = sandbox.admit(Admission {
            component: &component,
            builtin: None,
            grants: Some(&grants),
            ceiling: None,
            limits: Some(&limits),
        });
        let plugin = match admitted {
            Ok(plugin) => plugin,
            Err(error) => {
                assert_plain(&number.to_string(), &error.to_string());
                refused += 1;
                continue;
            }
        };
        let call = JudgeCall {
            context: call(r#"{"do":"read-out-of-range"}"#),
            facts: Facts::default(),
            plain: Some(Slice::whole(Arc::new(vec![7; 100]))),
        };
        match plugin.judge(call).await.result {
            Ok(_) => well += 1,
            Err(fault) => {
                assert_ne!(fault.code.as_str(), "host-failed", "{number}: {fault:?}");
                assert_plain(&number.to_string(), &fault.message);
                failed += 1;
            }
        }
    }
    // Both happen, or the spoiling is too tame or too wild to say anything.
    assert!(
        refused > 50 && failed + well > 5,
        "{refused} refused, {failed} failed, {well} well"
    );
}

#[test]
fn spoilt_manifests_are_read_or_refused_at_once() {
    let json = bytes::manifest_json("hostile", "backup");
    let small = [
        COMPONENT,
        &bytes::custom("x", b"y"),
        &bytes::manifest(json.as_bytes()),
    ]
    .concat();
    let large = built("hostile-verify").unwrap();
    let mut random = Random::new(SEED);
    let (mut read, mut refused) = (0, 0);
    for number in 0..READINGS {
        let good = if number % 100 == 0 { &large } else { &small };
        let component = spoilt(good, &mut random);
        let start = Instant::now();
        match read_manifest(&component) {
            Ok(manifest) => {
                read += 1;
                assert!((1..=63).contains(&manifest.name.len()), "{manifest:?}");
                assert_plain("a name", &format!("{} {}", manifest.name, manifest.version));
            }
            Err(error) => {
                refused += 1;
                assert_plain("a refusal", &error.to_string());
            }
        }
        // A file that nobody admits can be looked at all the same.
        let _looked = inspect(&component);
        assert!(
            start.elapsed() < READING_MAX,
            "{number} took {:?}",
            start.elapsed()
        );
    }
    assert!(
        read > 100 && refused > 1_000,
        "{read} read, {refused} refused"
    );
}

//! Verifying and fetching artifacts.

use super::*;
use drydock_core::ErrorCode;
use drydock_repository::recovery_point::{Form, Verified};

const OBJECT: &str = "lab/one/etcd.db.0000000000000000.zst.age";

fn plain() -> Vec<u8> {
    (0..600_000_u32).flat_map(|n| n.to_le_bytes()).collect()
}

async fn stored() -> (World, RecoveryPoint) {
    let world = World::new();
    let mut manifest = sample::manifest("one");
    world.add_artifact(&mut manifest, "etcd.db", &plain(), Sealing::Age);
    world.add_artifact(&mut manifest, "notes.txt", b"public", Sealing::None);
    world.commit(&manifest).await;
    let point = world.load("one").await.unwrap();
    (world, point)
}

async fn verify(world: &World, identities: Option<Arc<Identities>>) -> Verified {
    let (cluster, name) = (ClusterName::new("lab"), RecoveryPointName::new("one"));
    world
        .repository()
        .verify(&cluster, &name, identities)
        .await
        .unwrap()
}

/// What is said about `etcd.db`, with an identity.
async fn complaint(world: &World) -> String {
    let verified = verify(world, Some(Arc::clone(&world.identities))).await;
    assert!(!verified.pass());
    let check = verified.artifacts.into_iter().next().unwrap();
    told(check.outcome.unwrap_err())
}

fn flip(world: &World, at: impl Fn(usize) -> usize) -> Vec<u8> {
    let mut bytes = world.target.bytes(OBJECT).unwrap();
    let index = at(bytes.len());
    bytes[index] ^= 1;
    world.target.put(OBJECT, &bytes);
    bytes
}

#[tokio::test]
async fn an_artifact_is_fetched_plain_and_sealed() {
    let (world, point) = stored().await;
    let form = Form::Plain(Arc::clone(&world.identities));
    let fetched = world
        .repository()
        .fetch(&point, "etcd.db", Vec::new(), form)
        .await
        .unwrap();
    assert!(fetched.sink == plain());
    assert_eq!(fetched.plain, Some(sample::measure(&plain())));
    let fetched = world
        .repository()
        .fetch(&point, "etcd.db", Vec::new(), Form::Sealed)
        .await;
    let fetched = fetched.unwrap();
    assert!(fetched.sink == world.target.bytes(OBJECT).unwrap());
    assert_eq!(fetched.plain, None);
}

#[tokio::test]
async fn verifying_looks_inside_where_it_can() {
    let (world, _) = stored().await;
    let inside = |verified: &Verified| -> Vec<bool> {
        let looked = verified
            .artifacts
            .iter()
            .map(|check| check.outcome.as_ref().unwrap());
        looked.map(Option::is_some).collect()
    };
    let without = verify(&world, None).await;
    assert!(without.pass());
    assert_eq!(inside(&without), [false, true]);
    let with = verify(&world, Some(Arc::clone(&world.identities))).await;
    assert!(with.pass());
    assert_eq!(inside(&with), [true, true]);
}

#[tokio::test]
async fn damage_is_told_wherever_it_is_and_whether_or_not_it_opens() {
    for at in [|_| 5, |length| length / 2, |length| length - 1] as [fn(usize) -> usize; 3] {
        let (world, point) = stored().await;
        let expected = point.manifest.artifacts[0].sealed;
        let bytes = flip(&world, at);
        let message = format!(
            "{OBJECT} is damaged: it should be {} bytes with sha256 {}, but it is {} bytes with sha256 {}",
            expected.size,
            expected.sha256,
            bytes.len(),
            Sha256::of(&bytes),
        );
        assert_eq!(complaint(&world).await, message);
        let verified = verify(&world, None).await;
        assert!(!verified.pass());
    }
}

#[tokio::test]
async fn a_short_or_missing_object_is_told() {
    let (world, point) = stored().await;
    let bytes = world.target.bytes(OBJECT).unwrap();
    world.target.put(OBJECT, &bytes[..bytes.len() - 1]);
    let expected = point.manifest.artifacts[0].sealed;
    assert_eq!(
        complaint(&world).await,
        format!(
            "{OBJECT} is damaged: it should be {} bytes with sha256 {}, but it is {} bytes",
            expected.size,
            expected.sha256,
            expected.size - 1
        )
    );
    drydock_repository::Target::delete(&world.target, OBJECT)
        .await
        .unwrap();
    assert_eq!(
        complaint(&world).await,
        format!(
            "artifact object {OBJECT} is missing from the target: this recovery point cannot be restored from here"
        )
    );
}

#[tokio::test]
async fn an_artifact_that_holds_something_else_is_told() {
    for (claimed, found) in [
        (&b"claimed"[..], "longer"),
        (&[0; 3_000_000][..], "2400000 bytes"),
    ] {
        let world = World::new();
        let mut manifest = sample::manifest("one");
        world.add_artifact(&mut manifest, "etcd.db", &plain(), Sealing::Age);
        manifest.artifacts[0].plain = sample::measure(claimed);
        world.commit(&manifest).await;
        let message = complaint(&world).await;
        assert!(message.starts_with(&format!("{OBJECT} does not hold what the manifest says")));
        assert!(message.contains(&format!("but it is {found}")), "{message}");
    }
}

#[tokio::test]
async fn a_wrong_identity_is_told_without_calling_the_artifact_damaged() {
    let (world, point) = stored().await;
    let other = Form::Plain(Arc::clone(&World::new().identities));
    let fetched = world
        .repository()
        .fetch(&point, "etcd.db", Vec::new(), other)
        .await;
    assert_eq!(
        told(fetched.unwrap_err()),
        format!(
            "{OBJECT} cannot be opened: none of the identities opens this artifact: give the secret key of one of the recipients it was sealed to"
        )
    );
}

#[tokio::test]
async fn an_unknown_artifact_is_told_with_those_that_are_there() {
    let (world, point) = stored().await;
    let fetched = world
        .repository()
        .fetch(&point, "etc.db", Vec::new(), Form::Sealed)
        .await;
    assert_eq!(
        told(fetched.unwrap_err()),
        "recovery point lab/one has no artifact \"etc.db\": it holds etcd.db, notes.txt"
    );
}

#[tokio::test]
async fn a_full_disk_and_a_failing_target_are_told_apart() {
    let (world, point) = stored().await;
    let small = std::io::Cursor::new(vec![0_u8; 10].into_boxed_slice());
    let fetched = world
        .repository()
        .fetch(&point, "etcd.db", small, Form::Sealed)
        .await;
    assert_eq!(fetched.err().unwrap().code().as_str(), "write-failed");
    world.target.fail_next(
        Call::GetRangeMidway,
        Fault::denied(ErrorCode::of("denied"), "no"),
    );
    let fetched = world
        .repository()
        .fetch(&point, "etcd.db", Vec::new(), Form::Sealed)
        .await;
    assert_eq!(fetched.err().unwrap().code().as_str(), "denied");
}

#[tokio::test]
async fn reading_back_compares_the_stored_bytes() {
    let (world, point) = stored().await;
    let sealed = point.manifest.artifacts[0].sealed;
    world.repository().read_back(OBJECT, sealed).await.unwrap();
    flip(&world, |length| length / 3);
    let error = world
        .repository()
        .read_back(OBJECT, sealed)
        .await
        .unwrap_err();
    assert_eq!(error.code().as_str(), "corrupt");
}

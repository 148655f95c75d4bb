//! Recovery points at a target: committed, loaded and listed.

use std::io::Write as _;
use std::sync::Arc;

use drydock_core::store::PassedOver;
use drydock_core::{ClusterName, ErrorCode, Fault, RecoveryPointName, UnixTime};
use drydock_fakes::{Call, FakeTarget};
use drydock_repository::keys::{NewSealingKey, NewSigningKey};
use drydock_repository::recovery_point::{
    self, CommitOutcome, Listed, MarkStanding, RecoveryPoint, Repository, Standing, State,
};
use drydock_repository::seal::{Options, Sealer, Sealing};
use drydock_repository::{
    Identities, Manifest, Recipient, RepositoryError, Sha256, SigningKey, TrustedSigners,
};

use crate::sample;

mod doubt;
mod fetching;
mod marking;
mod states;
mod succession;

/// A target with keys.
struct World {
    target: FakeTarget,
    key: SigningKey,
    signers: TrustedSigners,
    recipient: Recipient,
    identities: Arc<Identities>,
}

/// A manifest and its signature, as text.
struct Signed {
    manifest: String,
    signature: String,
}

impl World {
    fn new() -> Self {
        let signing = NewSigningKey::generate().unwrap();
        let sealing = NewSealingKey::generate(UnixTime(0));
        let identities = Identities::parse("id", sealing.identity.expose()).unwrap();
        Self {
            target: FakeTarget::new(),
            key: SigningKey::parse(signing.secret.expose()).unwrap(),
            signers: TrustedSigners::parse([signing.public_line.as_str()]).unwrap(),
            recipient: Recipient::parse(&sealing.recipient).unwrap(),
            identities: Arc::new(identities),
        }
    }

    fn repository(&self) -> Repository<'_> {
        Repository::new(&self.target, &self.signers)
    }

    fn sign(&self, manifest: &Manifest) -> Signed {
        let text = manifest.to_text().unwrap();
        let signature = self
            .key
            .sign(text.as_bytes(), &manifest.cluster, &manifest.recovery_point)
            .unwrap();
        Signed {
            manifest: text,
            signature,
        }
    }

    async fn commit(&self, manifest: &Manifest) -> CommitOutcome {
        let signed = self.sign(manifest);
        self.commit_signed(&signed).await.unwrap()
    }

    async fn commit_signed(&self, signed: &Signed) -> Result<CommitOutcome, Fault> {
        self.commit_until(signed, None).await
    }

    async fn commit_until(
        &self,
        signed: &Signed,
        retain_until: Option<UnixTime>,
    ) -> Result<CommitOutcome, Fault> {
        let signed = recovery_point::Signed {
            manifest: &signed.manifest,
            signature: &signed.signature,
            retain_until,
        };
        self.repository().commit(signed).await
    }

    async fn load(&self, name: &str) -> Result<RecoveryPoint, RepositoryError> {
        let name = RecoveryPointName::new(name);
        self.repository()
            .load(&ClusterName::new("lab"), &name)
            .await
    }

    /// Seals `plain` into an object of this manifest and adds the entry.
    fn add_artifact(&self, manifest: &mut Manifest, name: &str, plain: &[u8], sealing: Sealing) {
        let recipients = match sealing {
            Sealing::Age => vec![self.recipient.clone()],
            Sealing::None => vec![],
        };
        let mut sealer = Sealer::new(Vec::new(), &recipients, Options::default()).unwrap();
        sealer.write_all(plain).unwrap();
        let (bytes, sealed) = sealer.finish().unwrap();
        let artifact = sample::artifact(name, sealing, sample::measure(plain), sealed);
        let key = manifest.folder().unwrap().object(&artifact.object);
        self.target.put(&key, &bytes);
        manifest.artifacts.push(artifact);
    }
}

/// The whole chain of an error, as an operator sees it.
fn told(error: RepositoryError) -> String {
    Fault::from(error).message
}

fn signature_key(manifest: &str, name: &str) -> String {
    let digest = Sha256::of(manifest.as_bytes()).short();
    format!("lab/{name}/manifest.{digest}.minisig")
}

#[tokio::test]
async fn a_committed_recovery_point_is_loaded() {
    let world = World::new();
    let manifest = sample::manifest("one");
    assert_eq!(world.commit(&manifest).await, CommitOutcome::Committed);
    let point = world.load("one").await.unwrap();
    assert_eq!(point.manifest, manifest);
    assert_eq!(point.signer, world.key.id());
    assert_eq!(world.target.open_uploads(), 0);
}

#[tokio::test]
async fn committing_again_finds_our_own_and_writes_nothing() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    world.commit_signed(&signed).await.unwrap();
    let before = world.target.objects();
    let again = world.commit_signed(&signed).await.unwrap();
    assert_eq!(again, CommitOutcome::AlreadyOurs);
    assert_eq!(world.target.objects(), before);
}

#[tokio::test]
async fn the_second_manifest_of_an_occurrence_is_superseded() {
    let world = World::new();
    let winner = sample::manifest("one");
    world.commit(&winner).await;
    let before = world.target.objects();
    let mut loser = winner.clone();
    loser.finished = UnixTime(winner.finished.0 + 1);
    let names = Vec::new();
    let superseded = CommitOutcome::Superseded { names };
    assert_eq!(world.commit(&loser).await, superseded);
    assert_eq!(world.target.objects(), before);
    assert_eq!(world.load("one").await.unwrap().manifest, winner);
}

/// Nobody can tell it from our own manifest, read wrongly: so the signature stays.
#[tokio::test]
async fn something_else_that_appears_at_the_last_write_is_told() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    let theirs = b"{\"formatVersion\": 1, \"by\": \"another\"}";
    world.target.intrude("lab/one/manifest.json", theirs);
    let fault = world.commit_signed(&signed).await.unwrap_err();
    assert_eq!(
        fault.message,
        "it is not known whether lab/one/manifest.json was written: the target says that lab/one/manifest.json was there already; what is read there afterwards is neither this manifest nor another that can be believed"
    );
    assert_eq!((fault.code.as_str(), fault.may_be_done()), ("exists", true));
    let signature = signature_key(&signed.manifest, "one");
    let manifest = "lab/one/manifest.json".to_owned();
    assert_eq!(world.target.objects(), [signature, manifest]);
    assert_eq!(world.target.bytes("lab/one/manifest.json").unwrap(), theirs);
}

/// Two daemons at work on one occurrence.
#[tokio::test]
async fn a_race_that_is_lost_at_the_last_write_leaves_no_signature() {
    let world = World::new();
    let winner = world.sign(&sample::manifest("one"));
    let mut second = sample::manifest("one");
    second.finished = UnixTime(second.finished.0 + 1);
    let loser = world.sign(&second);
    let signature = signature_key(&winner.manifest, "one");
    world.target.put(&signature, winner.signature.as_bytes());
    let theirs = winner.manifest.as_bytes();
    world.target.intrude("lab/one/manifest.json", theirs);
    let outcome = world.commit_signed(&loser).await.unwrap();
    let names = Vec::new();
    assert_eq!(outcome, CommitOutcome::Superseded { names });
    let manifest = "lab/one/manifest.json".to_owned();
    assert_eq!(world.target.objects(), [signature, manifest]);
}

#[tokio::test]
async fn a_commit_goes_on_where_a_crash_stopped_it() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    let file = signature_key(&signed.manifest, "one");
    // The manifest was signed anew after the crash: another signature, as good.
    let earlier = world.sign(&sample::manifest("one"));
    assert_ne!(earlier.signature, signed.signature);
    world.target.put(&file, earlier.signature.as_bytes());
    let outcome = world.commit_signed(&signed).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed);
    assert!(world.load("one").await.is_ok());
}

#[tokio::test]
async fn something_else_in_the_signature_s_place_is_told() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    let file = signature_key(&signed.manifest, "one");
    world.target.put(&file, b"rubbish");
    let error = world.commit_signed(&signed).await.unwrap_err();
    assert_eq!(error.code.as_str(), "exists");
    assert!(
        !world
            .target
            .objects()
            .contains(&"lab/one/manifest.json".to_owned())
    );
}

#[tokio::test]
async fn a_manifest_that_nobody_would_believe_is_not_committed() {
    let world = World::new();
    let mut signed = world.sign(&sample::manifest("one"));
    signed.manifest = signed.manifest.replace("nightly", "daily");
    let error = world.commit_signed(&signed).await.unwrap_err();
    assert_eq!(error.code.as_str(), "bad-signature");
    assert!(world.target.objects().is_empty());
}

#[tokio::test]
async fn a_target_that_fails_leaves_no_upload_open_and_no_commit() {
    for call in [Call::Stat, Call::PutObject] {
        let world = World::new();
        let signed = world.sign(&sample::manifest("one"));
        world
            .target
            .fail_next(call, Fault::transient(ErrorCode::Unreachable, "no answer"));
        let fault = world.commit_signed(&signed).await.unwrap_err();
        assert!(fault.class.is_retryable());
        assert_eq!(world.target.open_uploads(), 0);
        let outcome = world.commit_signed(&signed).await.unwrap();
        assert_eq!(outcome, CommitOutcome::Committed);
    }
}

#[tokio::test]
async fn a_tampered_manifest_is_refused() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    world.commit_signed(&signed).await.unwrap();
    let forged = signed.manifest.replace("5021", "9999");
    world.target.put("lab/one/manifest.json", forged.as_bytes());
    let file = signature_key(&forged, "one");
    let error = world.load("one").await.unwrap_err();
    let first = signature_key(&signed.manifest, "one");
    assert!(matches!(
        error,
        RepositoryError::Altered { signature, .. } if signature == first
    ));
    world.target.put(&file, signed.signature.as_bytes());
    let error = world.load("one").await.unwrap_err();
    assert_eq!(
        told(error),
        format!(
            "recovery point lab/one is not to be trusted: the signature by key {} does not fit: the manifest or the signature was changed after it was signed; use another recovery point, or another target that has this one",
            world.key.id()
        )
    );
}

#[tokio::test]
async fn an_unknown_signer_is_refused() {
    let (ours, theirs) = (World::new(), World::new());
    let signed = theirs.sign(&sample::manifest("one"));
    theirs.commit_signed(&signed).await.unwrap();
    let repository = Repository::new(&theirs.target, &ours.signers);
    let name = RecoveryPointName::new("one");
    let error = repository
        .load(&ClusterName::new("lab"), &name)
        .await
        .unwrap_err();
    assert_eq!(error.code().as_str(), "unknown-signer");
    let message = told(error);
    assert!(
        message.starts_with(&format!(
            "recovery point lab/one is not to be trusted: it is signed by key {}, which is not trusted here",
            theirs.key.id()
        )),
        "{message}"
    );
}

#[tokio::test]
async fn a_recovery_point_that_was_moved_is_refused() {
    let world = World::new();
    let signed = world.sign(&sample::manifest("one"));
    world
        .target
        .put("lab/two/manifest.json", signed.manifest.as_bytes());
    let file = signature_key(&signed.manifest, "two");
    world.target.put(&file, signed.signature.as_bytes());
    assert_eq!(
        world.load("two").await.unwrap_err().code().as_str(),
        "bad-signature"
    );
    // Even when the trusted key signed it under the other name.
    let two = RecoveryPointName::new("two");
    let signature = world
        .key
        .sign(signed.manifest.as_bytes(), &ClusterName::new("lab"), &two);
    world.target.put(&file, signature.unwrap().as_bytes());
    assert_eq!(
        told(world.load("two").await.unwrap_err()),
        "the manifest at lab/two says that it is lab/one: the files were moved or renamed"
    );
}

#[tokio::test]
async fn a_recovery_point_that_is_not_there_is_told() {
    let world = World::new();
    let error = world.load("none").await.unwrap_err();
    assert_eq!(
        told(error),
        "there is no recovery point lab/none: `drydock recovery-point list` shows those that are there"
    );
    let error = world.load("../none").await.unwrap_err();
    assert_eq!(error.code().as_str(), "bad-name");
}

#[tokio::test]
async fn a_listing_hides_nothing_and_shows_the_newest_first() {
    let world = World::new();
    let names = [
        "a.20260101T000000Z",
        "a.20260102T000000Z",
        "a.20260103T000000Z",
    ];
    for name in names {
        world.commit(&sample::manifest(name)).await;
    }
    let mut other = sample::manifest("b.20260104T000000Z");
    other.cluster = ClusterName::new("other");
    world.commit(&other).await;
    world.target.put(
        "lab/a.20260105T000000Z/etcd.db.0000000000000000.zst",
        b"under way",
    );
    world
        .target
        .put("lab/a.20260102T000000Z/manifest.json", b"{}");
    world.target.put("notes.txt", b"not ours");

    let listed = world.repository().list(None, 10).await.unwrap();
    assert_eq!(
        listed.foreign.note().unwrap(),
        "it also holds what is none of Drydock's and was passed over: notes.txt"
    );
    let shown: Vec<_> = listed.points.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "other b.20260104T000000Z signed",
            "lab a.20260103T000000Z signed",
            "lab a.20260102T000000Z bad-signature",
            "lab a.20260101T000000Z signed",
        ]
    );
    let lab = ClusterName::new("lab");
    let listed = world.repository().list(Some(&lab), 2).await.unwrap();
    assert_eq!(listed.points.len(), 2);
    assert!(
        listed
            .points
            .iter()
            .all(|entry| entry.folder.cluster() == &lab)
    );
}

#[tokio::test]
async fn a_target_that_fails_for_now_is_no_statement_about_a_recovery_point() {
    let world = World::new();
    world.commit(&sample::manifest("one")).await;
    for _ in 0..4 {
        let fault = Fault::transient(ErrorCode::Unreachable, "no answer");
        world.target.fail_next(Call::GetRange, fault);
    }
    let error = world.repository().list(None, 10).await.unwrap_err();
    assert_eq!(error.code().as_str(), "unreachable");
}

#[tokio::test]
async fn one_that_cannot_be_read_is_listed_and_hides_no_other() {
    let world = World::new();
    world.commit(&sample::manifest("a.20260101T000000Z")).await;
    world.commit(&sample::manifest("a.20260102T000000Z")).await;
    world.target.fail_next(
        Call::GetRange,
        Fault::denied(ErrorCode::PermissionDenied, "no"),
    );
    let hidden = "lab/a.20260103T000000Z/";
    world.target.pass_over(passed_over(hidden, "it is closed"));
    let listed = world.repository().list(None, 10).await.unwrap();
    let shown: Vec<_> = listed.points.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "lab a.20260103T000000Z unread",
            "lab a.20260102T000000Z permission-denied",
            "lab a.20260101T000000Z signed",
        ]
    );
    assert_eq!(listed.unread, Vec::<String>::new());
    assert_eq!(listed.foreign.note(), None);
}

#[tokio::test]
async fn what_stands_beside_the_folders_is_judged_by_its_name() {
    let world = World::new();
    world.commit(&sample::manifest("a.20260101T000000Z")).await;
    for name in [
        "lost+found/",
        "#recycle/",
        ".snapshot/",
        "lab/lost+found/",
        "old/",
    ] {
        world.target.pass_over(passed_over(name, "it is closed"));
    }
    world.target.put("@eaDir/x/y", b"");
    let listed = world.repository().list(None, 10).await.unwrap();
    assert_eq!(listed.points.len(), 1);
    assert_eq!(
        listed.unread,
        ["recovery points of old may be missing from the list: it is closed"]
    );
    assert_eq!(
        listed.foreign.note().unwrap(),
        "it also holds what is none of Drydock's and was passed over: #recycle, .snapshot, @eaDir, lab/lost+found, lost+found"
    );
}

fn passed_over(object: &str, why: &str) -> PassedOver {
    PassedOver {
        object: object.to_owned(),
        hides: true,
        why: why.to_owned(),
    }
}

fn shown(listed: &Listed) -> String {
    let standing = match &listed.standing {
        Standing::Signed(_) => "signed".to_owned(),
        Standing::Refused(error) | Standing::Unread(error) => error.code().to_string(),
    };
    format!(
        "{} {} {standing}",
        listed.folder.cluster(),
        listed.folder.name()
    )
}

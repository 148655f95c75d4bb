//! Keys that Drydock makes are keys of the real programs, and the other way round.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;

use drydock_core::{ClusterName, RecoveryPointName, UnixTime};
use drydock_repository::keys::{NewSealingKey, NewSigningKey};
use drydock_repository::seal::{Options, Sealer, Sealing};
use drydock_repository::{Identities, Recipient, SigningKey, TrustedSigners, unseal};
use drydock_testkit::tools;

use crate::support::run;

fn names() -> (ClusterName, RecoveryPointName) {
    (ClusterName::new("lab"), RecoveryPointName::new("one"))
}

#[test]
fn minisign_signs_with_our_key_and_we_believe_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = NewSigningKey::generate().unwrap();
    let (secret, manifest) = (
        folder.path().join("key"),
        folder.path().join("manifest.json"),
    );
    fs::write(&secret, key.secret.expose()).unwrap();
    fs::write(&manifest, "{}\n").unwrap();
    let minisign = tools::minisign().unwrap();
    let comment = "drydock recovery point lab/one";
    run(Command::new(&minisign)
        .arg("-S")
        .arg("-s")
        .arg(&secret)
        .args(["-t", comment, "-m"])
        .arg(&manifest));
    let signature = fs::read_to_string(folder.path().join("manifest.json.minisig")).unwrap();
    let signers = TrustedSigners::parse([key.public.as_str()]).unwrap();
    let (cluster, name) = names();
    assert_eq!(
        signers.verify(b"{}\n", &signature, &cluster, &name),
        Ok(key.id)
    );

    let public = folder.path().join("key.pub");
    run(Command::new(&minisign)
        .arg("-R")
        .arg("-s")
        .arg(&secret)
        .arg("-p")
        .arg(&public));
    let restored = fs::read_to_string(&public).unwrap();
    assert_eq!(restored.lines().nth(1), Some(key.public_line.as_str()));
}

#[test]
fn we_sign_with_a_key_of_minisign_and_it_believes_us() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let minisign = tools::minisign().unwrap();
    run(Command::new(&minisign)
        .args(["-G", "-W", "-p"])
        .arg(at("pub"))
        .arg("-s")
        .arg(at("key")));
    let key = SigningKey::parse(&fs::read_to_string(at("key")).unwrap()).unwrap();
    let (cluster, name) = names();
    fs::write(at("m"), "{}\n").unwrap();
    fs::write(at("m.sig"), key.sign(b"{}\n", &cluster, &name).unwrap()).unwrap();
    let verify = |command: &mut Command| {
        run(command
            .args(["-V", "-H", "-p"])
            .arg(at("pub"))
            .arg("-x")
            .arg(at("m.sig"))
            .arg("-m")
            .arg(at("m")))
    };
    let said = verify(&mut Command::new(&minisign));
    assert!(said.contains("drydock recovery point lab/one"), "{said}");
}

#[test]
fn age_opens_what_we_sealed_and_we_open_what_age_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let key = NewSealingKey::generate(UnixTime(0));
    fs::write(at("id"), key.identity.expose()).unwrap();
    let age = tools::age().unwrap();
    let keygen = age.with_file_name("age-keygen");
    let recipient = run(Command::new(keygen).arg("-y").arg(at("id")));
    assert_eq!(recipient.trim(), key.recipient);

    let recipients = [Recipient::parse(&key.recipient).unwrap()];
    let mut sealer = Sealer::new(Vec::new(), &recipients, Options::default()).unwrap();
    sealer.write_all(b"sealed by us").unwrap();
    fs::write(at("ours.zst.age"), sealer.finish().unwrap().0).unwrap();
    run(Command::new(&age)
        .args(["-d", "-i"])
        .arg(at("id"))
        .arg("-o")
        .arg(at("ours.zst"))
        .arg(at("ours.zst.age")));
    let zstd = tools::zstd().unwrap();
    let opened = run(Command::new(&zstd)
        .args(["-d", "-q", "-c"])
        .arg(at("ours.zst")));
    assert_eq!(opened, "sealed by us");

    fs::write(at("theirs"), "sealed by age").unwrap();
    run(Command::new(&zstd).arg("-q").arg(at("theirs")));
    run(Command::new(&age)
        .args(["-r", &key.recipient, "-o"])
        .arg(at("theirs.age"))
        .arg(at("theirs.zst")));
    let identities = Identities::parse("id", key.identity.expose()).unwrap();
    let sealed = fs::File::open(at("theirs.age")).unwrap();
    let mut opened = String::new();
    unseal(sealed, Sealing::Age, &identities)
        .unwrap()
        .read_to_string(&mut opened)
        .unwrap();
    assert_eq!(opened, "sealed by age");
}

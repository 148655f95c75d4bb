use super::*;
use crate::keys::NewSigningKey;

struct Signed {
    key: NewSigningKey,
    signature: String,
}

const MANIFEST: &[u8] = b"{\"formatVersion\": 1}\n";

fn names() -> (ClusterName, RecoveryPointName) {
    (
        ClusterName::new("lab"),
        RecoveryPointName::new("n.20260102T030405Z"),
    )
}

fn signed() -> Signed {
    let key = NewSigningKey::generate().unwrap();
    let (cluster, name) = names();
    let signature = SigningKey::parse(key.secret.expose())
        .unwrap()
        .sign(MANIFEST, &cluster, &name)
        .unwrap();
    Signed { key, signature }
}

fn verify(
    signers: &TrustedSigners,
    manifest: &[u8],
    signature: &str,
) -> Result<KeyId, VerifyError> {
    let (cluster, name) = names();
    signers.verify(manifest, signature, &cluster, &name)
}

#[test]
fn a_trusted_signature_names_its_signer() {
    let Signed { key, signature } = signed();
    for text in [&key.public_line, &key.public] {
        let signers = TrustedSigners::parse([text.as_str()]).unwrap();
        assert_eq!(verify(&signers, MANIFEST, &signature), Ok(key.id));
    }
    assert!(signature.contains("trusted comment: drydock recovery point lab/n.20260102T030405Z\n"));
    assert!((signature.len() as u64) < SIGNATURE_BYTES_MAX);
}

#[test]
fn a_changed_manifest_is_refused() {
    let Signed { key, signature } = signed();
    let signers = TrustedSigners::parse([key.public_line.as_str()]).unwrap();
    let answer = verify(&signers, b"{\"formatVersion\": 2}\n", &signature);
    assert_eq!(answer, Err(VerifyError::Mismatch { signer: key.id }));
    assert_eq!(
        answer.unwrap_err().to_string(),
        format!(
            "the signature by key {} does not fit: the manifest or the signature was changed after it was signed; use another recovery point, or another target that has this one",
            key.id
        )
    );
}

#[test]
fn an_unknown_signer_is_told_with_what_to_add() {
    let Signed { key, signature } = signed();
    let other = NewSigningKey::generate().unwrap();
    let signers = TrustedSigners::parse([other.public_line.as_str()]).unwrap();
    let told = |signature: &str| {
        verify(&signers, MANIFEST, signature)
            .unwrap_err()
            .to_string()
    };
    let (id, line) = (key.id, &key.public_line);
    assert_eq!(
        told(&signature),
        format!(
            "it is signed by key {id}, which is not trusted here: if the last line of the signer's own .pub file is {line}, add that line under `trustedSigners:` of the node's configuration, or give the file as --signer"
        )
    );
    // What is offered has to fit: another key's line is not shown.
    let forged = signature.replace(line.as_str(), &other.public_line);
    assert_ne!(forged, signature);
    assert_eq!(
        told(&forged),
        format!(
            "it is signed by key {id}, which is not trusted here: if the last line of the signer's own .pub file begins with RW, add that line under `trustedSigners:` of the node's configuration, or give the file as --signer"
        )
    );
}

#[test]
fn where_any_signer_is_believed_changed_bytes_are_not() {
    let Signed { key, signature } = signed();
    let any = TrustedSigners::default().or_any();
    assert_eq!(verify(&any, MANIFEST, &signature), Ok(key.id));
    let changed = verify(&any, b"{}", &signature);
    assert!(matches!(
        changed,
        Err(VerifyError::UnknownSigner { line: None, .. })
    ));
    let without_offer = signature.replace(&key.public_line, "nobody");
    assert!(verify(&any, MANIFEST, &without_offer).is_err());
    let other = NewSigningKey::generate().unwrap();
    let both = TrustedSigners::parse([other.public_line.as_str()]).unwrap();
    assert_eq!(verify(&both.or_any(), MANIFEST, &signature), Ok(key.id));
}

#[test]
fn a_signature_for_another_recovery_point_is_refused() {
    let Signed { key, signature } = signed();
    let signers = TrustedSigners::parse([key.public_line.as_str()]).unwrap();
    let (cluster, _) = names();
    let answer = signers.verify(
        MANIFEST,
        &signature,
        &cluster,
        &RecoveryPointName::new("other"),
    );
    assert_eq!(
        answer.unwrap_err().to_string(),
        format!(
            "the signature by key {} is for \"drydock recovery point lab/n.20260102T030405Z\", not for \"drydock recovery point lab/other\": the files were moved or renamed",
            key.id
        )
    );
    let forged = signature.replace("lab/n.20260102T030405Z", "lab/other");
    let answer = signers.verify(
        MANIFEST,
        &forged,
        &cluster,
        &RecoveryPointName::new("other"),
    );
    assert_eq!(answer, Err(VerifyError::Mismatch { signer: key.id }));
}

#[test]
fn damaged_signature_files_are_refused_without_a_panic() {
    let Signed { key, signature } = signed();
    let signers = TrustedSigners::parse([key.public_line.as_str()]).unwrap();
    let lines: Vec<_> = signature.lines().collect();
    let short_global = format!("{}\n{}\n{}\nAAAA\n", lines[0], lines[1], lines[2]);
    let short_signature = format!("{}\nRUQ=\n{}\n{}\n", lines[0], lines[2], lines[3]);
    let long = format!("{signature}{}", " ".repeat(5000));
    for text in [
        "",
        "a\nb\nc\nd\n",
        &short_global,
        &short_signature,
        &long,
        lines[0],
    ] {
        assert_eq!(
            verify(&signers, MANIFEST, text),
            Err(VerifyError::Damaged),
            "{text}"
        );
    }
}

#[test]
fn a_flipped_character_in_any_line_that_counts_is_refused() {
    let Signed { key, signature } = signed();
    let signers = TrustedSigners::parse([key.public_line.as_str()]).unwrap();
    let start = signature.find('\n').unwrap() + 1;
    for (index, character) in signature.char_indices().skip(start) {
        let other = if character == 'A' { 'B' } else { 'A' };
        let mut text = signature.clone();
        text.replace_range(index..=index, &other.to_string());
        assert!(
            verify(&signers, MANIFEST, &text).is_err(),
            "{index}: {text}"
        );
    }
}

#[test]
fn keys_hide_their_secret_and_refuse_what_they_cannot_use() {
    let key = NewSigningKey::generate().unwrap();
    let secret_line = key.secret.expose().lines().nth(1).unwrap().to_owned();
    let parsed = SigningKey::parse(key.secret.expose()).unwrap();
    assert_eq!(parsed.public_line(), key.public_line);
    for shown in [format!("{key:?}"), format!("{parsed:?}")] {
        assert!(
            shown.contains("hidden") && !shown.contains(&secret_line),
            "{shown}"
        );
    }
    let password = Some("password".to_owned());
    let pair = minisign::KeyPair::generate_encrypted_keypair(password).unwrap();
    let encrypted = pair.sk.to_box(None).unwrap().into_string();
    assert!(matches!(
        SigningKey::parse(&encrypted),
        Err(KeyError::Encrypted)
    ));
    for damaged in ["", "untrusted comment: x\nRWQ\n"] {
        assert!(matches!(
            SigningKey::parse(damaged),
            Err(KeyError::SecretDamaged)
        ));
    }
    assert!(matches!(
        SigningKey::parse(&key.public),
        Err(KeyError::Public)
    ));
    let mut bytes = BASE64_STANDARD.decode(&secret_line).unwrap();
    bytes[158 - 32..].fill(0);
    let file = |bytes: &[u8]| format!("comment\n{}\n", BASE64_STANDARD.encode(bytes));
    let parsed = SigningKey::parse(&file(&bytes)).unwrap();
    assert_eq!(parsed.public_line(), key.public_line);
    // A byte of the seed: without a checksum only a signature shows it.
    bytes[62] ^= 1;
    let damaged = SigningKey::parse(&file(&bytes));
    assert!(matches!(damaged, Err(KeyError::SecretDamaged)));
    let message = TrustedSigners::parse(["nonsense"]).unwrap_err().to_string();
    assert_eq!(
        message,
        "trusted signer number 1 is not a minisign public key: give the line that begins with RW in its .pub file"
    );
}

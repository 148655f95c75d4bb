use super::*;

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn config(provider: &str, secret: &str) -> String {
    format!(
        "kind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - {provider}: {{keys: [{{name: k1, secret: {secret:?}}}]}}\n  - identity: {{}}\n"
    )
}

fn refused(text: &str) -> String {
    Keys::parse(text).err().unwrap().to_string()
}

#[test]
fn a_configuration_that_is_wrong_is_told_without_its_keys() {
    assert_eq!(
        refused(&config("aescbc", "AAEC")),
        "the key k1 of aescbc has 3 bytes, and 16, 24 or 32 are needed"
    );
    assert_eq!(
        refused(&config("secretbox", "AAECAwQFBgcICQoLDA0ODw==")),
        "the key k1 of secretbox has 16 bytes, and 32 are needed"
    );
    assert_eq!(
        refused(&config("aesgcm", "!!")),
        "the key k1 of aesgcm is not in base64"
    );
    assert_eq!(
        refused("kind: Pod\n"),
        "it is a Pod, not an EncryptionConfiguration"
    );
    let broken = format!("{}\n- [{SECRET}: ", config("aesgcm", SECRET));
    let told = refused(&broken);
    assert!(told.starts_with("it is no EncryptionConfiguration: line "));
    assert!(!told.contains("AAEC"));
    let keys = Keys::parse(&config("aesgcm", SECRET)).unwrap();
    assert_eq!(format!("{keys:?}"), r#"[("aesgcm", "k1")]"#);
}

#[test]
fn a_value_that_cannot_be_opened_says_what_is_missing() {
    let keys = Keys::parse(&config("aesgcm", SECRET)).unwrap();
    let told = |value: &[u8]| {
        keys.open(b"/registry/secrets/a/b", value)
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        told(b"k8s:enc:aesgcm:v1:k2:xxx"),
        "it is encrypted with the key k2 of aesgcm, which the EncryptionConfiguration lacks"
    );
    assert_eq!(
        told(b"k8s:enc:aesgcm:v1:k1:short"),
        "the key k1 of aesgcm in the EncryptionConfiguration does not open it: it is another key, or the value was changed or moved"
    );
    assert_eq!(
        told(b"k8s:enc:kms:v2:vault:xx"),
        "it is encrypted by the key service vault (kms v2), which only the cluster's API server can ask"
    );
    assert_eq!(
        told(b"k8s:enc:rot13:v1:k1:xx"),
        "it is encrypted in a way that this version does not know"
    );
    assert_eq!(
        keys.open(b"/x", b"k8s\0abc").unwrap().as_slice(),
        b"k8s\0abc"
    );
}

/// The key in etcd is bound to the value, so a value that was moved is noticed.
#[test]
fn a_sealed_value_opens_only_where_it_was_put() {
    let secret = STANDARD.decode(SECRET).unwrap();
    let cipher = AesGcm::<Aes256, U12>::new_from_slice(&secret).unwrap();
    let payload = Payload {
        msg: b"k8s\0secret",
        aad: b"/registry/secrets/a/b",
    };
    let text = cipher
        .encrypt(Nonce::from_slice(&[7; 12]), payload)
        .unwrap();
    let value = [b"k8s:enc:aesgcm:v1:k1:".to_vec(), vec![7; 12], text].concat();
    let keys = Keys::parse(&config("aesgcm", SECRET)).unwrap();
    let opened = keys.open(b"/registry/secrets/a/b", &value).unwrap();
    assert_eq!(opened.as_slice(), b"k8s\0secret");
    let moved = keys.open(b"/registry/secrets/a/c", &value);
    assert!(matches!(moved, Err(OpenError::WrongKey { .. })));
    for end in SEALED.len()..value.len() {
        let cut = keys.open(b"/registry/secrets/a/b", &value[..end]);
        assert!(cut.is_err(), "cut at {end}");
    }
}

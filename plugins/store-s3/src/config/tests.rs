use drydock_plugin_sdk::DigestAlgorithm;
use drydock_plugin_sdk::config::parse;

use super::*;

fn config(json: &str) -> Config {
    parse("the target's config", json).unwrap()
}

fn told(json: &str) -> String {
    let parsed = parse::<Config>("the target's config", json);
    let checked = parsed.and_then(|config| config.check());
    checked.err().map_or_else(String::new, |error| {
        assert_eq!(error.code, "bad-configuration", "{json}");
        error.message
    })
}

#[test]
fn what_goes_together_is_taken() {
    for json in [
        r#"{"bucket":"backups","region":"eu-central-1"}"#,
        r#"{"bucket":"backups","endpoint":"http://127.0.0.1:9000","prefix":"a/b","checksum":"md5"}"#,
        r#"{"bucket":"backups","region":"eu-central-1","storageClass":"STANDARD_IA","sse":{"type":"kms","key":"arn:aws:kms:eu-central-1:1:key/x"},"objectLock":"compliance","partMebibytes":64,"parallel":16,"checksum":"sha256"}"#,
        r#"{"bucket":"a.b.c","endpoint":"https://s3.example.com","style":"path"}"#,
    ] {
        assert_eq!(told(json), "", "{json}");
    }
}

#[test]
fn what_does_not_go_together_is_told() {
    for (json, why) in [
        (r#"{"region":"a"}"#, "lacks the key `bucket`"),
        (
            r#"{"bucket":"backups"}"#,
            "says neither `endpoint` nor `region`",
        ),
        (
            r#"{"bucket":"Backups","region":"a"}"#,
            "3 to 63 small letters",
        ),
        (
            r#"{"bucket":"b--use1-az4--x-s3","region":"a"}"#,
            "a directory bucket",
        ),
        (
            r#"{"bucket":"backups","region":"a b"}"#,
            "which is no name of one",
        ),
        (
            r#"{"bucket":"backups","endpoint":"https://h/backups"}"#,
            "it takes no path",
        ),
        (
            r#"{"bucket":"backups","endpoint":"http://10.0.0.1","style":"virtual-host"}"#,
            "the endpoint is an address",
        ),
        (
            r#"{"bucket":"a.bc","endpoint":"https://h","style":"virtual-host"}"#,
            "for which no certificate holds",
        ),
        (
            r#"{"bucket":"backups","region":"a","storageClass":"DEEP_ARCHIVE"}"#,
            "nothing can be read back",
        ),
        (
            r#"{"bucket":"backups","region":"a","objectLock":"governance"}"#,
            "may lift",
        ),
        (
            r#"{"bucket":"backups","region":"a","sse":{"type":"aes256","key":"x"}}"#,
            "which takes none",
        ),
        (
            r#"{"bucket":"backups","region":"a","sse":{"type":"kms","kei":"x"}}"#,
            "unknown field `kei`",
        ),
        (
            r#"{"bucket":"backups","region":"a","checksum":"crc32"}"#,
            "unknown variant `crc32`",
        ),
        (
            r#"{"bucket":"backups","region":"a","partMebibytes":4}"#,
            "give a number from 5 to 5120",
        ),
        (
            r#"{"bucket":"backups","region":"a","parallel":0}"#,
            "give a number from 1 to 16",
        ),
        (
            r#"{"bucket":"backups","region":"a","prefix":"/a"}"#,
            "give plain names",
        ),
        (
            r#"{"bucket":"backups","region":"a","storageclass":"X"}"#,
            "did you mean `storageClass`?",
        ),
    ] {
        let message = told(json);
        assert!(message.contains(why), "{json}: {message}");
    }
}

#[test]
fn the_style_is_that_of_the_service() {
    for (json, expected) in [
        (
            r#"{"bucket":"backups","region":"eu-central-1"}"#,
            Style::VirtualHost,
        ),
        (r#"{"bucket":"a.bc","region":"eu-central-1"}"#, Style::Path),
        (
            r#"{"bucket":"backups","endpoint":"https://minio.internal"}"#,
            Style::Path,
        ),
    ] {
        let config = config(json);
        assert_eq!(
            config.style(&config.endpoint().unwrap()),
            expected,
            "{json}"
        );
    }
}

#[test]
fn layout_follows_the_configuration() {
    let free = config(r#"{"bucket":"backups","region":"a"}"#).layout();
    assert_eq!((free.part_min, free.part_max), (5 << 20, 5 << 30));
    assert_eq!(free.part_checksum, Some(DigestAlgorithm::Crc64Nvme));
    assert!(!free.retain);
    let fixed = config(
        r#"{"bucket":"backups","region":"a","partMebibytes":16,"checksum":"md5","objectLock":"compliance"}"#,
    )
    .layout();
    assert_eq!((fixed.part_min, fixed.part_max), (16 << 20, 16 << 20));
    assert_eq!(fixed.part_checksum, Some(DigestAlgorithm::Md5));
    assert!(fixed.retain);
}

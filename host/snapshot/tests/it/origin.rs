//! Sound bbolt files that are not etcd's, and etcd's own that hold no key.

use drydock_snapshot::restore::{Bump, InitialCluster, preview, restore};
use drydock_snapshot::{SnapshotError, SnapshotFile, figures, hash_kv, status, verify};

use crate::build::{Pairs, nested_bucket, of_buckets};
use crate::restore::{THREE, bump, request};
use crate::tools::Server;

const INDEX: (&[u8], &[u8]) = (b"consistent_index", &[0, 0, 0, 0, 0, 0, 0, 9]);

/// Buckets with their pairs, and what is said of a file that has them.
fn foreign() -> Vec<(Vec<u8>, &'static str)> {
    let file = |buckets: &[(&str, Pairs<'_>)]| of_buckets(buckets);
    vec![
        (
            file(&[("v1", &[(b"a", b"b")])]),
            "it has the bucket v1, and lacks the buckets key and meta",
        ),
        (
            file(&[]),
            "it has no bucket at all, and lacks the buckets key and meta",
        ),
        (
            file(&[("key", &[])]),
            "it has the bucket key, and lacks the bucket meta",
        ),
        (
            file(&[("meta", &[INDEX])]),
            "it has the bucket meta, and lacks the bucket key",
        ),
        (
            file(&[("alarm", &[]), ("key", &[]), ("meta", &[])]),
            "it has the buckets alarm, key and meta, and lacks a consistent_index in the bucket meta",
        ),
        // What no etcd writes is no damage of one.
        (
            file(&[("key", &[(b"a", b"b")])]),
            "it has the bucket key, and lacks the bucket meta",
        ),
        (
            file(&[("key", &[(b"a", b"b")]), ("meta", &[(b"c", b"d")])]),
            "it has the buckets key and meta, and lacks a consistent_index in the bucket meta",
        ),
        // In another bucket it counts for nothing, nor with another length.
        (
            file(&[("key", &[]), ("meta", &[]), ("more", &[INDEX])]),
            "it has the buckets key, meta and more, and lacks a consistent_index in the bucket meta",
        ),
        (
            file(&[("key", &[]), ("meta", &[(b"consistent_index", b"9")])]),
            "it has the buckets key and meta, and lacks a consistent_index in the bucket meta",
        ),
    ]
}

#[test]
fn what_is_not_etcds_has_no_figures_and_is_not_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("snapshot.db");
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    for (file, what) in foreign() {
        let expected = format!("this is a bbolt database but not etcd's: {what}");
        let told = [
            verify(&file).map(|_| ()).map_err(|error| error.to_string()),
            status(&file).map(|_| ()).map_err(|error| error.to_string()),
            hash_kv(&file, None)
                .map(|_| ())
                .map_err(|error| error.to_string()),
            preview(&file, &cluster, Bump::None, false)
                .map(|_| ())
                .map_err(|error| error.to_string()),
        ];
        assert_eq!(told, [(); 4].map(|()| Err(expected.clone())));
        std::fs::write(&path, &file).expect("room");
        let source = SnapshotFile::open(&path).expect("it is there");
        for skip_hash_check in [false, true] {
            let mut request = request(&folder.path().join("cluster"));
            request.skip_hash_check = skip_hash_check;
            let refused = restore(&source, &request).expect_err("it is not etcd's");
            assert_eq!(refused.to_string(), expected);
        }
        let left = std::fs::read_dir(folder.path()).expect("it is there");
        assert_eq!(left.count(), 1, "nothing but the file");
    }
}

/// Other programs keep buckets inside buckets, or hundreds of them: sound files, all the same.
#[test]
fn what_is_built_as_etcd_never_builds_is_not_called_damaged() {
    let names: Vec<String> = (0..300).map(|number| format!("b{number:03}")).collect();
    let many: Vec<(&str, Pairs<'_>)> = names.iter().map(|name| (&name[..], &[][..])).collect();
    let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
    for (file, expected) in [
        (
            nested_bucket("v1"),
            "this is a bbolt database but not etcd's: it has the bucket v1, and lacks the buckets key and meta",
        ),
        (
            nested_bucket("key"),
            "this is a bbolt database but not etcd's: it has the bucket key, and lacks the bucket meta",
        ),
        (
            of_buckets(&many),
            "the file has more than 256 top-level buckets, so no etcd wrote it",
        ),
    ] {
        for error in [
            verify(&file).map(|_| ()).unwrap_err(),
            hash_kv(&file, None).map(|_| ()).unwrap_err(),
        ] {
            let SnapshotError::Damaged(problems) = &error else {
                panic!("{error}");
            };
            assert!(problems.not_etcd().is_some(), "{error}");
            assert_eq!(error.to_string(), expected);
        }
        let refused = preview(&file, &cluster, Bump::None, false).map(|_| ());
        let refused = refused.expect_err("it is not etcd's");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

/// A member that has just started is etcd, whatever it holds.
#[test]
fn an_etcd_without_a_key_is_etcd() {
    for version in ["3.5.35", "3.6.16", "3.7.3"] {
        let server = Server::of_version(version);
        let (_, file) = server.snapshot("empty.db");
        let verified = verify(&file).expect("it is etcd's and sound");
        assert_eq!(verified.status.total_key, 0, "{version}");
        figures(&file, Default::default(), &Default::default()).expect("it has figures");
        let cluster = InitialCluster::parse(THREE, "tok").expect("a cluster");
        for bump in [Bump::None, bump(1000)] {
            let restored = preview(&file, &cluster, bump, false).expect("it can be restored");
            status(&restored).expect("and is etcd's then");
        }
    }
}

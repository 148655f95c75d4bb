use super::super::Survey;
use super::super::tests::{KUBEADM, root};
use super::*;

#[test]
fn the_folders_of_every_distribution_are_found_and_nothing_beside_them() {
    for place in FILE_PLACES {
        let inside = |folder: &str| format!("{folder}/x");
        let marked = place.folders.iter().chain([&place.mark]);
        let files: Vec<String> = marked.map(|f| inside(f)).collect();
        let files: Vec<_> = files.iter().map(|file| (file.as_str(), "x")).collect();
        let root = root(&files);
        let found = Survey::of(root.path()).folders.unwrap();
        let wanted = place.folders.iter().map(|f| root.path().join(f));
        let wanted: Vec<_> = wanted.map(|path| path.display().to_string()).collect();
        assert_eq!(found.value, wanted);
        assert!(found.from.contains(place.distribution));
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_proposed() {
    let root = root(&KUBEADM);
    let found = Survey::of(root.path()).folders.unwrap();
    let kubernetes = root.path().join("etc/kubernetes").display().to_string();
    assert_eq!(found.value, [kubernetes]);
}

/// What would be required of the folders that are proposed, without the root.
fn required_of(root: &Path) -> Vec<String> {
    let found = Survey::of(root).folders.unwrap().value;
    let folders: Vec<PathBuf> = found.iter().map(PathBuf::from).collect();
    let required = required(root, "cp-1", &folders).into_iter();
    let bare = |path: PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    required.map(bare).collect()
}

#[test]
fn what_nobody_can_make_again_is_required_of_every_distribution() {
    for (folder, names) in SETS {
        let known = names.iter().map(|name| name.replace("{node}", "cp-1"));
        let mut wanted: Vec<String> = known.map(|name| format!("{folder}/{name}")).collect();
        wanted.sort();
        let beside = format!("{folder}/apiserver.key");
        let files = wanted.iter().map(|name| (name.as_str(), "x"));
        // A mark of RKE2 and k3s is a folder of keys, and one is in the list.
        let root = root(&files.chain([(beside.as_str(), "x")]).collect::<Vec<_>>());
        assert_eq!(required_of(root.path()), wanted, "{folder}");
    }
}

#[test]
fn only_what_an_archive_would_hold_is_required() {
    let manifest = "    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml\n    - --v=2\n";
    let root = root(&[
        ("etc/kubernetes/pki/ca.crt", "x"),
        ("etc/kubernetes/pki/ca.key", ""),
        ("etc/kubernetes/pki/etcd/real.key", "x"),
        ("etc/kubernetes/manifests/kube-apiserver.yaml", manifest),
        ("etc/kubernetes/enc/enc.yaml", "x"),
        ("srv/sa.key", "x"),
    ]);
    let pki = root.path().join("etc/kubernetes/pki");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, pki.join(name));
    link("real.key", "etcd/ca.key").unwrap();
    link("../../../srv/sa.key", "sa.key").unwrap();
    link("gone", "sa.pub").unwrap();
    assert_eq!(
        required_of(root.path()),
        [
            "etc/kubernetes/enc/enc.yaml",
            "etc/kubernetes/pki/ca.crt",
            "etc/kubernetes/pki/etcd/ca.key",
        ]
    );
    assert_eq!(required(root.path(), "cp-1", &[]), Vec::<PathBuf>::new());
}

#[test]
fn data_of_etcd_is_left_out_where_it_lies_among_the_rest() {
    for (server, db) in [
        ("var/lib/rancher/rke2/server", DATA[0]),
        ("var/lib/rancher/k3s/server", DATA[1]),
    ] {
        let root = root(&[
            (&format!("{server}/tls/x"), "x"),
            (&format!("{db}/etcd/member"), "x"),
        ]);
        let folder = |name: &str| vec![root.path().join(name)];
        assert_eq!(to_exclude(root.path(), &folder(server)), folder(db));
        let tls = folder(&format!("{server}/tls"));
        assert_eq!(to_exclude(root.path(), &tls), Vec::<PathBuf>::new());
    }
}

/// A path that nobody can look at, not even root.
fn spoil(path: &Path) {
    let _absent = std::fs::remove_file(path);
    std::os::unix::fs::symlink(path, path).unwrap();
}

#[test]
fn what_cannot_be_looked_at_is_told_and_not_taken_for_absent() {
    let root = root(&[
        ("etc/kubernetes/pki/ca.crt", "x"),
        ("etc/kubernetes/pki/ca.key", "x"),
        ("etc/kubernetes/manifests/kube-apiserver.yaml", "x"),
    ]);
    let folder = root.path().join("etc/kubernetes");
    let folders = [folder.clone()];
    let doubtful = |folders: &[PathBuf]| doubtful(root.path(), "cp-1", folders);
    assert_eq!(doubtful(&folders), Vec::<String>::new());
    let (key, manifest) = (
        folder.join("pki/ca.key"),
        folder.join("manifests/kube-apiserver.yaml"),
    );
    spoil(&key);
    spoil(&manifest);
    let told = doubtful(&folders);
    let begin = |path: &Path, verb: &str| format!("{} cannot be {verb} (", path.display());
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with(&begin(&manifest, "read")), "{told:?}");
    assert!(told[1].starts_with(&begin(&key, "looked at")), "{told:?}");
    assert!(told.iter().all(|told| !told.contains("os error")));
    // What is there is required all the same, and what is not backed up is nobody's worry.
    assert_eq!(
        required(root.path(), "cp-1", &folders),
        [folder.join("pki/ca.crt")]
    );
    assert_eq!(doubtful(&[]), Vec::<String>::new());
}

#[test]
fn data_that_cannot_be_looked_at_is_left_out_as_well() {
    let root = root(&[("var/lib/rancher/k3s/server/tls/x", "x")]);
    let db = root.path().join(DATA[1]);
    spoil(&db);
    let server = root.path().join("var/lib/rancher/k3s/server");
    assert_eq!(to_exclude(root.path(), &[server]), [db]);
}

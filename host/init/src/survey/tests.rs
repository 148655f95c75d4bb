use std::fs;

use super::*;

/// A made-up root with these files.
pub fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

pub const KUBEADM: [(&str, &str); 3] = [
    ("etc/kubernetes/pki/etcd/ca.crt", "x"),
    ("etc/kubernetes/pki/etcd/healthcheck-client.crt", "x"),
    ("etc/kubernetes/pki/etcd/healthcheck-client.key", "x"),
];

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(Survey::of(root(&[]).path()), Survey::default());
}

#[test]
fn a_kubeadm_node_tells_certificates_and_the_advertised_address() {
    let manifest = "spec:\n  containers:\n  - command:\n    - etcd\n    - --advertise-client-urls=https://10.0.0.11:2379\n    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.11:2379\n";
    let mut files = KUBEADM.to_vec();
    files.push(("etc/kubernetes/manifests/etcd.yaml", manifest));
    files.push(("etc/hostname", "CP-1.example.org\n"));
    let root = root(&files);
    let survey = Survey::of(root.path());
    let credentials = survey.credentials.unwrap();
    assert!(credentials.value.key.ends_with(KUBEADM[2].0));
    assert_eq!(credentials.from, "where kubeadm keeps it");
    let endpoints = survey.endpoints.unwrap();
    assert_eq!(endpoints.value, ["https://10.0.0.11:2379"]);
    assert!(
        endpoints.from.starts_with("advertise-client-urls in ")
            && endpoints.from.ends_with("manifests/etcd.yaml")
    );
    assert_eq!(survey.node.unwrap().value, "cp-1");
}

#[test]
fn without_a_manifest_etcd_is_where_it_usually_is() {
    let root = root(&KUBEADM);
    let endpoints = Survey::of(root.path()).endpoints.unwrap();
    assert_eq!(endpoints.value, [LOOPBACK]);
    assert!(endpoints.from.contains("usual port"));
}

#[test]
fn half_a_pair_is_nothing() {
    assert_eq!(Survey::of(root(&KUBEADM[..2]).path()).credentials, None);
}

#[test]
fn every_place_is_found_when_it_is_the_only_one() {
    for place in PLACES {
        let named = |template: &str| template.replace("{node}", "m0");
        let (ca, certificate, key) = (named(place.ca), named(place.certificate), named(place.key));
        let files = [
            (ca.as_str(), "x"),
            (&certificate, "x"),
            (&key, "x"),
            ("etc/hostname", "m0"),
        ];
        let root = root(&files);
        let found = Survey::of(root.path()).credentials.unwrap();
        assert_eq!(found.value.ca, root.path().join(&ca));
        assert!(found.from.contains(place.distribution));
    }
}

#[test]
fn addresses_are_read_in_every_form_that_distributions_write() {
    let forms = [
        (
            "    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379\n",
            "https://127.0.0.1:2379",
        ),
        (
            "advertise-client-urls: https://10.0.0.2:2379\nlisten-client-urls: https://127.0.0.1:2379\n",
            "https://10.0.0.2:2379",
        ),
        (
            "    \"--advertise-client-urls=https://10.0.0.3:2379\",\n",
            "https://10.0.0.3:2379",
        ),
        (
            "  etcd.advertise-client-urls: 'https://[fd00::1]:2379'\n",
            "https://[fd00::1]:2379",
        ),
        (
            "listen-client-urls: https://0.0.0.0:2379,https://10.0.0.4:2379\n",
            "https://10.0.0.4:2379",
        ),
    ];
    for (text, wanted) in forms {
        let (_, found) = member_addresses(text).unwrap();
        assert_eq!(found, [wanted], "{text}");
    }
    for nothing in [
        "",
        "--listen-client-urls",
        "listen-client-urls: https://0.0.0.0:2379\n",
        "advertise-client-urls=$(URL)",
    ] {
        assert_eq!(member_addresses(nothing), None, "{nothing}");
    }
}

#[test]
fn a_host_name_becomes_a_name_that_documents_take() {
    for (host, wanted) in [
        ("node-1", Some("node-1")),
        ("Node_1.example.org", Some("node1")),
        ("-a-", Some("a")),
        ("_", None),
    ] {
        let found = Found {
            value: host.to_owned(),
            from: String::new(),
        };
        assert_eq!(
            as_name(found).map(|found| found.value).as_deref(),
            wanted,
            "{host}"
        );
    }
}

#[test]
fn what_cannot_be_looked_at_is_told_and_not_taken_for_absent() {
    let spoilt = |name: &str| {
        let mut files = KUBEADM.to_vec();
        files.push(("etc/hostname", "m0"));
        let root = root(&files);
        let path = root.path().join(name);
        let _absent = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Not even root looks behind a link to itself.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        (Survey::of(root.path()), path)
    };
    let rows = [
        ("etc/hostname", Topic::Node, "--node"),
        (KUBEADM[2].0, Topic::Credentials, "--ca, --cert and --key"),
        (MANIFESTS[0], Topic::Endpoints, "--endpoint"),
        ("system", Topic::Folders, "--files, or --no-files"),
    ];
    for (name, topic, flags) in rows {
        let (survey, path) = spoilt(name);
        let unread = survey.unread.iter().find(|unread| unread.topic == topic);
        let told = unread.unwrap().sentence();
        assert!(told.starts_with(&path.display().to_string()), "{told}");
        assert!(told.ends_with(&format!("or give {flags}")), "{told}");
        assert!(!told.contains("os error"), "{told}");
    }
    // What is elsewhere is found all the same.
    let (survey, _) = spoilt("etc/hostname");
    assert!(survey.credentials.is_some());
    assert_eq!(Survey::of(root(&KUBEADM).path()).unread, []);
}

//! A made-up node of kubeadm in a scratch folder, with the certificates of a real cluster.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use drydock_testkit::Scratch;
use drydock_testkit::etcd::Cluster;

use crate::world::{Answer, DRYDOCK, files_under};

pub struct Node {
    pub scratch: Scratch,
}

impl Node {
    /// A node with a host name and nothing of Kubernetes.
    pub fn bare() -> Self {
        let node = Self {
            scratch: Scratch::new().unwrap(),
        };
        node.put("root/etc/hostname", "Node-1.example.org\n");
        node
    }

    /// A control plane node of kubeadm whose etcd is the first member of `cluster`.
    pub fn kubeadm(cluster: &Cluster) -> Self {
        let node = Self::bare();
        let certificate = cluster.client_certificate().unwrap();
        let pki = node.path("root/etc/kubernetes/pki/etcd");
        std::fs::create_dir_all(&pki).unwrap();
        for (from, name) in [
            (cluster.ca().unwrap(), "ca.crt"),
            (&certificate.certificate, "healthcheck-client.crt"),
            (&certificate.key, "healthcheck-client.key"),
        ] {
            std::fs::copy(from, pki.join(name)).unwrap();
        }
        let manifest = format!(
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - etcd\n    - --advertise-client-urls={}\n    - --listen-client-urls=https://127.0.0.1:2379\n",
            cluster.endpoints()[0]
        );
        node.put("root/etc/kubernetes/manifests/etcd.yaml", &manifest);
        node
    }

    pub fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `drydock init` on this node, its places in the scratch folder.
    pub fn init(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(DRYDOCK);
        command
            .arg("init")
            .args(["--root", &self.text("root")])
            .args(["--dir", &self.text("etc/drydock")])
            .args(["--state", &self.text("state")])
            .args(flags)
            .stdin(Stdio::null());
        command
    }

    /// The same with a target, a cluster's name and a sealing key, and no questions.
    pub fn init_with_key(&self, flags: &[&str]) -> Command {
        let mut command = self.init(flags);
        command.args([
            "--yes",
            "--cluster",
            "production",
            "--target-folder",
            &self.text("target"),
            "--sealing-key-out",
            &self.text("sealing.key"),
        ]);
        command
    }

    /// Another verb with what init wrote.
    pub fn drydock(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(DRYDOCK);
        command
            .args(["--config", &self.text("etc/drydock/drydock.yaml")])
            .args(arguments)
            .stdin(Stdio::null());
        answer(&mut command)
    }

    /// Files and folders that init made are nobody else's.
    pub fn assert_private(&self) {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for folder in [
            "etc/drydock",
            "etc/drydock/schedules",
            "etc/drydock/grants",
            "state",
            "target",
        ] {
            assert_eq!(mode(&self.path(folder)), 0o700, "{folder}");
        }
        let files = files_under(&self.path("etc/drydock"));
        for file in files.iter().chain([&self.path("sealing.key")]) {
            assert_eq!(mode(file), 0o600, "{}", file.display());
        }
    }

    /// Nothing was made, not even a hidden folder.
    pub fn assert_untouched(&self) {
        for name in ["etc", "state", "target", "sealing.key"] {
            assert!(!self.path(name).exists(), "{name} is there");
        }
    }

    /// No secret of this node stands in a text.
    pub fn assert_no_secret(&self, text: &str) {
        let lines = |name: &str| {
            let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let secret = |line: &String| line.len() > 40 && !line.starts_with('#');
        let signing = lines("etc/drydock/signing.key").into_iter().skip(1);
        let all = signing
            .chain(lines("sealing.key"))
            .chain(lines("root/etc/kubernetes/pki/etcd/healthcheck-client.key"));
        let mut searched = 0;
        for line in all.filter(secret) {
            assert!(!text.contains(&line), "a secret is shown in:\n{text}");
            searched += 1;
        }
        assert!(searched > 0 && !text.contains("AGE-SECRET-KEY"), "{text}");
    }
}

pub fn answer(command: &mut Command) -> Answer {
    Answer::of(command.output().unwrap())
}

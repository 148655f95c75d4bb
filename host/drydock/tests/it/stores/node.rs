//! A node whose one target is a bucket at versitygw, or a container at Azurite.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::fault_proxy::{FaultProxy, Order};
use drydock_testkit::versitygw::{BUCKET, REGION, ROOT, Versitygw};
use serde_json::Value;

use crate::world::{World, files_under, runtime};

/// How long a request is waited for: a run reads its cluster first.
const FAULT_MAX: Duration = Duration::from_secs(120);

/// Where clusters lie in the bucket.
const PREFIX: &str = "clusters";

/// The node, the proxy, and the server behind it.
pub struct Node {
    pub world: World,
    pub proxy: FaultProxy,
    server: Server,
}

enum Server {
    S3(Versitygw),
    Azure(#[expect(dead_code, reason = "it is held, and runs meanwhile")] Azurite),
}

impl Node {
    pub fn s3() -> Self {
        let server = runtime().block_on(Versitygw::https()).unwrap();
        let before = FaultProxy::before(server.port(), server.ca_pem());
        let proxy = runtime().block_on(before).unwrap();
        let world = World::new();
        let put = |name: &str, text: &str| std::fs::write(world.scratch.join(name), text).unwrap();
        put("id", ROOT.id);
        put("secret", ROOT.secret);
        let url = proxy.url("");
        let target = format!(
            "  plugin: store-s3\n  config: {{endpoint: \"{url}\", bucket: {BUCKET}, prefix: {PREFIX}}}\n  endpoints: [\"{url}\"]\n  identity:\n    accessKey:\n      id: {{valueFrom: {{file: {}}}}}\n      secret: {{valueFrom: {{file: {}}}}}\n      region: {REGION}\n",
            world.path("id"),
            world.path("secret"),
        );
        Self::new(world, proxy, Server::S3(server), "store-s3", &target)
    }

    pub fn azure() -> Self {
        let server = runtime().block_on(Azurite::start()).unwrap();
        let before = FaultProxy::before(server.port(), Some(server.ca_pem()));
        let proxy = runtime().block_on(before).unwrap();
        let world = World::new();
        std::fs::write(world.scratch.join("key"), ACCOUNT_KEY).unwrap();
        let url = proxy.url("");
        let target = format!(
            "  plugin: store-azure-blob\n  config: {{endpoint: \"{url}/{ACCOUNT}\", container: backups, prefix: {PREFIX}}}\n  endpoints: [\"{url}\"]\n  identity: {{accountKey: {{account: {ACCOUNT}, key: {{valueFrom: {{file: {}}}}}}}}}\n",
            world.path("key"),
        );
        let server = Server::Azure(server);
        Self::new(world, proxy, server, "store-azure-blob", &target)
    }

    fn new(
        mut world: World,
        proxy: FaultProxy,
        server: Server,
        plugin: &str,
        target: &str,
    ) -> Self {
        let authority = world.scratch.join("service.crt");
        std::fs::write(&authority, proxy.ca_pem().unwrap()).unwrap();
        world.extra_node = format!("  http: {{caFile: {}}}\n", authority.display());
        world.extra_grants = format!(
            "---\napiVersion: drydock.dev/v1\nkind: PluginGrant\nmetadata: {{name: {plugin}}}\nspec:\n  builtin: {plugin}\n  grants:\n    http: [{{target: local, addresses: [loopback]}}]\n"
        );
        world.write();
        let document = world.scratch.join("schedules/target.yaml");
        let written = std::fs::read_to_string(&document).unwrap();
        // What is said of the folder goes; who may open it stays.
        let kept = written
            .lines()
            .filter(|line| !line.starts_with("  plugin:") && !line.starts_with("  config:"));
        let mut text: String = kept.map(|line| format!("{line}\n")).collect();
        text.push_str(target);
        std::fs::write(document, text).unwrap();
        Self {
            world,
            proxy,
            server,
        }
    }

    /// Starts a run, and ends it by SIGKILL when the request is there that the order holds.
    pub fn kill_at(&self, order: Order) {
        let before = self.proxy.happened();
        self.proxy.order(order);
        let mut run = self.world.command(&["run", "s1"]);
        run.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = run.spawn().unwrap();
        let held = self.proxy.wait_for(before + 1, FAULT_MAX);
        let held = runtime().block_on(held);
        child.kill().unwrap();
        child.wait().unwrap();
        self.proxy.cut();
        held.unwrap();
    }

    /// One recovery point that can be read whole, and nothing that only a broken run has.
    pub fn assert_one_recovery_point(&self) {
        let listed = ["recovery-point", "list", "--output", "json"];
        let listed = self.world.drydock(&listed).ok();
        let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        let point = listed[0]["recoveryPoint"].as_str().unwrap();
        let identity = self.world.path("sealing.key");
        let verify = ["recovery-point", "verify", point, "--identity", &identity];
        self.world.drydock(&verify).ok();
        self.world.assert_spool_empty();
        self.assert_nothing_is_open();
    }

    fn assert_nothing_is_open(&self) {
        let Server::S3(server) = &self.server else {
            // Blocks of an upload that broke off are listed by nobody.
            return;
        };
        let path = format!("/{BUCKET}?uploads=");
        let asked = server.request(ROOT, "GET", &path, b"");
        let open = runtime().block_on(asked).unwrap().text();
        assert!(open.contains("ListMultipartUploadsResult"), "{open}");
        assert!(!open.contains("<Upload>"), "{open}");
        let stored = files_under(&server.folder(BUCKET).join(PREFIX));
        let named = |name: &str| {
            let is = |file: &&std::path::PathBuf| file.ends_with(name);
            stored.iter().filter(is).count()
        };
        assert_eq!(named("manifest.json"), 1, "{stored:?}");
    }

    /// No key, no signature and no token stands in anything that the node wrote.
    pub fn assert_no_secret_is_told(&self, said: &str) {
        for secret in [ROOT.secret, ACCOUNT_KEY, "Signature=", "SharedKey ", "sig="] {
            assert!(!said.contains(secret), "{said}");
            for file in files_under(&self.world.scratch.join("state")) {
                let is_told = told_in(&file, secret);
                assert!(!is_told, "{secret} stands in {}", file.display());
            }
        }
    }
}

fn told_in(file: &Path, secret: &str) -> bool {
    // Compiled plugins hold the words of headers, and no secret of this node.
    if file.components().any(|part| part.as_os_str() == "cache") {
        return false;
    }
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes())
}

//! The classic: schedules/azure-six-hourly.yaml and its twin, told by the classic's variables, as
//! an operator puts them into force on a node that `drydock init` prepared. Azurite stands for
//! the service, so that endpoint and authority differ; nothing else does.

use std::path::Path;

use drydock_testkit::azurite::{ACCOUNT, ACCOUNT_KEY, Azurite};
use drydock_testkit::fake::FakeServer;
use drydock_testkit::fake::entra::{CLIENT, Entra, SECRET, TENANT, rsa_certificate_pem};
use drydock_testkit::pki::{Authority, Purpose, Validity};

use crate::init::node::{Node, answer};
use crate::init::readme::{lay_out, on};
use crate::world::{Answer, checkout, files_under, runtime, shared_cluster};

const CONTAINER: &str = "etcd-snapshots";

/// A node with the classic's variables, and what it trusts.
struct Classic {
    node: Node,
    azurite: Azurite,
    /// `NAME='VALUE'`, a line each.
    variables: String,
}

impl Classic {
    fn new(azurite: Azurite, more_trusted: &str) -> Self {
        let cluster = shared_cluster();
        let node = Node::kubeadm(&cluster);
        lay_out(&node);
        // The node's own /etc hides this machine's.
        node.put("root/etc/hosts", "127.0.0.1 localhost\n");
        let trusted = format!("{}{more_trusted}", azurite.ca_pem());
        node.put("root/etc/cloud-ca.pem", &trusted);
        let variables = [
            ("SNAPSHOT_ETCD_ENDPOINTS", cluster.endpoints().join(",")),
            ("SNAPSHOT_AZURE_PRINCIPAL_APPID", CLIENT.to_owned()),
            ("SNAPSHOT_AZURE_PRINCIPAL_PASSWORD", SECRET.to_owned()),
            ("SNAPSHOT_AZURE_PRINCIPAL_TENANT", TENANT.to_owned()),
            ("SNAPSHOT_AZURE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("SNAPSHOT_AZURE_ACCOUNT_KEY", ACCOUNT_KEY.to_owned()),
            ("SNAPSHOT_AZURE_CONTAINER_NAME", CONTAINER.to_owned()),
        ];
        let lines = variables.map(|(name, value)| format!("{name}='{value}'\n"));
        Self {
            node,
            azurite,
            variables: lines.concat(),
        }
    }

    /// A line of a shell on the node that has the variables.
    fn told(&self, line: &str) -> Answer {
        let line = format!("set -a\n{}set +a\n{line}", self.variables);
        answer(&mut on(&self.node, &line))
    }

    fn url(&self) -> String {
        self.azurite.url(&format!("/{ACCOUNT}"))
    }

    /// `drydock init`, which takes from the variables all that no flag says.
    fn prepare(&self, flags: &str) {
        let line = format!(
            "drydock init --yes --no-files --cluster production --endpoint \"$SNAPSHOT_ETCD_ENDPOINTS\" --target azure --container \"$SNAPSHOT_AZURE_CONTAINER_NAME\" --create --target-endpoint {} --target-ca /etc/cloud-ca.pem --sealing-key-out /root/sealing.key {flags}",
            self.url()
        );
        self.told(&line).ok();
    }

    /// Puts the shipped file in the place of what init wrote, with this service's address.
    fn put_into_force(&self, shipped: &str, authority: Option<&str>) {
        let text = std::fs::read_to_string(checkout().join("schedules").join(shipped)).unwrap();
        let account = "account: {valueFrom: {env: SNAPSHOT_AZURE_ACCOUNT_NAME}}\n    container";
        let server = "{name: {valueFrom: {env: SNAPSHOT_AZURE_ACCOUNT_NAME}}, domain: blob.core.windows.net}";
        for differs in [account, server] {
            assert_eq!(text.matches(differs).count(), 1, "{differs}");
        }
        let text = text
            .replace(account, &format!("endpoint: {}\n    container", self.url()))
            .replace(server, &self.azurite.url(""));
        let text = match authority {
            Some(url) => text.replace(
                "    servicePrincipal:\n",
                &format!("    servicePrincipal:\n      authority: {url}\n"),
            ),
            None => text,
        };
        self.node.put(&format!("work/{shipped}"), &text);
        let line =
            format!("rm /etc/drydock/schedules/*.yaml && cp {shipped} /etc/drydock/schedules");
        self.told(&line).ok();
    }

    fn backs_up(&self) {
        self.told("drydock schedule check").ok();
        self.told("drydock target check azure").ok();
        let ran = self.told("drydock run azure-six-hourly --output json").ok();
        let runs: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let name = runs[0]["recoveryPoint"].as_str().unwrap();
        let listed = self.told("drydock recovery-point list").ok();
        assert!(listed.stdout.contains(name), "{}", listed.stdout);
        self.told(&format!(
            "drydock recovery-point verify {name} --identity /root/sealing.key"
        ))
        .ok();
        self.assert_no_secret(&format!("{}{}", ran.stdout, ran.stderr));
    }

    /// Neither secret stands in what was told, nor in any file of the node.
    fn assert_no_secret(&self, told: &str) {
        let secrets = [SECRET, ACCOUNT_KEY];
        let holds = |bytes: &[u8], secret: &str| {
            let mut windows = bytes.windows(secret.len());
            windows.any(|window| window == secret.as_bytes())
        };
        for secret in secrets {
            assert!(!told.contains(secret), "{told}");
        }
        let folders = ["root/etc/drydock", "root/var/lib/drydock"];
        let files = folders.map(|folder| files_under(&self.node.path(folder)));
        let mut looked_at = 0;
        for file in files.into_iter().flatten() {
            let bytes = std::fs::read(&file).unwrap();
            for secret in secrets {
                assert!(!holds(&bytes, secret), "{}", file.display());
            }
            looked_at += 1;
        }
        assert!(looked_at > 10, "{looked_at}");
    }
}

#[test]
fn the_classic_backs_up_with_the_key_of_the_account() {
    let azurite = runtime().block_on(Azurite::start()).unwrap();
    let classic = Classic::new(azurite, "");
    classic.prepare("--target-identity accountKey");
    let unit = classic
        .node
        .path("root/etc/drydock/drydock.service.d/node.conf");
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(
        unit.contains("\nEnvironmentFile=-/etc/drydock/environment\n"),
        "{unit}"
    );
    classic.put_into_force("azure-six-hourly-key.yaml", None);
    classic.backs_up();

    // Without its variables a node says which one it lacks, and where that is named.
    let blank = answer(&mut on(&classic.node, "drydock run azure-six-hourly")).code(64);
    let place = "/etc/drydock/schedules/azure-six-hourly-key.yaml:";
    let sentence = "names the environment variable SNAPSHOT_AZURE_CONTAINER_NAME, which is not set";
    assert!(
        blank.stderr.contains(place) && blank.stderr.contains(sentence),
        "{}",
        blank.stderr
    );
}

#[test]
fn the_classic_backs_up_under_a_service_principal() {
    let authority = Authority::new("entra test authority").unwrap();
    let issued = authority
        .issue("entra", Purpose::Server, Validity::Now)
        .unwrap();
    let certificate = rsa_certificate_pem("principal").unwrap();
    let (azurite, entra) = runtime().block_on(async {
        let entra = Entra::new(&certificate, &[]).unwrap();
        let entra = FakeServer::start(entra, Some(&issued)).await.unwrap();
        (Azurite::with_oauth().await.unwrap(), entra)
    });
    let classic = Classic::new(azurite, &authority.pem());
    // All of the principal's variables are there, so that it is who the node is.
    classic.prepare(&format!("--authority {}", entra.url("")));
    let target = classic.node.path("root/etc/drydock/schedules/target.yaml");
    let target = std::fs::read_to_string(target).unwrap();
    assert!(target.contains("    servicePrincipal:\n"), "{target}");
    assert!(!entra.asked().is_empty(), "init tried the target");
    classic.put_into_force("azure-six-hourly.yaml", Some(&entra.url("")));
    classic.backs_up();
}

#[test]
fn the_classic_names_all_of_its_variables() {
    for (file, secret) in [
        ("azure-six-hourly.yaml", "SNAPSHOT_AZURE_PRINCIPAL_PASSWORD"),
        ("azure-six-hourly-key.yaml", "SNAPSHOT_AZURE_ACCOUNT_KEY"),
    ] {
        let path = Path::new("schedules").join(file);
        let text = std::fs::read_to_string(checkout().join(path)).unwrap();
        for name in [
            "SNAPSHOT_ETCD_ENDPOINTS",
            "SNAPSHOT_AZURE_ACCOUNT_NAME",
            "SNAPSHOT_AZURE_CONTAINER_NAME",
            secret,
        ] {
            let place = format!("{{valueFrom: {{env: {name}}}}}");
            assert!(text.contains(&format!("#   {name} ")), "{file}: {name}");
            assert!(text.contains(&place), "{file}: {name}");
        }
    }
}

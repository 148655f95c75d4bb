//! Real etcd programs, and one running server.
//!
//! The server is spoken to through its JSON gateway, so that thousands of
//! requests take seconds and the tests need no gRPC.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drydock_snapshot::{HashKv, SnapshotFile};
use drydock_testkit::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The version of whatever is not asked for by its version.
const VERSION: &str = "3.6.16";

/// The folder of etcd, etcdctl and etcdutl 3.6.16.
pub fn etcd() -> PathBuf {
    etcd_of(VERSION)
}

fn etcd_of(version: &str) -> PathBuf {
    drydock_testkit::tools::etcd(version).expect("etcd is built; `cargo xtask tools` does it")
}

/// Runs `etcdutl snapshot status` on a file with these bytes.
pub fn etcdutl_status(bytes: &[u8]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("snapshot.db");
    std::fs::write(&file, bytes).expect("space for a small file");
    run(Command::new(etcd().join("etcdutl"))
        .args(["snapshot", "status", "-w", "json"])
        .arg(&file))
}

/// Runs `etcdutl hashkv`, which opens the file for writing, so nothing may need
/// it afterwards. Version 3.6 fails on files with leases.
pub fn etcdutl_hash_kv(path: &Path) -> HashKv {
    let hashed = run(Command::new(etcd().join("etcdutl"))
        .args(["hashkv", "-w", "json"])
        .arg(path));
    assert!(hashed.status.success(), "{hashed:?}");
    serde_json::from_slice(&hashed.stdout).expect("etcdutl's JSON")
}

/// The name of the one member.
const NAME: &str = "m";

/// A server of one member that dies with this value.
pub struct Server {
    folder: TempDir,
    process: Child,
    endpoint: String,
    connection: BufReader<TcpStream>,
}

impl Server {
    pub fn start() -> Self {
        Self::restored(|_, _, _| {})
    }

    /// Starts a server on what `restore` puts into its data folder, for a member of that
    /// name and peer URL.
    pub fn restored(restore: impl FnOnce(&Path, &str, &str)) -> Self {
        Self::of(VERSION, restore)
    }

    /// A server of that version on an empty folder.
    pub fn of_version(version: &str) -> Self {
        Self::of(version, |_, _, _| {})
    }

    fn of(version: &str, restore: impl FnOnce(&Path, &str, &str)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (client, peer) = (free_address(), free_address());
        restore(&folder.path().join("data"), NAME, &format!("http://{peer}"));
        let program = etcd_of(version).join("etcd");
        let mut process = spawn(&program, folder.path(), &client, &peer);
        wait_until_ready(&mut process);
        let connection = TcpStream::connect(&client).expect("a ready server takes connections");
        let connection = BufReader::new(connection);
        Self {
            folder,
            process,
            endpoint: client,
            connection,
        }
    }

    pub fn put(&mut self, key: &str, value: &str, lease: Option<&str>) -> i64 {
        let mut request = json!({"key": encode(key), "value": encode(value)});
        if let Some(lease) = lease {
            request["lease"] = json!(lease);
        }
        revision(&self.call("kv/put", &request))
    }

    pub fn delete_prefix(&mut self, prefix: &str) -> i64 {
        revision(&self.call("kv/deleterange", &delete_request(prefix)))
    }

    /// Puts all keys and deletes one prefix in one transaction.
    pub fn transact(&mut self, puts: &[(String, String)], prefix: &str) -> i64 {
        let put = |(key, value): &(String, String)| json!({"request_put": {"key": encode(key), "value": encode(value)}});
        let mut operations: Vec<Value> = puts.iter().map(put).collect();
        operations.push(json!({"request_delete_range": delete_request(prefix)}));
        revision(&self.call("kv/txn", &json!({"success": operations})))
    }

    pub fn lease(&mut self) -> String {
        let granted = self.call("lease/grant", &json!({"TTL": 86_400}));
        granted["ID"]
            .as_str()
            .expect("a lease has an id")
            .to_owned()
    }

    pub fn compact(&mut self, revision: i64) {
        self.call(
            "kv/compaction",
            &json!({"revision": revision, "physical": true}),
        );
    }

    pub fn hash_kv(&mut self, revision: i64) -> HashKv {
        let answer = self.call("maintenance/hashkv", &json!({"revision": revision}));
        HashKv {
            hash: u32::try_from(answer["hash"].as_u64().expect("a hash")).expect("32 bits"),
            hash_revision: number(&answer["hash_revision"]),
            compact_revision: number(&answer["compact_revision"]),
        }
    }

    pub fn snapshot(&self, name: &str) -> (PathBuf, SnapshotFile) {
        let path = self.folder.path().join(name);
        let saved = run(Command::new(etcd().join("etcdctl"))
            .args(["--endpoints", &self.endpoint, "snapshot", "save"])
            .arg(&path));
        assert!(saved.status.success(), "{saved:?}");
        let file = SnapshotFile::open(&path).expect("it was just saved");
        (path, file)
    }

    /// Restores a snapshot as a cluster that must not reuse revisions, and
    /// gives the path of its database.
    pub fn restore_bumped(&self, snapshot: &Path, by: i64) -> PathBuf {
        let data = self.folder.path().join("restored");
        let restored = run(Command::new(etcd().join("etcdutl"))
            .args(["snapshot", "restore", "--mark-compacted"])
            .args(["--bump-revision", &by.to_string(), "--data-dir"])
            .args([&data, snapshot]));
        assert!(restored.status.success(), "{restored:?}");
        data.join("member/snap/db")
    }

    /// Raises the alarm that makes a cluster read-only.
    pub fn raise_alarm(&mut self) {
        let alarm = json!({"action": "ACTIVATE", "alarm": "NOSPACE"});
        self.call("maintenance/alarm", &alarm);
    }

    /// What is wrong with a put, if something is.
    pub fn refusal_of_a_put(&mut self) -> Option<String> {
        let answer = self.answer("kv/put", &json!({"key": encode("k"), "value": encode("v")}));
        let message = answer.get("message")?;
        Some(message.as_str().expect("a sentence").to_owned())
    }

    fn call(&mut self, method: &str, request: &Value) -> Value {
        let answer = self.answer(method, request);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer
    }

    fn answer(&mut self, method: &str, request: &Value) -> Value {
        let body = request.to_string();
        let head = format!(
            "POST /v3/{method} HTTP/1.1\r\nHost: etcd\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = self.connection.get_mut();
        stream
            .write_all((head + &body).as_bytes())
            .expect("the server listens");
        let answer = self.read_body();
        serde_json::from_slice(&answer).expect("JSON")
    }

    fn read_body(&mut self) -> Vec<u8> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection
                .read_line(&mut line)
                .expect("the server answers");
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.connection
            .read_exact(&mut body)
            .expect("the server answers whole");
        body
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Failing here would hide the failure of the test itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(program: &Path, folder: &Path, client: &str, peer: &str) -> Child {
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    Command::new(program)
        .args(["--name", NAME, "--unsafe-no-fsync", "--data-dir"])
        .arg(folder.join("data"))
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args(["--initial-cluster", &format!("{NAME}={peer}")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("etcd is built; `cargo xtask tools` does it")
}

/// Reads the log until the server serves, and then on in the background, so
/// that the server never waits for a full pipe.
fn wait_until_ready(process: &mut Child) {
    let log = process.stderr.take().expect("it was asked for");
    let mut log = BufReader::new(log);
    let mut line = String::new();
    while !line.contains("ready to serve client requests") {
        line.clear();
        let bytes = log.read_line(&mut line).expect("the log is text");
        assert_ne!(bytes, 0, "etcd ended before it served");
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .expect("the tool runs; `cargo xtask tools` builds it")
}

fn delete_request(prefix: &str) -> Value {
    let end = format!("{prefix}\u{7f}");
    json!({"key": encode(prefix), "range_end": encode(&end)})
}

fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

fn revision(answer: &Value) -> i64 {
    number(&answer["header"]["revision"])
}

/// The gateway writes 64-bit numbers as strings and leaves out zeros.
fn number(value: &Value) -> i64 {
    value
        .as_str()
        .map_or(0, |text| text.parse().expect("a number"))
}

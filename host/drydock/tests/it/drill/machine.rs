//! What is wrong with the machine fails the drill and says nothing of the recovery point.

use std::process::Stdio;

use drydock_testkit::mounts::Mounts;

use super::kit::{Node, drills, etcd_program, folders, processes_in, real, sha256};
use crate::faulty::KILL;
use crate::world::{Answer, runtime};

/// The drill cannot be carried out: one sentence, no report, no mark.
fn cannot(node: &Node, code: i32, sentence: &str) {
    let answer = node.drill(&[]).code(code);
    assert!(answer.stderr.contains(sentence), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
    assert_eq!(node.marks(), Vec::<String>::new());
    assert!(!node.world.scratch.join("state/reports").exists());
}

#[test]
fn without_an_identity_it_is_a_matter_of_usage() {
    let node = Node::with(&real(false));
    cannot(
        &node,
        64,
        "error: a drill opens the recovery point and needs the key that does: give --identity FILE, or name it as spec.drill.identity of this node's configuration\n",
    );
    let identity = node.world.path("sealing.key");
    node.drill(&["--identity", &identity]).code(0);
}

#[test]
fn a_wrong_identity_says_nothing_of_the_data() {
    let node = Node::new();
    let other = node.world.path("other.key");
    node.world
        .drydock(&["key", "new", "--kind", "sealing", "--out", &other])
        .ok();
    let answer = node.drill(&["--identity", &other]).code(1);
    assert!(
        answer
            .stderr
            .contains("none of the identities opens this artifact"),
        "{}",
        answer.stderr
    );
    assert_eq!(node.marks(), Vec::<String>::new());
}

#[test]
fn an_etcd_that_is_not_named_not_there_or_no_program() {
    let mut node =
        Node::with("  drill: {identity: {valueFrom: {file: sealing.key}}, scratch: lab}\n");
    cannot(
        &node,
        64,
        "error: this node names no etcd: give it as --etcd FILE, or say where it is as spec.drill.etcd of the node's configuration, e.g. `etcd: {path: /usr/local/bin/etcd}`\n",
    );
    node.drill_by(&drills("{path: nowhere/etcd}", true));
    cannot(&node, 1, "nowhere/etcd: No such file or directory\n");
    node.drill_by(&drills("{path: sealing.key}", true));
    cannot(&node, 1, "sealing.key is not a program\n");
    node.drill_by(&drills("{path: /bin/true}", true));
    cannot(&node, 1, "it does not answer --version as etcd does\n");
}

#[test]
fn an_etcd_that_is_older_than_the_data() {
    let old = drydock_testkit::tools::etcd("3.5.35").unwrap().join("etcd");
    let node = Node::with(&drills(&format!("{{path: {}}}", old.display()), true));
    cannot(
        &node,
        1,
        "error: this etcd is version 3.5 and the snapshot was written by 3.6: name one of 3.6 or newer as spec.drill.etcd of the node's configuration\n",
    );
}

#[test]
fn a_download_is_run_only_if_it_is_what_it_should_be() {
    let etcd = etcd_program();
    let server = runtime().block_on(Files::serve(&etcd));
    let url = server.url();
    let wrong = "0".repeat(64);
    let mut node = Node::with(&drills(
        &format!("{{url: \"{url}\", sha256: \"{wrong}\"}}"),
        true,
    ));
    cannot(&node, 1, &format!(", not {wrong}; it was not run\n"));
    let right = sha256(&etcd);
    node.drill_by(&drills(
        &format!("{{url: \"{url}\", sha256: \"{right}\"}}"),
        true,
    ));
    node.drill(&[]).code(0);
    // It is brought once, and looked at each time.
    let kept = node.world.scratch.join("state/programs").join(&right);
    assert_eq!(sha256(&kept), right);
    let brought = server.asked();
    node.drill(&[]).code(0);
    assert_eq!(server.asked(), brought);
    std::fs::write(&kept, "something else").unwrap();
    node.drill(&[]).code(0);
    assert_eq!(server.asked(), brought + 1);
}

#[test]
fn a_scratch_without_room_is_told() {
    let node = Node::new();
    let lab = node.lab();
    let mounts = Mounts::new().small(&lab, 256 * 1024);
    let command = node.world.command(&["drill"]);
    let answer = Answer::of(mounts.around(&command).output().unwrap()).code(1);
    assert!(
        answer.stderr.contains("bytes free and this needs")
            && answer
                .stderr
                .contains("name another one as spec.drill.scratch"),
        "{}",
        answer.stderr
    );
    // Room for the snapshot, and not for three members.
    let mounts = Mounts::new().small(&lab, 64 * 1024 * 1024);
    let answer = Answer::of(mounts.around(&command).output().unwrap()).code(1);
    assert!(
        answer.stderr.contains("bytes free and the restore needs"),
        "{}",
        answer.stderr
    );
    assert_eq!(node.marks(), Vec::<String>::new());
}

#[test]
fn killed_in_any_phase_it_leaves_nothing_after_the_next() {
    let node = Node::new();
    for phase in 1..=5 {
        let mut command = node.world.faulty(&["drill"]);
        command
            .env(KILL, format!("in-phase:{phase}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let ended = command.status().unwrap();
        assert_eq!(ended.code(), None, "phase {phase}");
        // The kernel has killed what ran, and the folder waits for the next drill.
        let gone = drydock_testkit::wait_until(
            "no etcd is left",
            std::time::Duration::from_secs(10),
            async || processes_in(&node.lab()).is_empty(),
        );
        runtime().block_on(gone).unwrap();
        assert_eq!(folders(&node.lab()).len(), 1, "phase {phase}");
    }
    assert_eq!(node.marks(), Vec::<String>::new());
    node.drill(&[]).code(0);
}

#[test]
fn two_drills_at_once_do_not_meet() {
    let node = Node::new();
    let start = || {
        let mut command = node.world.command(&["drill"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let both = [start(), start()];
    for drill in both {
        Answer::of(drill.wait_with_output().unwrap()).ok();
    }
    node.assert_nothing_left();
    assert_eq!(node.world.recovery_points().len(), 1);
    assert!(!node.marks().is_empty());
}

/// Serves one file over HTTP and counts who asks.
struct Files {
    address: std::net::SocketAddr,
    asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Files {
    async fn serve(path: &std::path::Path) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (path, count) = (path.to_owned(), std::sync::Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                answer(stream.unwrap(), &path);
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/etcd", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(std::sync::atomic::Ordering::Relaxed)
    }
}

fn answer(mut stream: std::net::TcpStream, path: &std::path::Path) {
    use std::io::{Read as _, Write as _};
    let mut request = [0; 4096];
    let _read = stream.read(&mut request).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        bytes.len()
    );
    // A client that has seen enough may go.
    let _sent = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&bytes));
}

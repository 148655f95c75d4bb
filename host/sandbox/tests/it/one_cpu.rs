//! A node with one processor: guests that compute without end hold up nobody else on it.
//!
//! Everything here runs on one processor: a thread's own set of them is inherited by the
//! threads that it starts, the runtime's and the sandbox's.

use std::time::Duration;

use drydock_sandbox::{Limits, Plugin};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{probe, run, sandbox_with, seen};

/// What each of the four spinners may compute, which are more than there are threads for
/// guests. Everybody else has to be done before, however slow the machine is.
const SPIN: Duration = Duration::from_secs(15);

#[test]
fn guests_that_compute_leave_the_only_processor_to_others() {
    let alone = std::thread::spawn(|| {
        to_one_processor();
        // As the daemon's: as many threads as there are processors, which is one.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { tokio::spawn(beside_spinners()).await.unwrap() });
    });
    alone.join().unwrap();
}

fn to_one_processor() {
    let all = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).unwrap();
}

async fn beside_spinners() {
    let sandbox = sandbox_with(Limits {
        cpu_max: SPIN,
        ..Limits::default()
    });
    let plugin = probe(&sandbox);
    let spin = || run(&plugin, r#"{"do":"loop"}"#);
    let spinners = async { tokio::join!(spin(), spin(), spin(), spin()) };
    let others = async {
        // They spin by now: one that is called later has had its turns beside them.
        attempts(&plugin).await;
        tokio::join!(timers(), answers(), attempts(&plugin));
    };
    tokio::select! {
        ended = spinners => panic!("the others waited until all spinners had ended: {:?}", ended.0.result),
        () = others => {}
    }
    assert!(sandbox.tick_age().unwrap() < SPIN, "the ticks come");
}

/// A plugin's attempts, one after the other.
async fn attempts(plugin: &Plugin) {
    for _ in 0..20 {
        assert_eq!(seen(run(plugin, r#"{"do":"count"}"#).await), ["1"]);
    }
}

/// Timers of the main runtime.
async fn timers() {
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A server's answers over TCP, as those of the daemon.
async fn answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        for _ in 0..50 {
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(b"ok\n").await.unwrap();
        }
    };
    let client = async {
        for _ in 0..50 {
            let mut text = String::new();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "ok\n");
        }
    };
    tokio::join!(server, client);
}

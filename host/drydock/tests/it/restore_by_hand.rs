//! A stranger opens a recovery point with minisign, age, zstd and etcdutl alone, by the
//! commands of `docs/format.md`.

use std::path::Path;
use std::process::Command;

use drydock_testkit::etcd::{Cluster, EtcdOptions};
use drydock_testkit::tools;

use crate::world::{World, checkout, runtime, shared_cluster};

#[test]
fn the_commands_of_the_format_page_restore_a_recovery_point() {
    let world = World::new();
    let (answer, run) = world.run();
    answer.ok();
    let name = run["recoveryPoint"].as_str().unwrap();
    let page = std::fs::read_to_string(checkout().join("docs/format.md")).unwrap();
    let script = block(&page, "# restore: open");
    let public = std::fs::read_to_string(world.scratch.join("signing.key.pub")).unwrap();
    let out = world.scratch.folder("by-hand").unwrap();
    let printed = drydock_testkit::program::run(
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(&out)
            .env("PATH", path_with_tools())
            .env("POINT", world.folder().join("c1").join(name))
            .env("NAME", format!("c1/{name}"))
            .env("PUBLIC_KEY", public.lines().last().unwrap())
            .env("IDENTITY", world.path("sealing.key"))
            .env("OUT", &out),
    );
    printed.unwrap();
    let snapshot = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "db"))
        .expect("the commands leave a snapshot file");
    assert_boots(&snapshot);
}

/// The shell block of the page that begins with this line.
fn block(page: &str, first_line: &str) -> String {
    let start = format!("```bash\n{first_line}\n");
    let block = page.split(&start).nth(1).expect("the page has the block");
    block.split("\n```").next().unwrap().to_owned()
}

fn path_with_tools() -> String {
    let folder = |program: std::path::PathBuf| program.parent().unwrap().display().to_string();
    [
        folder(tools::age().unwrap()),
        folder(tools::minisign().unwrap()),
        folder(tools::zstd().unwrap()),
        tools::etcd(tools::ETCD_VERSION)
            .unwrap()
            .display()
            .to_string(),
        std::env::var("PATH").unwrap(),
    ]
    .join(":")
}

fn assert_boots(snapshot: &Path) {
    runtime().block_on(async {
        let restored = Cluster::start_restored(EtcdOptions::default(), snapshot, &[])
            .await
            .unwrap();
        let count = async |cluster: &Cluster| {
            let mut client = cluster.client().await.unwrap();
            let options = etcd_client::GetOptions::new()
                .with_prefix()
                .with_count_only();
            client
                .get("/registry/", Some(options))
                .await
                .unwrap()
                .count()
        };
        assert_eq!(count(&restored).await, count(&shared_cluster()).await);
    });
}

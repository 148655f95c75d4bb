//! `plugins/examples/store-python`: a store plugin in Python, by its README alone.

use drydock_testkit::{Scratch, tools};
use serde_json::json;

use super::page;
use super::store_pieces::target;
use super::walk::Walk;
use crate::world::{checkout, etcdutl, runtime};

/// One test, since making and compiling an interpreter takes its time.
#[test]
fn a_store_in_python_keeps_recovery_points_and_the_whole_contract() {
    let example = checkout().join("plugins/examples/store-python");
    let walk = Walk::new(".");
    walk.with_program(&tools::componentize_py().unwrap());
    let steps = page::steps(&example.join("README.md"));
    walk.run(&steps, |command| {
        command.env("EXAMPLE", &example);
    })
    .unwrap_or_else(|why| panic!("{why}"));
    let file = walk.scratch.join("try/snapshot.db").display().to_string();
    etcdutl(&["snapshot", "status", &file]);

    let component = std::fs::read(walk.scratch.join("try/store_python.wasm")).unwrap();
    let scratch = Scratch::new().unwrap();
    let cache = walk.scratch.join("try/state/cache");
    runtime().block_on(async {
        let config = json!({"folder": scratch.path()});
        let target = target(&component, Some(&cache), scratch.path(), &config);
        drydock_fakes::contract::run(&target).await.unwrap();
    });
}

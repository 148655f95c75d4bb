//! Faults of a service during a whole run. The grid of the sandbox has each fault at each call;
//! here is what the run makes of some.

use drydock_testkit::fault_proxy::{Fault, Made, Order, Requests, Stage};

use super::node::Node;

fn order(requests: Requests, fault: Fault, stage: Stage) -> Order {
    Order::first(requests, fault, stage)
}

/// Runs with the fault; what was printed.
fn run(node: &Node, order: Order, code: i32) -> String {
    let before = node.proxy.happened();
    node.proxy.order(order);
    let answer = node.world.drydock(&["run", "s1"]).code(code);
    assert_eq!(node.proxy.happened(), before + 1, "{}", answer.stderr);
    format!("{}{}", answer.stdout, answer.stderr)
}

/// The service completed the upload, and its answer says that it failed.
#[test]
fn an_error_inside_of_a_200_is_looked_into() {
    let node = Node::s3();
    let complete = Requests::of("POST").with(&["?uploadId"]);
    let fault = Fault::Answer(Made::of(200, "InternalError"));
    let said = run(&node, order(complete, fault, Stage::After), 0);
    node.assert_one_recovery_point();
    node.assert_no_secret_is_told(&said);
}

/// The answer to the one write that commits is lost.
#[test]
fn a_manifest_whose_answer_is_lost_is_found() {
    let node = Node::azure();
    let manifest = Requests::of("PUT").with(&["/manifest.json"]);
    let said = run(&node, order(manifest, Fault::BrokenTls, Stage::After), 0);
    node.assert_one_recovery_point();
    node.assert_no_secret_is_told(&said);
}

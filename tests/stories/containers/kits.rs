//! The function kits of others in containers: an interpreter in the sandbox, as most functions are.

use std::time::Duration;

use hotfn::Function;
use hotfn_tests::images::Image;
use hotfn_tests::peers;

use super::{House, PATIENCE, answer};

pub(super) async fn the_python_kit_serves(house: &House) {
    let Some(python) = peers::Python::find() else { return };
    the_kit_serves(house, python.container("modern.py")).await;
}

pub(super) async fn the_node_kit_serves(house: &House) {
    let Some(node) = peers::Node::find() else { return };
    the_kit_serves(house, node.container("modern.js")).await;
}

/// Calls of one container, which is frozen in between.
async fn the_kit_serves(house: &House, image: Image) {
    let agent = house.agent();
    let mut function = Function::new("kit", image.archive(&house.path("kit.tar")));
    function.memory_mb = 256;
    function.timeout = Duration::from_secs(60);
    function.max_containers = Some(1);
    agent.deploy(function);
    for n in 0..20 {
        let body = format!("call {n}");
        assert_eq!(answer(&agent, "kit", &body).await, body);
    }
    agent.drain(PATIENCE).await;
}

//! The API as its description says: everything that it allows, and what it does not, is asked for
//! by schemathesis, which reads `/v2/openapi.yaml` from the node.

use hotfn_tests::node::Home;
use hotfn_tests::peers::Python;
use hotfn_tests::program;

/// What an answer is held to: no server error, and only statuses, types and bodies that the
/// description has.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,unsupported_method,use_after_free";
/// Requests of each kind for each endpoint: some 1500 in all, which take 10 s.
const EXAMPLES: &str = "15";

#[tokio::test]
async fn no_request_meets_a_server_error() {
    let Some(python) = Python::find() else { return };
    let home = Home::of(&[]);
    let node = home.start().await;
    let mut fuzz = python.schemathesis();
    // The same requests each time: what is found once is found again.
    fuzz.args(["run", "--seed", "1", "--max-examples", EXAMPLES, "--checks", CHECKS, "--no-color"]);
    fuzz.arg(format!("http://{}/v2/openapi.yaml", node.address()));
    // It keeps what it has seen in the folder it runs in.
    fuzz.current_dir(home.scratch());
    let ended = tokio::task::spawn_blocking(move || program::run(&mut fuzz, b"")).await.unwrap();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.text(), node.said());
    node.drain().await;
}

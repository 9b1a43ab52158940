//! What a node tells those who watch it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use hotfn_tests::client::{self, held};
use hotfn_tests::node::{Function, Home, Node};
use hotfn_tests::{binaries, soon};
use http::Method;
use rustix::process::Signal;
use serde_json::json;

/// Everything at `/metrics`: each line's name with its labels, and its value.
async fn metrics(node: &Node) -> BTreeMap<String, f64> {
    let text = node.api(Method::GET, "/metrics", None).await.ok().text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?} has no value"));
            (name.to_owned(), value.parse().unwrap_or_else(|e| panic!("{line:?}: {e}")))
        })
        .collect()
}

/// The same, once `holds` of it.
async fn metrics_when(node: &Node, holds: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    let looking = async {
        loop {
            let seen = metrics(node).await;
            if holds(&seen) {
                return seen;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looking).await.expect("it is to be seen soon")
}

/// The same, once so many calls had the heads of their answers, and the last of them still runs.
async fn while_running(node: &Node, heads: f64) -> BTreeMap<String, f64> {
    metrics_when(node, |seen| seen["fn_running"] == 1.0 && seen["hotfn_call_duration_seconds_count"] == heads).await
}

/// The names that dashboards of Fn know, as far as there is something to tell by them.
const FN: [&str; 41] = [
    "fn_queued",
    "fn_calls",
    "fn_running",
    "fn_completed",
    "fn_canceled",
    "fn_timeouts",
    "fn_errors",
    "fn_server_busy",
    "fn_container_evictions",
    "fn_container_uds_init_latency_count",
    "fn_container_wait_total",
    "fn_container_start_total",
    "fn_container_idle_total",
    "fn_container_paused_total",
    "fn_container_busy_total",
    "fn_container_wait_duration_seconds_count",
    "fn_container_start_duration_seconds_count",
    "fn_container_idle_duration_seconds_count",
    "fn_container_paused_duration_seconds_count",
    "fn_container_busy_duration_seconds_count",
    "fn_util_cpu_used",
    "fn_util_cpu_avail",
    "fn_util_mem_used",
    "fn_util_mem_avail",
    "fn_docker_stats_cpu_kernel_count",
    "fn_docker_stats_cpu_total_count",
    "fn_docker_stats_cpu_user_count",
    "fn_docker_stats_disk_read_count",
    "fn_docker_stats_disk_write_count",
    "fn_docker_stats_mem_limit_count",
    "fn_docker_stats_mem_usage_count",
    "fn_docker_stats_net_rx_count",
    "fn_docker_stats_net_tx_count",
    "fn_api_request_count{path=\"/invoke/:fn_id\",method=\"POST\"}",
    "fn_api_response_count{path=\"/invoke/:fn_id\",method=\"POST\",status=\"200\",blame=\"\",fn_fdk_version=\"\"}",
    "fn_api_latency_count{path=\"/invoke/:fn_id\",method=\"POST\",status=\"200\",blame=\"\",fn_fdk_version=\"\"}",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
];

#[tokio::test]
async fn what_happens_is_counted_under_the_names_that_dashboards_know() {
    let home = Home::with(
        &[("freeze_idle_ms", -1)],
        &[Function::new("echo", &binaries::image("echo")), Function::new("broken", "process:/no/such/program")],
    );
    let node = home.start().await;
    for _ in 0..5 {
        assert_eq!(node.invoke("echo", "hi").await.ok().text(), "hi");
    }
    assert_eq!(node.invoke("broken", "hi").await.is(502).header("fn-blame"), "function");
    assert_eq!(node.invoke("nobody", "hi").await.is(404).header("fn-blame"), "caller");
    let (body, hold) = held("first", " and last");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("echo", body)).await });
    let seen = while_running(&node, 8.0).await;
    for name in FN {
        assert!(seen.contains_key(name), "{name} is missing in {seen:#?}");
    }
    let check = |name: &str, expected: f64| assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    check("fn_calls", 8.0);
    check("fn_completed", 5.0);
    check("fn_errors", 2.0);
    check("fn_timeouts", 0.0);
    check("fn_container_busy_total", 1.0);
    check("fn_container_idle_duration_seconds_count", 6.0);
    check("fn_container_uds_init_latency_count", 1.0);
    check("hotfn_calls_total", 8.0);
    check("hotfn_calls_answered_total", 5.0);
    check("hotfn_call_faults_total{code=\"unknown_function\",blame=\"caller\"}", 1.0);
    check("hotfn_call_duration_seconds_count", 8.0);
    check("hotfn_containers{state=\"busy\"}", 1.0);
    check("hotfn_functions", 2.0);
    check("hotfn_store_up", 1.0);
    let answered = |rest: &str| format!("fn_api_response_count{{path=\"/invoke/:fn_id\",method=\"POST\",{rest}}}");
    let kit = env!("CARGO_PKG_VERSION");
    check(&answered(&format!("status=\"200\",blame=\"\",fn_fdk_version=\"fdk-rust/{kit}\"")), 6.0);
    check(&answered("status=\"404\",blame=\"caller\",fn_fdk_version=\"\""), 1.0);
    check("hotfn_container_looked_at", 1.0);
    assert!(seen["fn_docker_stats_mem_usage_count"] >= 1.0 && seen["hotfn_container_memory_bytes"] > 0.0, "{seen:#?}");
    assert!(seen["fn_util_mem_used"] > 0.0 && seen["fn_util_mem_avail"] > 0.0);
    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last");
    metrics_when(&node, |seen| seen["fn_completed"] == 6.0).await;
    node.drain().await;
}

/// What `docs/metrics.md` says that there is on a node like those of these stories, as families are called.
fn documented() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | ")).map(|(names, _)| names);
    let names = rows.flat_map(|names| names.split(", ")).map(|name| name.trim_matches('`'));
    let mut families = BTreeSet::new();
    for name in names.filter(|name| !name.starts_with('/')) {
        // After an underscore braces hold ways to go on, and elsewhere labels.
        let (start, rest) = name.split_once('{').unwrap_or((name, ""));
        let (inside, end) = rest.split_once('}').unwrap_or_default();
        let ways = if start.ends_with('_') { inside.split(',').collect() } else { vec![""] };
        families.extend(ways.into_iter().map(|way| family(&format!("{start}{way}{end}")).to_owned()));
    }
    families
}

/// The name of a family whose members have this one: what a counter adds to it is left away, but where Fn's own
/// name ends in it.
fn family(name: &str) -> &str {
    if name.starts_with("fn_") {
        return name;
    }
    name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name)
}

#[tokio::test]
async fn the_page_about_metrics_names_what_there_is() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    let mut detached = client::invoke("echo", client::whole("hi"));
    detached.headers_mut().insert("fn-invoke-type", http::HeaderValue::from_static("detached"));
    let accepted = node.connect().await.call(detached).await.unwrap();
    assert_eq!(accepted.status, 202);
    let told = async {
        loop {
            let text = node.api(Method::GET, "/metrics", None).await.ok().text();
            // Of attempts and of launches there is nothing to tell before the first.
            if ["hotfn_detached_attempts_total", "hotfn_launch_seconds"].iter().all(|name| text.contains(name)) {
                return text;
            }
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(30), told).await.expect("a detached call is made soon");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let told: BTreeSet<String> = types.map(str::to_owned).collect();
    let documented = documented();
    // Some are told in the words of others, and some only where there is what they are of.
    let elsewhere = ["fn_docker_api_", "fn_docker_e", "fn_docker_i", "hotfn_engine_", "hotfn_command_"];
    let is_here = |name: &&String| !elsewhere.iter().any(|there| name.starts_with(there)) && !name.contains('*');
    let missing: Vec<_> = documented.iter().filter(is_here).filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "documented, and not told: {missing:?} in {told:?}");
    let wild: Vec<&str> = documented.iter().filter_map(|name| name.split_once('*')).map(|(start, _)| start).collect();
    let unsaid = told.iter().filter(|name| !documented.contains(*name) && !wild.iter().any(|w| name.starts_with(w)));
    assert_eq!(unsaid.collect::<Vec<_>>(), Vec::<&String>::new(), "told, and not documented");
    node.drain().await;
    home.is_bare();
}

#[tokio::test]
async fn a_node_is_ready_when_it_is_warm_and_not_when_it_ends() {
    // One whose containers never come up, for as long as they are given.
    let cold = Function::new("cold", "process:/bin/sleep 100").set("min_warm", 1);
    let home = Home::with(
        &[("start_timeout_ms", 1500)],
        &[Function::new("echo", &binaries::image("echo")).set("min_warm", 2), cold],
    );
    let node = home.start().await;
    let answer = node.api(Method::GET, "/readyz", None).await.is(503);
    let missing = "containers that are to be kept warm are not up yet";
    assert_eq!(answer.json(), json!({"ready": false, "missing": [missing]}));
    assert_eq!(node.api(Method::GET, "/healthz", None).await.ok().json(), json!({"status": "ok"}));
    // A function that does not start is its own fault, and no reason to spare the node.
    node.says("ready").await;
    assert_eq!(node.api(Method::GET, "/readyz", None).await.ok().json(), json!({"ready": true, "missing": []}));
    assert!(home.containers().len() >= 2, "the others are warm");

    let (body, hold) = held("first", " and last");
    let mut connection = node.connect().await;
    let in_flight = tokio::spawn(async move { connection.call(client::invoke("echo", body)).await });
    while_running(&node, 1.0).await;
    node.signal(Signal::TERM);
    node.says("draining").await;
    let mut last = node.api(Method::GET, "/readyz", None).await;
    while last.status == 200 {
        last = node.api(Method::GET, "/readyz", None).await;
    }
    assert_eq!(last.is(503).json(), json!({"ready": false, "missing": ["the node is ending"]}));
    assert_eq!(node.api(Method::GET, "/healthz", None).await.ok().json(), json!({"status": "ok"}));
    hold.release();
    assert_eq!(in_flight.await.unwrap().unwrap().ok().text(), "first and last");
    node.end().await;
    home.is_bare();
}

#[tokio::test]
async fn what_is_logged_changes_by_signal_and_by_api() {
    let home = Home::of(&[Function::new("echo", &binaries::image("echo"))]);
    let node = home.start().await;
    let level = async || node.api(Method::GET, "/v2/log-level", None).await.ok().json()["level"].clone();
    assert_eq!(level().await, "info");
    assert_eq!(node.invoke("echo", "quiet").await.ok().text(), "quiet");
    assert!(!node.said().contains("call ended"), "{}", node.said());

    node.signal(Signal::USR1);
    node.says("what is logged changes").await;
    assert_eq!(level().await, "debug");
    assert_eq!(node.invoke("echo", "loud").await.ok().text(), "loud");
    node.says("call ended").await;

    let warn = json!({"level": "warn"});
    assert_eq!(node.api(Method::PUT, "/v2/log-level", Some(&warn)).await.ok().json(), warn);
    let wrong = node.api(Method::PUT, "/v2/log-level", Some(&json!({"level": "loud"}))).await.is(400);
    assert!(wrong.text().contains("no level"), "{}", wrong.text());
    assert_eq!(level().await, "warn");
    // Back to what it began with, from wherever it is.
    node.signal(Signal::USR1);
    soon("the level to be as in the beginning", || node.said().contains("level=\"info\"").then_some(())).await;
    node.drain().await;
}

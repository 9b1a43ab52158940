//! `cargo xtask bench cold`: a call for which a container has to start, driver by driver, beside the
//! same container started by hand.
//!
//! Each driver's node gets calls of functions that nobody has called, one after the other, and each
//! container ends after its call. By hand is what [`first-bytes`](../../../benches/src/first_bytes.rs)
//! does: the program spawned, `docker run` of the same image with the same limits, the OCI runtime's
//! `run` of a bundle that is our own but for its paths; until the function's first bytes. Then what a
//! frozen container takes to thaw, and last a hundred launches at once, of which none may fail.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::hot;
use super::part::Cores;
use super::process::{Process, wait_until};
use super::stage::Stage;
use super::table::Table;
use super::thaw;
use crate::engine;
use crate::install::{self, DOCKER, RUNC, TINI};
use crate::step::{run as do_run, step};
use crate::test;

/// The name of the image.
const IMAGE: &str = "hotfn-bench/echo:latest";
/// Launches that are made at once, at the end.
const CROWD: u32 = 100;
/// At most this many times what it takes by hand.
const TARGET: f64 = 1.15;
/// At most this part of what Docker takes, without an engine.
const TARGET_TO_DOCKER: f64 = 0.2;
/// A frozen container is to be back within this, in microseconds.
const THAW_US_MAX: f64 = 1000.0;
/// The function whose container freezes as soon as it idles.
const FROZEN: &str = "frozen";
/// A function's address in its container.
const LISTENER: &str = "/tmp/iofs/lsnr.sock";

/// A driver, how often it is asked, and the rest before each time, with the clock standing: long enough
/// for what was before to be gone. By hand it rests as long, since a core that slept wakes slowly.
struct Driver {
    name: &'static str,
    calls: u32,
    rest_ms: u32,
}

const DRIVERS: [Driver; 3] = [
    Driver { name: "process", calls: 60, rest_ms: 50 },
    Driver { name: "oci", calls: 30, rest_ms: 200 },
    Driver { name: "docker", calls: 15, rest_ms: 1000 },
];

/// Measures, tells, and fails if a target was missed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => "dist",
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask bench cold` takes --profile NAME"),
    };
    step("install what is measured beside us from Debian", || install::debian(&[DOCKER, RUNC, TINI]))?;
    step("start the container engine", engine::start)?;
    step("build", || hot::build(profile))?;
    step("build the function that needs no libraries", test::build_static)?;
    let stage = Stage::new(Cores::All, profile)?;
    let program = test::static_program("echo");
    step("make the image", || image(&stage, &program))?;

    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for driver in &DRIVERS {
        let node = Node::start(&stage, driver)?;
        let by_hand = step(&format!("{} by hand", driver.name), || by_hand(&stage, driver, &node, &program))?;
        let ours = step(&format!("{} through the node", driver.name), || node.first_calls(&stage, driver))?;
        let thaw = step(&format!("{}, thawed", driver.name), || thaw::median_us(node.address, FROZEN))?;
        let crowd = step(&format!("{}, {CROWD} at once", driver.name), || node.crowd(&stage, driver))?;
        rows.push(vec![
            driver.name.to_owned(),
            format!("{:.2}", by_hand / 1e3),
            format!("{:.2}", ours / 1e3),
            format!("{:.2}", ours / by_hand),
            format!("{:.2}", thaw / 1e3),
            format!("{:.0}", crowd / 1e3),
        ]);
        seen.push(Seen { driver: driver.name, took: ours, ratio: ours / by_hand, thaw });
    }
    let heads = ["driver", "by hand, ms", "hotfn, ms", "ratio", "a thaw, ms", "the last of 100 at once, ms"];
    print!("{}", Table::new("From a call to its first bytes, median", &heads, rows, 1));
    verdicts(&seen)
}

/// What was found of a driver, in microseconds.
struct Seen {
    driver: &'static str,
    took: f64,
    ratio: f64,
    thaw: f64,
}

fn verdicts(seen: &[Seen]) -> Result<()> {
    let took = |name| seen.iter().find(|seen| seen.driver == name).map_or(f64::NAN, |seen| seen.took);
    let to_docker = took("oci") / took("docker");
    let mut targets = Vec::new();
    for Seen { driver, ratio, thaw, .. } in seen {
        targets.push((*ratio <= TARGET, format!("{driver}: {ratio:.2} of by hand, at most {TARGET}")));
        targets.push((*thaw <= THAW_US_MAX, format!("{driver}: a thaw in {:.2} ms, at most 1", thaw / 1e3)));
    }
    targets.push((
        to_docker <= TARGET_TO_DOCKER,
        format!("oci: {to_docker:.2} of what docker takes, at most {TARGET_TO_DOCKER}"),
    ));
    let mut missed = 0;
    for (holds, what) in &targets {
        println!("{} {what}", if *holds { "held:  " } else { "MISSED:" });
        missed += u32::from(!holds);
    }
    if missed == 0 { Ok(()) } else { bail!("{missed} targets were missed") }
}

/// Makes the image of the program, in the node's own store and in the engine's.
fn image(stage: &Stage, program: &Path) -> Result<()> {
    let folder = stage.folder.join("function");
    fs::create_dir_all(&folder)?;
    fs::copy(program, folder.join("func")).with_context(|| format!("cannot copy {}", program.display()))?;
    let mut build = stage.command(stage.built("hotfn"));
    build.arg("build").arg(&folder).args(["--tag", IMAGE, "--driver", "docker", "--state"]).arg(state(stage));
    do_run(&mut build)
}

fn state(stage: &Stage) -> PathBuf {
    stage.folder.join("state")
}

/// A node, and how many of its functions were called.
struct Node {
    address: SocketAddr,
    _process: Process,
}

impl Node {
    fn start(stage: &Stage, driver: &Driver) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let path = stage.folder.join(format!("{}.toml", driver.name));
        let image = match driver.name {
            "process" => format!("process:{}", test::static_program("echo").display()),
            _ => IMAGE.to_owned(),
        };
        let mut config = format!(
            "[node]\nlisten = \"{address}\"\nmemory = 16384\nfreeze_idle_ms = 10\nstart_timeout_ms = 60000\nstate = \"{}\"\n\n\
             [containers]\ndriver = \"{}\"\n",
            state(stage).display(),
            driver.name
        );
        config
            .push_str(&format!("\n[[function]]\nid = \"{FROZEN}\"\nimage = \"{image}\"\nmemory = 64\ntimeout = 120\n"));
        for n in 0..1 + driver.calls + CROWD {
            config.push_str(&format!(
                "\n[[function]]\nid = \"f{n}\"\nimage = \"{image}\"\nmemory = 64\ntimeout = 120\n\
                 max_calls_per_container = 1\n"
            ));
        }
        fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
        let log = stage.folder.join(format!("{}.log", driver.name));
        let mut command = stage.command(stage.built("hotfn"));
        command.args(["serve", "--db", "memory", "--config"]).arg(&path);
        let process = Process::spawn(&mut command, &log)?;
        wait_until("the node", || TcpStream::connect(address).is_ok())
            .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        let node = Self { address, _process: process };
        // What is done once, such as opening the store, is not any launch's.
        node.load(stage, &["--calls", "1", "--spread", "1"])?;
        Ok(node)
    }

    /// The median of first calls, in microseconds.
    fn first_calls(&self, stage: &Stage, driver: &Driver) -> Result<f64> {
        let (calls, rest) = (driver.calls.to_string(), driver.rest_ms.to_string());
        let found = self.load(stage, &["--calls", &calls, "--spread", &calls, "--from", "1", "--rest-ms", &rest])?;
        found["p50_us"].as_f64().context("the load does not tell p50_us")
    }

    /// The longest of a hundred first calls at once, in microseconds.
    fn crowd(&self, stage: &Stage, driver: &Driver) -> Result<f64> {
        let (crowd, from) = (CROWD.to_string(), (1 + driver.calls).to_string());
        let found =
            self.load(stage, &["--calls", &crowd, "--spread", &crowd, "--from", &from, "--connections", &crowd])?;
        found["max_us"].as_f64().context("the load does not tell max_us")
    }

    fn load(&self, stage: &Stage, args: &[&str]) -> Result<Value> {
        let mut load = Command::new(stage.built("load"));
        load.arg(self.address.to_string()).args(["/invoke/f{}", "--seconds", "300"]).args(args);
        let found = json(&mut load)?;
        match found["failed"].as_u64() {
            Some(0) => Ok(found),
            _ => bail!("calls failed: {found}"),
        }
    }
}

/// The median of launches by hand, in microseconds.
fn by_hand(stage: &Stage, driver: &Driver, node: &Node, program: &Path) -> Result<f64> {
    let mut command = Command::new(stage.built("first-bytes"));
    command.args(["--count", &driver.calls.to_string(), "--rest-ms", &driver.rest_ms.to_string()]);
    match driver.name {
        "process" => command.arg("--").arg(program),
        "docker" => command.args(["--listener", LISTENER, "--after", "docker rm --force {id}", "--"]).args(DOCKER_RUN),
        _ => {
            let iofs = PathBuf::from(format!("/dev/shm/first-bytes-oci-{}", std::process::id()));
            let bundle = bundle(stage, node, &iofs, program)?;
            let root = stage.folder.join("runc");
            let end = format!("runc --root {} delete --force {{id}}", root.display());
            command.arg("--iofs").arg(iofs).args(["--listener", LISTENER, "--after", &end, "--", "runc", "--root"]);
            command.arg(root).args(["run", "--keep", "--bundle"]).arg(bundle).arg("{id}")
        }
    };
    json(&mut command)?["p50_us"].as_f64().context("first-bytes does not tell p50_us")
}

/// What the driver asks of the engine, as a person would.
const DOCKER_RUN: &[&str] = &[
    "docker",
    "run",
    "--name",
    "{id}",
    "--user",
    "1000:1000",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--read-only",
    "--tmpfs",
    "/tmp",
    "--init",
    "--memory",
    "64m",
    "--memory-swap",
    "64m",
    "--pids-limit",
    "50",
    "--log-driver",
    "none",
    "--volume",
    "{iofs}:/tmp/iofs",
    "--env",
    "FN_LISTENER={listener}",
    "--env",
    "FN_FORMAT=http-stream",
    IMAGE,
];

/// A bundle as our driver makes them: the one of a container that is up, with paths of its own.
fn bundle(stage: &Stage, node: &Node, iofs: &Path, program: &Path) -> Result<PathBuf> {
    let found = caught(stage, node)?;
    let mut config: Value = serde_json::from_str(&found).context("a bundle's description is not JSON")?;
    let bundle = stage.folder.join("bundle");
    let rootfs = bundle.join("rootfs");
    for folder in ["tmp", "proc", "dev", "sys", "etc"] {
        fs::create_dir_all(rootfs.join(folder))?;
    }
    let main = config["process"]["args"].as_array().and_then(|args| args.last()?.as_str()).unwrap_or("/func");
    let main = rootfs.join(main.trim_start_matches('/'));
    fs::copy(program, &main)?;
    fs::set_permissions(&main, fs::Permissions::from_mode(0o755))?;
    config["root"]["path"] = rootfs.display().to_string().into();
    config["linux"]["cgroupsPath"] = "/hotfn-bench/by-hand".into();
    if let Some(mounts) = config["mounts"].as_array_mut() {
        mounts.retain(|mount| mount["destination"] != "/etc/hosts");
        for mount in mounts.iter_mut().filter(|mount| mount["destination"] == "/tmp/iofs") {
            mount["source"] = iofs.display().to_string().into();
        }
    }
    fs::write(bundle.join("config.json"), config.to_string())?;
    Ok(bundle)
}

/// The description of a container of the node's that is up just now.
fn caught(stage: &Stage, node: &Node) -> Result<String> {
    let agents = fs::read_dir(state(stage).join("agents")).context("the node has no name")?;
    let names: Vec<_> = agents.flatten().map(|agent| agent.file_name()).collect();
    let mut call = Command::new(stage.built("load"));
    call.arg(node.address.to_string()).args(["/invoke/f0", "--calls", "400", "--seconds", "30"]);
    let _calls = Process::spawn(&mut call, &stage.folder.join("caught.log"))?;
    let mut found = None;
    wait_until("a container", || {
        let folders = names.iter().map(|name| Path::new("/run/hotfn/oci").join(name).join("bundles"));
        let bundles = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        found = bundles.filter_map(|bundle| fs::read_to_string(bundle.path().join("config.json")).ok()).next();
        found.is_some()
    })?;
    found.context("no container was caught")
}

/// What a program prints: one line of JSON.
fn json(command: &mut Command) -> Result<Value> {
    let out = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    serde_json::from_slice(&out.stdout)
        .with_context(|| format!("{command:?} found nothing: {}", String::from_utf8_lossy(&out.stderr)))
}

//! Every driver keeps the same promises: one table of stories, a row for each.
//!
//! A story is a function of a [`House`]: a driver, and the images that it can start. What a driver
//! makes no promise of is not in its row: plain processes are supervised, not confined.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hotfn::container::docker::{Docker, DockerDriver};
use hotfn::container::oci::OciDriver;
use hotfn::container::process::ProcessDriver;
use hotfn::container::sandbox::Sandbox;
use hotfn::container::{Driver, Heard, LogLine, Spec, Stdio};
use hotfn::{Agent, Config, Function, Invoke};
use hotfn_images::{Store, store};
use hotfn_protocols::{Call, Fault};
use hotfn_tests::images::Image;
use hotfn_tests::{binaries, skipped};
use tempfile::TempDir;
use tokio::sync::mpsc;

mod engine;
mod kits;
mod leaks;
mod lifecycle;
mod limits;

/// One test for each story and driver. A driver that this machine cannot have skips aloud.
macro_rules! table {
    ($($driver:ident { $($module:ident { $($story:ident),* $(,)? })* })*) => {
        $(mod $driver {
            $($(#[tokio::test]
            async fn $story() {
                if let Some(house) = super::House::$driver(super::confined()).await {
                    super::$module::$story(&house).await;
                }
            })*)*
        })*
    };
}

table! {
    process {
        lifecycle {
            every_format_is_answered, the_functions_environment_is_over_the_images,
            how_it_ended_is_told, its_end_is_told_behind_what_it_wrote_unasked,
            what_it_prints_is_log_line_by_line,
            frozen_it_stands_still_and_thawed_it_goes_on, a_frozen_one_hears_that_it_is_to_end,
            what_it_uses_can_be_looked_at,
            one_that_dies_while_it_idles_is_replaced, what_cannot_be_started_is_the_images_fault,
        }
        leaks { what_was_made_by_halves_is_removed, of_a_killed_node_nothing_is_left }
    }
    docker {
        lifecycle {
            every_format_is_answered, the_functions_environment_is_over_the_images,
            how_it_ended_is_told, its_end_is_told_behind_what_it_wrote_unasked,
            what_it_prints_is_log_line_by_line,
            frozen_it_stands_still_and_thawed_it_goes_on, a_frozen_one_hears_that_it_is_to_end,
            what_it_uses_can_be_looked_at,
            one_that_dies_while_it_idles_is_replaced, what_cannot_be_started_is_the_images_fault,
            an_image_with_a_volume_is_refused,
        }
        limits {
            what_a_sandbox_refuses, memory_is_held_to_and_told_as_such, a_start_without_memory_is_told_as_such,
            a_share_of_a_cpu_is_no_more,
        }
        engine {
            an_image_is_pulled_once_for_all_who_wait, a_registrys_no_is_told_from_its_silence,
            of_what_was_pulled_the_longest_unneeded_goes, an_oci_layout_is_loaded,
            an_engine_over_tcp_freezes_by_itself,
        }
        kits { the_python_kit_serves, the_node_kit_serves }
        leaks { what_was_made_by_halves_is_removed, of_a_killed_node_nothing_is_left }
    }
    oci {
        lifecycle {
            every_format_is_answered, the_functions_environment_is_over_the_images,
            how_it_ended_is_told, its_end_is_told_behind_what_it_wrote_unasked,
            what_it_prints_is_log_line_by_line,
            frozen_it_stands_still_and_thawed_it_goes_on, a_frozen_one_hears_that_it_is_to_end,
            what_it_uses_can_be_looked_at,
            one_that_dies_while_it_idles_is_replaced, what_cannot_be_started_is_the_images_fault,
            an_image_with_a_volume_is_refused,
        }
        limits {
            what_a_sandbox_refuses, memory_is_held_to_and_told_as_such, a_start_without_memory_is_told_as_such,
            a_share_of_a_cpu_is_no_more,
        }
        kits { the_python_kit_serves, the_node_kit_serves }
        leaks { what_was_made_by_halves_is_removed, of_a_killed_node_nothing_is_left }
    }
}

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox in which each limit can be reached quickly.
fn confined() -> Sandbox {
    Sandbox { tmp_mb: 8, tmp_inodes: 64, pids: 30, ..Sandbox::default() }
}

/// A driver, what it can start, and a place for what is made.
struct House {
    driver: Arc<dyn Driver>,
    /// Its name, as a node's flags have it.
    kind: &'static str,
    folder: TempDir,
    /// What its functions have in their environment, and nobody else.
    mark: String,
}

impl House {
    async fn process(sandbox: Sandbox) -> Option<Self> {
        let driver = ProcessDriver::new().unwrap().rlimits(sandbox.rlimits);
        Some(Self::of("process", Arc::new(driver)))
    }

    async fn docker(sandbox: Sandbox) -> Option<Self> {
        match DockerDriver::connect(Docker { sandbox, networks: vec!["none".to_owned()], ..Docker::default() }).await {
            Ok(driver) => Some(Self::of("docker", Arc::new(driver))),
            Err(e) => {
                skipped(&e.to_string());
                None
            }
        }
    }

    async fn oci(sandbox: Sandbox) -> Option<Self> {
        let folder = TempDir::with_prefix("story-").unwrap();
        let store = Store::open(&folder.path().join("images"), store::Config::default()).unwrap();
        match OciDriver::start(hotfn::container::oci::Config { sandbox, ..Default::default() }, store).await {
            Ok(driver) => Some(Self { folder, ..Self::of("oci", Arc::new(driver)) }),
            Err(e) => {
                skipped(&e.to_string());
                None
            }
        }
    }

    fn of(kind: &'static str, driver: Arc<dyn Driver>) -> Self {
        let mark = format!("HOTFN_STORY={}", ulid());
        Self { driver, kind, folder: TempDir::with_prefix("story-").unwrap(), mark }
    }

    /// The example `name`, as this driver names its image.
    fn image(&self, name: &str) -> String {
        match self.kind {
            "process" => binaries::image(name),
            _ => Image::of(name).archive(&self.path(&format!("{name}.tar"))),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The example `name` as a function.
    fn function(&self, id: &str, name: &str) -> Function {
        let mut function = Function::new(id, self.image(name));
        let (key, value) = self.mark.split_once('=').unwrap();
        function.config.insert(key.to_owned(), value.to_owned());
        function.memory_mb = 64;
        function.timeout = Duration::from_secs(20);
        function
    }

    /// An agent with this driver, whose containers freeze as soon as they idle.
    fn agent(&self) -> Agent {
        let mut builder = Agent::builder().driver(self.driver.clone());
        builder.config = Config {
            iofs_root: self.path("iofs"),
            state_dir: self.path("state"),
            freeze_idle: Some(Duration::ZERO),
            start_timeout: PATIENCE,
            ..Config::default()
        };
        builder.start().unwrap()
    }

    /// The example `faulty` on its own, told what to do by its standard input and `start`.
    async fn spec(&self, start: &str) -> Spec {
        let image = self.image("faulty");
        self.driver.prepare(&image).await.unwrap();
        let (key, value) = self.mark.split_once('=').unwrap();
        let env = [(key, value), ("FAULTY_START", start), ("FAULTY_RAW", "1"), ("FN_FORMAT", "json")];
        Spec {
            id: ulid(),
            node: ulid(),
            function: "story".to_owned(),
            image,
            dir: None,
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            iofs: None,
            pipes: true,
            memory_mb: 64,
            cpu_milli: 0,
            connections_max: 1,
        }
    }
}

/// A name that nobody else has.
fn ulid() -> String {
    hotfn_protocols::CallId::new().to_string().to_ascii_lowercase()
}

/// What `function` answers.
async fn ask(agent: &Agent, function: &str, body: &str) -> Result<String, Fault> {
    let call = Call::new(function, body.to_owned());
    let reply = tokio::time::timeout(PATIENCE, agent.invoke(call)).await.expect("an answer in good time")?;
    Ok(String::from_utf8_lossy(&reply.body.gather(1 << 20).await.unwrap()).into_owned())
}

async fn answer(agent: &Agent, function: &str, body: &str) -> String {
    ask(agent, function, body).await.unwrap_or_else(|fault| panic!("{function} {body:?}: {fault}"))
}

/// Lines of log as they come.
type Lines = mpsc::UnboundedReceiver<(Stdio, String)>;

fn log() -> (LogLine, Lines) {
    let (tell, lines) = mpsc::unbounded_channel();
    let log: LogLine = Arc::new(move |stdio, line: &[u8]| {
        let _ = tell.send((stdio, String::from_utf8_lossy(line).into_owned()));
        Heard::Kept
    });
    (log, lines)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in good time")
}

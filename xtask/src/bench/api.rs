//! `cargo xtask bench api`: a node with ten thousand functions in its store.
//!
//! Four questions. Is a page of a list quick? Does a call by id cost anything more than on a node
//! with one function, and does it ever ask the store? How soon does a second node serve what was made
//! on the first? How many detached calls a second are taken, with the journal on the disk? The last
//! has the accepted calls run meanwhile, on the same cores, and waits until the last of them is over:
//! accepting what is then lost would be no feat.
//!
//! The store lies below `target`, and not where temporary files are, which may be memory.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::contender::{self, Contender, Deployed};
use super::part::Cores;
use super::process::{Process, wait_until};
use super::stage::Stage;
use super::table::Table;
use super::{hot, load};
use crate::install::{self, WRK};
use crate::step::step;
use crate::tree;

/// Functions in the store.
const FUNCTIONS: usize = 10_000;
/// Times that all pages of the list are read.
const WALKS: usize = 5;
/// Objects of a page: as many as one may have.
const PER_PAGE: usize = 100;
/// Rounds of calls to both nodes, in turns; the median counts.
const ROUNDS: usize = 5;
const CALL_CONNECTIONS: u32 = 8;
const CALL_SECONDS: u32 = 2;
/// Functions that are made to see how soon they are served elsewhere.
const MADE: usize = 10;
const DETACHED_CONNECTIONS: u32 = 64;
const DETACHED_SECONDS: u32 = 5;
/// How often a second node is asked whether it serves what was made.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is promised.
const PAGE_MS_MAX: f64 = 5.0;
const CALL_RATIO_MIN: f64 = 0.9;
const VISIBLE_MS_MAX: f64 = 1000.0;
const DETACHED_MIN: f64 = 5000.0;
/// Looks for what other nodes have written are made by the clock, and a node at work keeps better time
/// than one that sleeps. Calls meanwhile are hundreds of thousands.
const TRANSACTIONS_SLACK: f64 = 30.0;

/// Detached calls that the node took, and attempts at them that ended.
const ACCEPTED: &str = "hotfn_detached_accepted_total";
const ENDED: &str = "hotfn_detached_attempts_total";

/// Measures, tells, and fails if a promise is not kept.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let profile = match words {
        [] => "dist",
        ["--profile", profile] => profile,
        [word, ..] => bail!("unknown option {word:?}; `cargo xtask bench api` takes --profile NAME"),
    };
    step("install what the benchmark needs from Debian", || install::debian(&[WRK]))?;
    step("build", || hot::build(profile))?;
    let stage = Stage::new(Cores::All, profile)?;
    let disk = Disk::new()?;
    let many = step(&format!("start a node with {FUNCTIONS} functions"), || {
        Node::start(&stage, "many", &disk.url("many"), &functions(&stage))
    })?;
    let few = contender::node(&stage, "few", &[Deployed::new(&stage, "echo")])?;

    let mut verdicts = Verdicts::default();
    let pages = step(&format!("read the list of them, {WALKS} times"), || many.walk())?;
    verdicts.row("a page of 100 of 10,000 functions, median", pages.0, "ms", Bound::Most(PAGE_MS_MAX));
    verdicts.row("the same, 99 of 100", pages.1, "ms", Bound::None);

    let called = step("call by id, on it and on a node with one function", || called(&stage, &many, &few))?;
    verdicts.row("calls by id", called.rate, "/s", Bound::None);
    verdicts.row("to those of a node with one function", called.ratio, "", Bound::Least(CALL_RATIO_MIN));
    verdicts.row("transactions of the store meanwhile", called.transactions, "", Bound::None);
    let beyond = called.transactions - called.transactions_idle;
    verdicts.row("beyond those of an idle node", beyond, "", Bound::Most(TRANSACTIONS_SLACK));

    let visible = step("make functions, and call them on a second node", || visible(&stage, &many, &disk))?;
    verdicts.row("until a second node serves what was made, longest", visible, "ms", Bound::Most(VISIBLE_MS_MAX));

    let detached = step("detached calls, until the last is over", || many.detached(&stage))?;
    verdicts.row("detached calls accepted", detached.accepted_per_second, "/s", Bound::Least(DETACHED_MIN));
    verdicts.row("until 202, median", detached.p50_ms, "ms", Bound::None);
    verdicts.row("run, from the first to the last", detached.run_per_second, "/s", Bound::None);
    verdicts.tell()
}

/// The functions as a config file has them: one program under ten thousand names.
fn functions(stage: &Stage) -> String {
    let image = format!("process:{}", stage.built("echo").display());
    let mut text = String::new();
    for n in 0..FUNCTIONS {
        write!(
            text,
            "\n[[function]]\napp = \"bench\"\nid = \"f{n}\"\nname = \"f{n}\"\nimage = \"{image}\"\nmemory = 1\n"
        )
        .expect("a string takes all");
    }
    text
}

/// A folder on the disk, removed with this value.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Result<Self> {
        let folder = tree::target().join("bench").join(format!("api-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    fn url(&self, name: &str) -> String {
        format!("sqlite3://{}", self.0.join(name).with_extension("db").display())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A node with a store on the disk.
struct Node {
    address: SocketAddr,
    _process: Process,
}

/// What calls by id cost.
struct Called {
    rate: f64,
    ratio: f64,
    transactions: f64,
    transactions_idle: f64,
}

/// What became of detached calls.
struct Detached {
    accepted_per_second: f64,
    p50_ms: f64,
    run_per_second: f64,
}

impl Node {
    fn start(stage: &Stage, name: &str, db: &str, functions: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (config, log) = (stage.folder.join(format!("{name}.toml")), stage.folder.join(format!("{name}.log")));
        let node = format!(
            "[node]\nlisten = \"{address}\"\nmemory = 8192\nfreeze_idle_ms = -1\nstate = \"{}\"\n\n\
             [calls]\nopen_max = 1000000\nkept_max = 1000000\n",
            stage.folder.join(name).display()
        );
        fs::write(&config, node + functions).with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = stage.command(stage.built("hotfn"));
        command.args(["--log-level", "warn", "serve", "--db", db, "--config"]).arg(&config);
        let mut process = Process::spawn(&mut command, &log)?;
        wait_until("the node to listen", || {
            process.has_ended() || Client::connect(address).and_then(|mut client| client.greeted()).is_ok()
        })?;
        ensure!(!process.has_ended(), "the node ended: {}", fs::read_to_string(&log).unwrap_or_default());
        Ok(Self { address, _process: process })
    }

    /// Reads all pages of the list; median and the 99th of a hundred, in ms.
    fn walk(&self) -> Result<(f64, f64)> {
        let mut client = Client::connect(self.address)?;
        let app = client.json("GET", "/v2/apps?name=bench", "")?["items"][0]["id"].clone();
        let app = app.as_str().context("the app is not there")?;
        let mut took = Vec::new();
        for _ in 0..WALKS {
            let (mut cursor, mut seen) = (String::new(), 0);
            while seen < FUNCTIONS {
                let began = Instant::now();
                let page = client.json("GET", &format!("/v2/fns?app_id={app}&per_page={PER_PAGE}{cursor}"), "")?;
                took.push(began.elapsed().as_secs_f64() * 1e3);
                let items = page["items"].as_array().map_or(0, Vec::len);
                ensure!(items == PER_PAGE, "a page has {items} functions: {page}");
                seen += items;
                cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or_default());
            }
        }
        took.sort_by(f64::total_cmp);
        Ok((took[took.len() / 2], took[took.len() * 99 / 100]))
    }

    /// The sum of a family of metrics.
    fn metric(&self, name: &str) -> Result<f64> {
        let text = Client::connect(self.address)?.ask("GET", "/metrics", "")?;
        let lines = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|l| l.starts_with([' ', '{'])));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        Ok(values.sum())
    }

    fn transactions(&self) -> Result<f64> {
        self.metric("hotfn_store_transactions_total")
    }

    fn detached(&self, stage: &Stage) -> Result<Detached> {
        let url = format!("http://{}/invoke/f1", self.address);
        // The function is up before the clock runs.
        Client::connect(self.address)?.ask("POST", "/invoke/f1", "")?;
        let (accepted, ended) = (self.metric(ACCEPTED)?, self.metric(ENDED)?);
        let began = Instant::now();
        let headers = [("Fn-Invoke-Type", "detached")];
        let seen = load::post(stage, "the node", &url, &headers, DETACHED_CONNECTIONS, DETACHED_SECONDS)?;
        let accepted = self.metric(ACCEPTED)? - accepted;
        wait_until("the last detached call to be over", || {
            self.metric(ENDED).is_ok_and(|now| now - ended >= accepted)
        })?;
        let took = began.elapsed().as_secs_f64();
        for status in ["queued", "running", "delayed", "dead"] {
            ensure!(self.calls("f1", status)? == 0, "some of the calls are {status}");
        }
        Ok(Detached {
            accepted_per_second: seen.per_second(),
            p50_ms: seen.p50_us / 1e3,
            run_per_second: seen.calls / took,
        })
    }

    /// Calls of a function with this status, as far as a page goes.
    fn calls(&self, function: &str, status: &str) -> Result<usize> {
        let path = format!("/v2/fns/{function}/calls?status={status}");
        let page = Client::connect(self.address)?.json("GET", &path, "")?;
        page["items"].as_array().map(Vec::len).with_context(|| format!("that is no list: {page}"))
    }
}

fn called(stage: &Stage, many: &Node, few: &Contender) -> Result<Called> {
    let url = format!("http://{}/invoke/f0", many.address);
    let call = |name: &str, url: &str| {
        Ok::<_, anyhow::Error>(load::post(stage, name, url, &[], CALL_CONNECTIONS, CALL_SECONDS)?.per_second())
    };
    call("the node", &url)?;
    let (mut rates, mut ratios, mut during, mut idle) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for _ in 0..ROUNDS {
        let before = many.transactions()?;
        let began = Instant::now();
        let rate = call("the node", &url)?;
        let took = began.elapsed();
        let between = many.transactions()?;
        thread::sleep(took);
        during += between - before;
        idle += many.transactions()? - between;
        rates.push(rate);
        ratios.push(rate / call("the node with one function", &few.url())?);
    }
    Ok(Called { rate: median(rates), ratio: median(ratios), transactions: during, transactions_idle: idle })
}

/// The longest it took until a second node with the same store served what the first had made, in ms.
fn visible(stage: &Stage, first: &Node, disk: &Disk) -> Result<f64> {
    let second = Node::start(stage, "second", &disk.url("many"), "")?;
    let (mut here, mut there) = (Client::connect(first.address)?, Client::connect(second.address)?);
    let app = here.json("GET", "/v2/apps?name=bench", "")?["items"][0]["id"].clone();
    let image = format!("process:{}", stage.built("echo").display());
    let mut longest = 0.0_f64;
    for n in 0..MADE {
        let body = json!({"app_id": app, "name": format!("made{n}"), "image": image, "memory": 1});
        let made = here.json("POST", "/v2/fns", &body.to_string())?;
        let path = format!("/invoke/{}", made["id"].as_str().context("no function was made")?);
        let began = Instant::now();
        // Another method tells nothing of functions; this asks for one without starting it.
        while there.status("POST", &path, "Fn-Invoke-Type: detached\r\n")? == 404 {
            ensure!(began.elapsed() < Duration::from_secs(30), "the second node never served {path}");
            thread::sleep(LOOK_EVERY);
        }
        longest = longest.max(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(longest)
}

/// A connection that asks one thing after another.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn greeted(&mut self) -> Result<()> {
        self.ask("GET", "/version", "").map(drop)
    }

    fn json(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        let text = self.ask(method, path, body)?;
        serde_json::from_str(&text).with_context(|| format!("{method} {path} was answered with {text:?}"))
    }

    /// The answer's body, if it went well.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String> {
        let (status, text) = self.exchange(method, path, "", body)?;
        ensure!(status == 200, "{method} {path} was answered with {status}: {text}");
        Ok(text)
    }

    fn status(&mut self, method: &str, path: &str, headers: &str) -> Result<u16> {
        Ok(self.exchange(method, path, headers, "")?.0)
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<(u16, String)> {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut status = None;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let line = line.trim_end();
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
                _ if status.is_none() => status = line.split(' ').nth(1).and_then(|code| code.parse().ok()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let status = status.with_context(|| format!("{method} {path} was not answered"))?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// What a figure is to be.
enum Bound {
    Least(f64),
    Most(f64),
    /// It is told, and nothing was promised.
    None,
}

#[derive(Default)]
struct Verdicts {
    rows: Vec<Vec<String>>,
    missed: usize,
}

impl Verdicts {
    fn row(&mut self, what: &str, is: f64, unit: &str, bound: Bound) {
        let show = |value: f64| match value {
            100.0.. => format!("{value:.0} {unit}"),
            _ => format!("{value:.2} {unit}"),
        };
        let (to_be, holds) = match bound {
            Bound::Least(least) => (format!("≥ {}", show(least)), is >= least),
            Bound::Most(most) => (format!("≤ {}", show(most)), is <= most),
            Bound::None => (String::new(), true),
        };
        let verdict = match (&*to_be, holds) {
            ("", _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        };
        self.missed += usize::from(!holds);
        self.rows.push(vec![what.to_owned(), show(is), to_be, verdict.to_owned()]);
    }

    fn tell(self) -> Result<()> {
        let title = format!("A node with {FUNCTIONS} functions in its store");
        print!("\n{}", Table::new(&title, &["what", "is", "to be", "verdict"], self.rows, 1));
        ensure!(self.missed == 0, "{} targets were missed", self.missed);
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

//! Those who are measured: started, asked once, and ended with this value.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::hot::on_core;
use crate::tree;

/// How long a contender may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Calls in flight that hotfn lets one container have: as many as nginx may keep connections.
const CONCURRENCY: u32 = 64;

/// A front, or the function without one, that listens on TCP.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Where the load goes.
    pub(crate) url: String,
    process: Process,
    /// The function behind it, where it did not start one itself.
    _function: Option<Process>,
}

/// A child that ends when this value does.
#[derive(Debug)]
struct Process(Child);

impl Contender {
    /// `hotfn serve` with the function in one container of its own making.
    pub(crate) fn hotfn(folder: &Path, pinned: bool) -> Result<Self> {
        let address = free_address()?;
        let config = folder.join("hotfn.toml");
        let echo = built("echo");
        fs::write(
            &config,
            format!(
                "[[function]]\napp = \"bench\"\nname = \"echo\"\nid = \"echo\"\nimage = \"process:{}\"\n\
                 format = \"http-stream\"\nmemory = 64\nidle_timeout = 3600\nconcurrency = {CONCURRENCY}\n",
                echo.display()
            ),
        )?;
        let mut node = on_core(Command::new(built("hotfn")), pinned);
        node.arg("serve").arg("--config").arg(&config).arg("--listen").arg(address.to_string());
        Self::start("hotfn", node, folder, address, "/invoke/echo", None)
    }

    /// nginx, which passes each request to the function's unix socket over kept-open connections.
    pub(crate) fn nginx(folder: &Path, pinned: bool) -> Result<Self> {
        let (function, socket) = function_alone(folder, pinned)?;
        let address = free_address()?;
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx_config(folder, &socket, address))?;
        let mut nginx = on_core(Command::new("nginx"), pinned);
        nginx.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(&config);
        Self::start("nginx", nginx, folder, address, "/", Some(function))
    }

    /// The same answer without a front: the `echo` of `benches`, because our function kit listens on
    /// unix sockets only and the load speaks TCP only.
    pub(crate) fn direct(folder: &Path, pinned: bool) -> Result<Self> {
        let address = free_address()?;
        let mut echo = on_core(Command::new(built("echo-tcp")), pinned);
        echo.arg(address.to_string());
        Self::start("direct", echo, folder, address, "/call", None)
    }

    /// What it holds in memory now, the function behind it left out.
    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.0.id());
        let status =
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}; did {} end?", self.name))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        kib.map(|kib: u64| kib * 1024).with_context(|| format!("no VmRSS in {path}"))
    }

    fn start(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        address: SocketAddr,
        path: &str,
        function: Option<Process>,
    ) -> Result<Self> {
        let process = spawn(&mut command, &folder.join(format!("{name}.log")))?;
        let contender = Self { name, url: format!("http://{address}{path}"), process, _function: function };
        wait_until(&format!("an answer of {name}; see {name}.log in {}", folder.display()), || answers(address, path))?;
        Ok(contender)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // TERM first, so that a node takes its containers along.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().is_ok();
        let began = Instant::now();
        while asked && began.elapsed() < Duration::from_secs(5) {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The function, started as an agent would, with the socket that it made.
fn function_alone(folder: &Path, pinned: bool) -> Result<(Process, PathBuf)> {
    let socket = folder.join("lsnr.sock");
    let mut echo = on_core(Command::new(built("echo")), pinned);
    echo.env("FN_FORMAT", "http-stream").env("FN_LISTENER", format!("unix:{}", socket.display()));
    let process = spawn(&mut echo, &folder.join("echo.log"))?;
    wait_until(&format!("the function's socket {}", socket.display()), || socket.exists())?;
    Ok((process, socket))
}

fn nginx_config(folder: &Path, socket: &Path, address: SocketAddr) -> String {
    // One process, so that its memory is one figure; the work is a worker's all the same. Limits on
    // requests a connection are lifted, since the other contenders have none.
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 1000000000;\n\
         \x20 client_body_temp_path {folder}/client_body;\n  proxy_temp_path {folder}/proxy;\n\
         \x20 fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n\
         \x20 upstream function {{\n    server unix:{socket};\n    keepalive {CONCURRENCY};\n\
         \x20   keepalive_requests 1000000000;\n    keepalive_timeout 1h;\n  }}\n\
         \x20 server {{\n    listen {address};\n    location / {{\n      proxy_pass http://function/call;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n",
        folder = folder.display(),
        socket = socket.display(),
    )
}

fn spawn(command: &mut Command, log: &Path) -> Result<Process> {
    let log = fs::File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok(Process(child))
}

fn built(name: &str) -> PathBuf {
    tree::target().join(super::hot::PROFILE).join(name)
}

/// An address of this machine that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Does a post to `path` come back with 200 and its body?
fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, START_TIMEOUT)?;
        stream.set_read_timeout(Some(START_TIMEOUT))?;
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.contains("hello"))
}

fn wait_until(what: &str, mut seen: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !seen() {
        if began.elapsed() > START_TIMEOUT {
            bail!("waited {} s in vain for {what}", START_TIMEOUT.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

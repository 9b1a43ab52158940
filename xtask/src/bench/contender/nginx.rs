//! nginx, which passes each request to the function's unix socket over kept-open connections.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};

use super::{CONCURRENCY, Contender, free_address, function_alone};
use crate::bench::stage::Stage;

/// Starts it, and the function behind it.
pub(crate) fn nginx(stage: &Stage, function: &str) -> Result<Contender> {
    let (function, socket) = function_alone(stage, "nginx", function)?;
    let address = free_address()?;
    let path = stage.folder.join("nginx.conf");
    fs::write(&path, config(&stage.folder, &socket, address))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut nginx = stage.command("nginx");
    nginx.arg("-p").arg(&stage.folder).arg("-e").arg("stderr").arg("-c").arg(&path);
    let nginx = Contender::start(stage, "nginx", nginx, address, "/", Some(function))?;
    Ok(Contender { path_large: Some(STREAMED), ..nginx })
}

/// Where bodies pass through as they come.
const STREAMED: &str = "/streamed";

/// A fair one: no limit that the other contenders do not have, and nothing logged. Small bodies meet
/// nginx as it comes. Large ones it would gather in files and lose by an order of magnitude, so there
/// is a place where it does not. One process, so that its memory is one figure; the work is a worker's all the same.
fn config(folder: &Path, socket: &Path, address: SocketAddr) -> String {
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream function {{
    server unix:{socket};
    keepalive {CONCURRENCY};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://function/call;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
    }}
    location {STREAMED} {{
      proxy_pass http://function/call;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_request_buffering off;
      proxy_buffering off;
    }}
  }}
}}
",
        folder = folder.display(),
        socket = socket.display(),
    )
}

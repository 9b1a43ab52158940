//! Is everything as it should be? One line for each thing, and what to do about it.

use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use hotfn_exec::rules::{Machine, World as _};

use super::layout::Layout;
use super::{Args, known};
use crate::command::Secret;
use crate::command::bind::{self, Bind};
use crate::config::command::{BIND, SECRET_KEY};

/// How long a service of this machine may take to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Looks, and tells. Fails if anything is wrong.
pub(crate) fn doctor(args: &Args) -> Result<ExitCode> {
    let layout = Layout::below(&args.prefix);
    let mut is_well = true;
    let mut tell = |what: &str, found: Result<String, String>| match found {
        Ok(found) => println!("ok    {what}: {found}"),
        Err(wrong) => {
            is_well = false;
            println!("wrong {what}: {wrong}");
        }
    };
    tell("program", there(&layout.program()));
    tell("unit", there(&layout.unit()));
    tell(
        "user",
        match Machine.user(&args.user) {
            Some(user) => Ok(format!("{} is {}", user.name, user.uid)),
            None => Err(format!("there is no {}; install makes it", args.user)),
        },
    );
    let lines = known(&layout.config());
    tell("config", there(&layout.config()));
    if let Ok(lines) = &lines {
        tell(
            "key",
            match lines.find(SECRET_KEY).and_then(Secret::new) {
                None => Err("there is none; rotate-key or install makes one".to_owned()),
                Some(key) if key.is_short() => Err("it is short; rotate-key makes a long one".to_owned()),
                Some(_) => Ok("it is long enough".to_owned()),
            },
        );
        match Bind::list(lines.find(BIND).unwrap_or(bind::DEFAULT)) {
            Err(what) => tell("places", Err(what)),
            Ok(places) => places.iter().for_each(|place| tell(&place.to_string(), reached(place))),
        }
    }
    tell(
        "docker0",
        match Path::new("/sys/class/net/docker0").exists() {
            true => Ok("it is there".to_owned()),
            false => Ok("it is not there; containers reach the service once it is".to_owned()),
        },
    );
    tell(
        "clock",
        match Path::new("/run/systemd/timesync/synchronized").exists() {
            true => Ok("it is set by the network".to_owned()),
            false => Ok("nobody here says that it is set; callers' clocks may differ by the window".to_owned()),
        },
    );
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn there(path: &Path) -> Result<String, String> {
    let path_shown = path.display();
    if path.exists() {
        Ok(path_shown.to_string())
    } else {
        Err(format!("{path_shown} is not there; install puts it there"))
    }
}

fn reached(place: &Bind) -> Result<String, String> {
    match place {
        Bind::Address(address) => match TcpStream::connect_timeout(address, CONNECT_TIMEOUT) {
            Ok(_) => Ok("somebody answers".to_owned()),
            Err(e) => Err(format!("nobody answers: {e}")),
        },
        Bind::Unix(path) => there(path),
        Bind::Systemd => Ok("its sockets are the service manager's".to_owned()),
    }
}

//! Putting the service on a machine, and taking it off: the platform's own script, as a subcommand.
//!
//! Each verb can be said again with the same result, and none needs a network. Names and places are
//! those of the platform's service, so that on a host which has that one an installation is an
//! upgrade: the config file stays as it is, and so do its callers. With `--prefix` the files go below
//! a folder and nothing of this machine is touched, which is what a package's build wants.

mod doctor;
mod layout;
mod system;
mod unit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use super::bind::{self, Bind};
use crate::config::command::{BIND, Lines, SECRET_KEY, SECRET_KEY_PREVIOUS};

pub(crate) use self::doctor::doctor;
use self::layout::{Layout, Put};
use self::system::System;

/// What all verbs take.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Work below this folder, and touch nothing else
    #[arg(long, value_name = "DIR", default_value = "/")]
    prefix: PathBuf,
    /// The user that commands run as
    #[arg(long, value_name = "NAME", default_value = "dffs")]
    user: String,
}

/// What an installation takes.
#[derive(clap::Args, Debug)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    args: Args,
    /// Where to listen, with commas [default: what the config says, else 127.0.0.1:8099,172.17.0.1:8099]
    #[arg(long, value_name = "LIST")]
    bind: Option<String>,
    /// The key [default: what the config says, else a new one]
    #[arg(long, value_name = "KEY")]
    secret_key: Option<String>,
}

/// Installs or upgrades, and says what there is now.
pub(crate) fn install(args: &InstallArgs) -> Result<ExitCode> {
    let InstallArgs { args: Args { prefix, user }, bind, secret_key } = args;
    if let Some(bind) = bind {
        Bind::list(bind).map_err(anyhow::Error::msg).context("--bind")?;
    }
    let (layout, system) = (Layout::below(prefix), System::of(prefix)?);
    system.add_user(user, &layout)?;
    let ours = std::env::current_exe().context("cannot find the program that runs")?;
    layout.put_program(&ours)?;
    layout.put(&layout.unit(), unit::text(user).as_bytes(), 0o644)?;

    let known = known(&layout.config())?;
    let bind = bind.as_deref().or_else(|| known.find(BIND)).unwrap_or(bind::DEFAULT);
    let (key, is_new) = match secret_key.as_deref().or_else(|| known.find(SECRET_KEY)) {
        Some(key) => (key.to_owned(), false),
        None => (new_key(), true),
    };
    let config = with(&layout.config(), &[(BIND, bind), (SECRET_KEY, &key)])?;
    let config = layout.put(&layout.config(), config.as_bytes(), 0o640)?;
    system.give(&layout.config(), user)?;
    system.restart(unit::NAME)?;

    println!("{} {}", if config == Put::Same { "kept" } else { "wrote" }, layout.config().display());
    println!("listens at {bind}");
    if is_new {
        println!("secret key: {key}");
    }
    println!("start:  systemctl start {0}\nstop:   systemctl stop {0}", unit::NAME);
    Ok(ExitCode::SUCCESS)
}

/// Makes a new key, and keeps the old one as good as it was.
pub(crate) fn rotate_key(args: &Args) -> Result<ExitCode> {
    let (layout, system) = (Layout::below(&args.prefix), System::of(&args.prefix)?);
    let path = layout.config();
    let known = known(&path)?;
    let Some(old) = known.find(SECRET_KEY) else {
        bail!("{} holds no {SECRET_KEY}; install first", path.display());
    };
    let key = new_key();
    let config = with(&path, &[(SECRET_KEY, &key), (SECRET_KEY_PREVIOUS, old)])?;
    layout.put(&path, config.as_bytes(), 0o640)?;
    system.give(&path, &args.user)?;
    system.reload(unit::NAME)?;
    println!("secret key: {key}\nthe old one is good until the next rotation");
    Ok(ExitCode::SUCCESS)
}

/// Removes the service; config and user stay, since commands may have left files of that user.
pub(crate) fn uninstall(args: &Args) -> Result<ExitCode> {
    let (layout, system) = (Layout::below(&args.prefix), System::of(&args.prefix)?);
    system.stop(unit::NAME)?;
    for path in [layout.unit(), layout.program(), layout.sysusers()] {
        if layout::remove(&path)? {
            println!("removed {}", path.display());
        }
    }
    system.forget()?;
    println!("left {} and the user {}", layout.config().display(), args.user);
    Ok(ExitCode::SUCCESS)
}

/// What a config says; nothing if there is none.
fn known(config: &Path) -> Result<Lines> {
    if !config.exists() {
        return Ok(Lines::default());
    }
    Ok(Lines::load(&|_| None, Some(config))?)
}

/// The config's text with these values, every other line as it was.
fn with(config: &Path, values: &[(&str, &str)]) -> Result<String> {
    let old = match std::fs::read_to_string(config) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", config.display())),
    };
    Ok(replace(&old, values))
}

fn replace(old: &str, values: &[(&str, &str)]) -> String {
    let known = Lines::parse(old);
    let mut text = old.to_owned();
    for (name, value) in values {
        // What means the same stays as somebody wrote it.
        if known.find(name) == Some(value) {
            continue;
        }
        let is_it = |line: &&str| line.split_once('=').is_some_and(|(n, _)| n.trim() == *name);
        let rest: Vec<&str> = text.lines().filter(|line| !is_it(line)).collect();
        text = rest.iter().map(|line| format!("{line}\n")).collect::<String>() + &format!("{name}={value}\n");
    }
    text
}

/// How many characters a key of ours has.
const KEY_CHARACTERS: usize = 32;

/// A key of the system's generator, of letters and digits.
fn new_key() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes: [u8; KEY_CHARACTERS] = super::callback::random();
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_every_other_line_stays() {
        assert_eq!(replace("", &[("A", "1"), ("B", "2")]), "A=1\nB=2\n");
        assert_eq!(replace("# a\nA = \"1\"\nC=3", &[("A", "1")]), "# a\nA = \"1\"\nC=3");
        assert_eq!(replace("# a\nA=1\nC=3\n", &[("A", "2"), ("B", "1")]), "# a\nC=3\nA=2\nB=1\n");
    }

    #[test]
    fn keys_are_long_and_never_the_same() {
        let (one, two) = (new_key(), new_key());
        assert_eq!(one.len(), KEY_CHARACTERS);
        assert!(one != two && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}

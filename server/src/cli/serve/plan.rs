//! What flags, environment and config file say, together.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hotfn_exec::rules::Rules;

use super::super::Usage;
use super::Args;
use crate::command;
use crate::config::command::Lines;
use crate::config::show::Effective;
use crate::config::{self, Config, Deployment, Settings, check, env};
use crate::connector::Definition;
use crate::tls;

/// What a node is to do.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) functions: Vec<Deployment>,
    pub(super) connectors: Vec<Definition>,
    pub(super) commands: Option<command::Settings>,
    /// Another program's, and here only to be shown.
    exec: Rules,
}

impl Plan {
    /// Reads it, to the first thing that cannot be followed.
    pub(super) fn read(args: &Args) -> anyhow::Result<Self> {
        let (file, commands) = match file(args) {
            None => (Config::default(), None),
            Some(path) => {
                let file = config::load(&path, args.driver.chosen()).map_err(Usage::of)?;
                let lines = Lines::load(&env::process, None).map_err(Usage::of)?;
                (file, config::command::load(&path, &lines).map_err(Usage::of)?)
            }
        };
        let tls = args.tls_certificate.clone().zip(args.tls_key.clone());
        let tls = tls.map(|(certificate, key)| tls::Files { certificate, key });
        let (listen, db, threads, tokens) = (args.listen.clone(), args.db.clone(), args.threads, args.tokens);
        let flags = Settings { listen, db, threads, tokens, tls, ..Settings::default() };
        let Config { settings, functions, exec, connectors } = file;
        let below = env::settings(&env::process).map_err(Usage::of)?.or(settings);
        let settings = flags.or(args.driver.over(below));
        Ok(Self { settings, functions, connectors, commands, exec })
    }

    /// All of it, to be shown.
    pub(super) fn effective(&self) -> Effective<'_> {
        let Self { settings, functions, connectors, commands, exec } = self;
        Effective { settings, exec, commands: commands.as_ref(), functions, connectors }
    }

    /// Is there a certificate that could be read again?
    pub(super) fn has_certificates(&self) -> bool {
        self.settings.tls.is_some() || self.commands.as_ref().is_some_and(|commands| commands.tls.is_some())
    }
}

/// Says everything that cannot be followed. Exit code 2 if there is anything.
pub(super) fn check(args: &Args) -> ExitCode {
    let file = file(args);
    let mut wrong = check::environment(&env::process);
    match (&file, Lines::load(&env::process, None)) {
        (Some(path), Ok(lines)) => wrong.extend(check::file(path, args.driver.chosen(), &lines)),
        (Some(_), Err(e)) => wrong.push(format!("{:#}", anyhow::Error::from(e))),
        (None, _) => {}
    }
    let what = file.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    if wrong.is_empty() {
        println!("{what}: nothing to complain about");
        return ExitCode::SUCCESS;
    }
    wrong.iter().for_each(|what| eprintln!("{what}"));
    eprintln!("hotfn: {what}: {} cannot be followed", things(wrong.len()));
    ExitCode::from(2)
}

fn things(number: usize) -> String {
    if number == 1 { "one thing".to_owned() } else { format!("{number} things") }
}

/// The config file that was asked for, or the usual one if it is there.
fn file(args: &Args) -> Option<PathBuf> {
    args.config.clone().or_else(|| Some(PathBuf::from(CONFIG)).filter(|path| Path::exists(path)))
}

/// The config file, where nobody says another.
pub(in crate::cli) const CONFIG: &str = "hotfn.toml";

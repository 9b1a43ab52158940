//! Doing what the command line says, and ending as it went.

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use super::ask::{Asked, Failure};
use super::exit::{self, Outcome};
use super::options::{Cwd, Deed, HELP, Options, Tty, USUAL};
use super::signals::Signals;
use super::talk::Version;
use super::{plain, shim, terminal};
use crate::packet::{Class, Kind, Streams, bare};
use crate::rules::{DEPTH, Pattern};

impl Options {
    /// Does it, and says how it went.
    #[must_use]
    pub fn run(mut self) -> ExitCode {
        match &self.deed {
            Deed::Help => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            Deed::InstallShim(dir) => return self.install(dir),
            Deed::Ping | Deed::Run | Deed::Stop => {}
        }
        let Some(socket) = self.socket.clone() else {
            eprintln!("hotfn exec: there is no socket to connect to; name one with --connect or in {}", shim::SOCKET);
            return exit::ours(self.compat_exit);
        };
        let outcome = match self.deed {
            Deed::Ping => return self.told(&socket, bare(Kind::Ping), true),
            Deed::Stop => {
                let packet = match self.version {
                    Version::One(_) => crate::packet::v1::Opening::Stop.encode(),
                    Version::Two => bare(Kind::Stop),
                };
                return self.told(&socket, packet, false);
            }
            _ if self.command.is_empty() => return ExitCode::SUCCESS,
            _ => self.ask(&socket),
        };
        if let Outcome::Failed(failure) = &outcome {
            eprintln!("hotfn exec: {}: {}: {failure}", socket.display(), self.command[0].display());
        }
        outcome.code(self.compat_exit, self.mirror_signal)
    }

    fn install(&self, dir: &std::path::Path) -> ExitCode {
        match shim::install(dir, &self.command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("hotfn exec: cannot install shims in {}: {e}", dir.display());
                exit::ours(self.compat_exit)
            }
        }
    }

    /// Says one thing to the server, and waits for an answer or for its end of the conversation.
    fn told(&self, socket: &std::path::Path, packet: Vec<u8>, wants_answer: bool) -> ExitCode {
        let mut room = [0; 256];
        let answer = hotfn_socket::connect_packets(socket).and_then(|packets| {
            packets.send(&packet, &[])?;
            packets.recv(&mut room)
        });
        match answer {
            Ok(answer) if (answer.bytes > 0) == wants_answer => ExitCode::SUCCESS,
            Ok(_) => {
                eprintln!("hotfn exec: {}: the server refuses", socket.display());
                exit::ours(self.compat_exit)
            }
            Err(e) => {
                eprintln!("hotfn exec: {}: {e}", socket.display());
                exit::ours(self.compat_exit)
            }
        }
    }

    fn ask(&mut self, socket: &std::path::Path) -> Outcome {
        let depth = shim::depth();
        if self.is_shim && depth >= shim::SHIM_DEPTH_MAX {
            let message = format!("it leads back to itself, {depth} times so far");
            return Outcome::Failed(Failure::Refused { class: Class::Policy, message });
        }
        let in_terminal = match self.tty {
            _ if matches!(self.version, Version::One(_)) => false,
            Tty::Always => true,
            Tty::Auto => {
                std::io::stdin().is_terminal()
                    && std::io::stdout().is_terminal()
                    && !self.command.first().is_some_and(|program| shim::wants_no_terminal(program))
            }
            Tty::Never => false,
        };
        self.complete(depth, in_terminal);
        let signals = if in_terminal { Signals::for_terminal() } else { Signals::for_streams() };
        let signals = match signals {
            Ok(signals) => signals,
            Err(source) => return Outcome::Failed(Failure::Here { what: "listen to signals", source }),
        };
        let streams: [BorrowedFd<'_>; 3] = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let Streams { stdin, stdout, stderr } = self.request.streams;
        let files: Vec<_> = streams
            .iter()
            .zip([stdin, stdout, stderr])
            .filter(|(_, rides)| *rides)
            .map(|(file, _)| file.as_fd())
            .collect();
        let mut asked = Asked::start(socket, self.version, &self.request, &files);
        if let (Cwd::Try(_), Err(Failure::Refused { class: Class::Directory, .. })) = (&self.cwd, &asked) {
            self.request.cwd = None;
            asked = Asked::start(socket, self.version, &self.request, &files);
        }
        match asked {
            Err(failure) => Outcome::Failed(failure),
            Ok(asked) if in_terminal => terminal::relay(asked, &signals),
            Ok(asked) => plain::wait(asked, &signals, self.version),
        }
    }

    /// What the request says beyond the command line.
    fn complete(&mut self, depth: u32, in_terminal: bool) {
        let request = &mut self.request;
        let mut command = self.command.iter().cloned();
        request.program = command.next().unwrap_or_default();
        request.args = command.collect();
        request.cwd = match &self.cwd {
            Cwd::Must(dir) | Cwd::Try(dir) => Some(std::path::absolute(dir).unwrap_or_else(|_| dir.clone())),
            Cwd::Theirs => None,
        };
        request.streams = Streams::ALL;
        if in_terminal {
            request.terminal = Some(self.size.unwrap_or_else(terminal::size));
            // What goes to a terminal anyway goes to the program's.
            request.streams = Streams { stdin: false, stdout: false, stderr: !std::io::stderr().is_terminal() };
        }
        let usual = if in_terminal || self.offers_usual { &USUAL[..] } else { &[] };
        let patterns: Vec<Pattern> =
            usual.iter().copied().chain(self.offered.iter().map(String::as_str)).map(Pattern::text).collect();
        let ours = std::env::vars_os()
            .filter(|(name, _)| name != DEPTH && patterns.iter().any(|pattern| pattern.fits(name.as_bytes())));
        let given = std::mem::take(&mut request.env);
        request.env = ours.chain(given).collect();
        if self.version == Version::Two && (self.is_shim || depth > 0) {
            request.env.push((DEPTH.into(), (depth + 1).to_string().into()));
        }
    }
}

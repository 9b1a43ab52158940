//! The client's command line. Read by hand, because this program is to be small.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::ask::{Asked, Failure};
use super::exit::{self, Outcome};
use super::signals::Signals;
use super::talk::Version;
use super::{plain, shim, terminal};
use crate::packet::{Class, Kind, OnClose, Request, RunAs, Size, Streams, bare};
use crate::rules::{DEPTH, Pattern};

/// What the command line can say.
pub const HELP: &str = "\
Run a program of another container as if it were here

Usage: hotfn exec [OPTIONS] [--] PROGRAM [ARG]...
       hotfn exec --install-shim DIR NAME...

Options:
  -c, --connect PATH     the server's socket [env: HOTFN_EXEC]
  -e, --env NAME=VALUE   a variable for the program; many times
      --pass NAMES       variables of ours to offer, such as PG*,LANG; many times
  -w, --workdir DIR      where it starts, on the other side
      --cwd MODE         our directory: ignore, must (it has to be there) or try [default: ignore]
      --tty WHEN         a terminal of its own: auto, always or never [default: auto]
      --size ROWSxCOLS   of a terminal that is not shown on one
      --timeout S        ends it after so many seconds
      --on-close SIG[:MS]  what it gets when we are gone, and how long before it is killed [default: TERM:2000]
      --label KEY=VALUE  for the server's log; many times
      --named            PROGRAM is a name in the server's table and never a path
      --setuid UID, --setgid GID  as whom, if the server lets us say
      --mirror-signal    end by the signal that the program ended by
      --compat-exit      128 for every failure that is not the program's, as Sidecar has it
      --wire VERSION     1 for a server of Sidecar 1.2.0 [default: 2]
      --ping             only ask whether a server is there
      --stop             ask the server to end
      --install-shim DIR NAME...  links by which programs of the other side are called as if they were here
  -h, --help             this text

Exit codes: the program's own; 128+N if it ended by signal N; 124 it took too long; 125 it was
refused, or there is no server; 126 it cannot be run, or not there; 127 there is no such program.
";

/// What is asked for. Plain data.
#[derive(Debug)]
pub struct Options {
    /// Where the server is.
    pub socket: Option<PathBuf>,
    /// What to do there.
    pub deed: Deed,
    /// The program and its arguments.
    pub command: Vec<OsString>,
    pub(super) cwd: Cwd,
    pub(super) offered: Vec<String>,
    /// Variables that tell language, time and terminal are offered, too.
    pub(super) offers_usual: bool,
    pub(super) is_shim: bool,
    request: Request,
    tty: Tty,
    size: Option<Size>,
    version: Version,
    compat_exit: bool,
    mirror_signal: bool,
}

/// What to do at the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Say what could be asked for.
    Help,
    /// Make links in this folder.
    InstallShim(PathBuf),
    /// Ask whether it is there.
    Ping,
    /// Run a program.
    Run,
    /// Ask it to end.
    Stop,
}

/// When the program gets a terminal of its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tty {
    /// Always.
    Always,
    /// When our input and our output are terminals.
    #[default]
    Auto,
    /// Never: it gets our streams as they are.
    Never,
}

/// Where it starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Cwd {
    /// Here, or it does not run.
    Must(PathBuf),
    /// Where the server has it.
    Theirs,
    /// Here, and if that is not there where the server has it.
    Try(PathBuf),
}

/// The command line cannot be followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}; see hotfn exec --help")]
pub struct Refused(String);

/// Variables of ours that are of use to a program we look at or speak to.
const USUAL: [&str; 5] = ["COLORTERM", "LANG", "LC_*", "TERM", "TZ"];

impl Options {
    pub(super) fn new(socket: impl Into<Option<PathBuf>>) -> Self {
        Self {
            socket: socket.into(),
            deed: Deed::Run,
            command: Vec::new(),
            cwd: Cwd::Theirs,
            offered: Vec::new(),
            offers_usual: false,
            is_shim: false,
            request: Request::new(""),
            tty: Tty::Auto,
            size: None,
            version: Version::Two,
            compat_exit: false,
            mirror_signal: false,
        }
    }

    /// Of the words after the program's own name.
    ///
    /// # Errors
    /// A sentence, when they cannot be followed.
    pub fn parse(args: Vec<OsString>) -> Result<Self, Refused> {
        let mut options = Self::new(std::env::var_os(shim::SOCKET).filter(|path| !path.is_empty()).map(PathBuf::from));
        let mut words = args.into_iter();
        while let Some(word) = words.next() {
            let bytes = word.as_bytes();
            if bytes == b"--" {
                break;
            }
            if !bytes.starts_with(b"-") || bytes.len() < 2 {
                options.command.push(word);
                break;
            }
            let (name, glued) = split(bytes);
            options.option(name, glued, &mut words)?;
        }
        options.command.extend(words);
        Ok(options)
    }

    fn option(
        &mut self,
        name: &str,
        glued: Option<OsString>,
        words: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), Refused> {
        let takes_none = glued.is_none();
        let mut value =
            || glued.clone().or_else(|| words.next()).ok_or_else(|| Refused(format!("{name} needs a value")));
        match name {
            "-h" | "--help" if takes_none => self.deed = Deed::Help,
            "--ping" if takes_none => self.deed = Deed::Ping,
            "--stop" if takes_none => self.deed = Deed::Stop,
            "--named" if takes_none => self.request.named = true,
            "--mirror-signal" if takes_none => self.mirror_signal = true,
            "--compat-exit" if takes_none => self.compat_exit = true,
            // Sidecar's: a program of ours always leads a group of its own and has no terminal of the
            // server's.
            "--setsid" | "--notty" | "-v" if takes_none => {}
            "--setpgid" | "--deathsig" => drop(value()?),
            "-c" | "--connect" => self.socket = Some(value()?.into()),
            "-e" | "--env" => self.request.env.push(pair(&value()?)),
            "--label" => self.request.labels.push(pair(&value()?)),
            "--pass" => self.offered.extend(text(&value()?, name)?.split(',').map(str::to_owned)),
            "-w" | "--workdir" => self.cwd = Cwd::Must(value()?.into()),
            "--cwd" => self.cwd = cwd(&text(&value()?, name)?)?,
            "--tty" => {
                self.tty = match &*text(&value()?, name)? {
                    "always" => Tty::Always,
                    "auto" => Tty::Auto,
                    "never" => Tty::Never,
                    other => return Err(Refused(format!("--tty {other:?} is not auto, always or never"))),
                }
            }
            "--size" => self.size = Some(size(&text(&value()?, name)?)?),
            "--timeout" => {
                let seconds: f64 = number(&value()?, name)?;
                let timeout = Duration::try_from_secs_f64(seconds);
                self.request.timeout = Some(timeout.map_err(|e| Refused(format!("--timeout {seconds}: {e}")))?);
            }
            "--on-close" => self.request.on_close = on_close(&text(&value()?, name)?)?,
            "--setuid" | "--setgid" => {
                let id = number::<i64>(&value()?, name)?;
                let id = if id < 0 { None } else { u32::try_from(id).ok() };
                let as_whom = self.request.run_as.get_or_insert(RunAs { uid: None, gid: None });
                *(if name == "--setuid" { &mut as_whom.uid } else { &mut as_whom.gid }) = id;
            }
            "--wire" => {
                self.version = match &*text(&value()?, name)? {
                    "1" => Version::One,
                    "2" => Version::Two,
                    other => return Err(Refused(format!("--wire {other:?} is not 1 or 2"))),
                }
            }
            "--install-shim" => self.deed = Deed::InstallShim(value()?.into()),
            _ => return Err(Refused(format!("{name} is not an option"))),
        }
        Ok(())
    }

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
                    Version::One => crate::packet::v1::Opening::Stop.encode(),
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
            _ if self.version == Version::One => false,
            Tty::Always => true,
            Tty::Auto => std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
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

/// `--name=value`, or the first two bytes of `-nvalue`.
fn split(word: &[u8]) -> (&str, Option<OsString>) {
    let own = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or("that");
    if !word.starts_with(b"--") {
        let (name, rest) = word.split_at(2);
        return (text(name), (!rest.is_empty()).then(|| own(rest)));
    }
    match word.iter().position(|b| *b == b'=') {
        Some(at) => (text(&word[..at]), Some(own(&word[at + 1..]))),
        None => (text(word), None),
    }
}

/// Without `=` the value is empty.
fn pair(word: &OsStr) -> (OsString, OsString) {
    let bytes = word.as_bytes();
    let at = bytes.iter().position(|b| *b == b'=').unwrap_or(bytes.len());
    (OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes.get(at + 1..).unwrap_or_default().to_vec()))
}

fn text(word: &OsStr, name: &str) -> Result<String, Refused> {
    word.to_str().map(str::to_owned).ok_or_else(|| Refused(format!("{name} {word:?} is not a text")))
}

fn number<T: std::str::FromStr>(word: &OsStr, name: &str) -> Result<T, Refused> {
    word.to_str().and_then(|word| word.parse().ok()).ok_or_else(|| Refused(format!("{name} {word:?} is not a number")))
}

fn cwd(mode: &str) -> Result<Cwd, Refused> {
    let here = || std::env::current_dir().map_err(|e| Refused(format!("our own directory cannot be told: {e}")));
    match mode {
        "ignore" => Ok(Cwd::Theirs),
        "must" => Ok(Cwd::Must(here()?)),
        "try" => Ok(Cwd::Try(here()?)),
        other => Err(Refused(format!("--cwd {other:?} is not ignore, must or try"))),
    }
}

fn size(word: &str) -> Result<Size, Refused> {
    let parsed = word.split_once('x').and_then(|(rows, columns)| {
        Some(Size { rows: rows.parse().ok()?, columns: columns.parse().ok()?, ..Size::default() })
    });
    parsed.ok_or_else(|| Refused(format!("--size {word:?} is not of the form 24x80")))
}

fn on_close(word: &str) -> Result<OnClose, Refused> {
    let (signal, grace) = word.split_once(':').unwrap_or((word, "2000"));
    let known = SIGNALS.iter().find(|(name, _)| *name == signal.trim_start_matches("SIG"));
    let signal = known.map(|(_, number)| *number).or_else(|| signal.parse().ok().filter(|n| (1..=64).contains(n)));
    match (signal, grace.parse()) {
        (Some(signal), Ok(ms)) => Ok(OnClose { signal, grace: Duration::from_millis(ms) }),
        _ => Err(Refused(format!("--on-close {word:?} is not of the form TERM:2000"))),
    }
}

/// Those with which programs are ended.
const SIGNALS: [(&str, i32); 7] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("TERM", libc::SIGTERM),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refused> {
        Options::parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn options_end_where_the_program_begins() {
        let options = parse("-c /s -e A=1=2 -eB --workdir=/tmp git -c x").unwrap();
        assert_eq!(options.socket, Some("/s".into()));
        assert_eq!(options.command, ["git", "-c", "x"]);
        assert_eq!(options.request.env, [("A".into(), "1=2".into()), ("B".into(), "".into())]);
        assert_eq!(options.cwd, Cwd::Must("/tmp".into()));
        assert_eq!(parse("--connect /s -- -c").unwrap().command, ["-c"]);
    }

    #[test]
    fn what_sidecar_takes_is_taken() {
        let options = parse("--setuid -1 --setgid 5 --setsid --notty --setpgid 0 --deathsig KILL -v x").unwrap();
        assert_eq!(options.request.run_as, Some(RunAs { uid: None, gid: Some(5) }));
        assert_eq!(options.command, ["x"]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_what_would_do() {
        for (line, reason) in [
            ("--tty maybe x", "auto, always or never"),
            ("--nonsense x", "--nonsense is not an option"),
            ("--ping=1", "--ping is not an option"),
            ("--connect", "needs a value"),
            ("--size 24", "24x80"),
            ("--timeout soon x", "not a number"),
            ("--timeout -1 x", "--timeout -1"),
            ("--on-close SIGNOPE x", "TERM:2000"),
            ("--wire 3 x", "not 1 or 2"),
        ] {
            let e = parse(line).map(|_| ()).unwrap_err().to_string();
            assert!(e.contains(reason), "{line}: {e}");
        }
        let ended = parse("--on-close SIGINT:70 x").unwrap().request.on_close;
        assert_eq!(ended, OnClose { signal: 2, grace: Duration::from_millis(70) });
    }
}

//! The client's command line. Read by hand, because this program is to be small.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use super::shim;
use super::talk::Version;
use crate::packet::{OnClose, Request, RunAs, Size, v1};

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
      --tty WHEN         a terminal of its own: auto, always or never [default: auto, which is never for the
                         programs in HOTFN_EXEC_NO_TTY, such as git,pg_*]
      --size ROWSxCOLS   of a terminal that is not shown on one
      --timeout S        ends it after so many seconds
      --on-close SIG[:MS]  what it gets when we are gone, and how long before it is killed [default: TERM:2000]
      --label KEY=VALUE  for the server's log; many times
      --named            PROGRAM is a name in the server's table and never a path
      --setuid UID, --setgid GID  as whom, if the server lets us say
      --mirror-signal    end by the signal that the program ended by
      --compat-exit      128 for every failure that is not the program's, as Sidecar has it
      --notty            no terminal of its own, and none of the server's: --tty never
      --setsid           in a session of its own; with --wire 2 it leads a group, by which it is ended
      --setpgid PGID     with --wire 1 the group it joins; 0: one of its own, which --wire 2 gives it anyway
      --deathsig SIG     with --wire 1 what it gets when the server dies; with --wire 2 that is KILL
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
    pub(super) request: Request,
    pub(super) tty: Tty,
    pub(super) size: Option<Size>,
    pub(super) version: Version,
    pub(super) compat_exit: bool,
    pub(super) mirror_signal: bool,
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

/// What only has a meaning once all words are read: version 1 can ask for what version 2 always does,
/// or never.
#[derive(Debug, Default)]
struct Said {
    is_one: bool,
    startup: v1::Startup,
    on_close: Option<OnClose>,
}

impl Said {
    fn settle(self, mut options: Options) -> Result<Options, Refused> {
        let Self { is_one, startup, on_close } = self;
        if startup.no_terminal && options.tty == Tty::Always {
            return Err(Refused("--notty and --tty always contradict each other; say one of them".to_owned()));
        }
        if startup.no_terminal {
            options.tty = Tty::Never;
        }
        if is_one {
            options.version = Version::One(startup);
            // As its own client: its server sends one signal and does not come back to it.
            options.request.on_close =
                on_close.unwrap_or_else(|| OnClose { signal: libc::SIGKILL, ..OnClose::default() });
            return Ok(options);
        }
        let needs_one =
            |what: String| Err(Refused(format!("{what}; only a server of Sidecar does that, with --wire 1")));
        match startup {
            v1::Startup { pgid: Some(pgid @ 1..), .. } => needs_one(format!("--setpgid {pgid} joins another group")),
            v1::Startup { death_signal, .. } if death_signal != libc::SIGKILL => {
                needs_one(format!("--deathsig {death_signal} lets a program outlive its server"))
            }
            _ => {
                options.request.on_close = on_close.unwrap_or_default();
                Ok(options)
            }
        }
    }
}

/// Variables of ours that are of use to a program we look at or speak to.
pub(super) const USUAL: [&str; 5] = ["COLORTERM", "LANG", "LC_*", "TERM", "TZ"];

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
        let mut said = Said::default();
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
            options.option(name, glued, &mut words, &mut said)?;
        }
        options.command.extend(words);
        said.settle(options)
    }

    fn option(
        &mut self,
        name: &str,
        glued: Option<OsString>,
        words: &mut impl Iterator<Item = OsString>,
        said: &mut Said,
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
            // Sidecar tells more with it. We have nothing to tell.
            "-v" if takes_none => {}
            "--setsid" if takes_none => said.startup.setsid = true,
            "--notty" if takes_none => said.startup.no_terminal = true,
            "--setpgid" => said.startup.pgid = Some(number(&value()?, name)?),
            "--deathsig" => said.startup.death_signal = signal(&text(&value()?, name)?, name)?,
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
            "--on-close" => said.on_close = Some(on_close(&text(&value()?, name)?)?),
            "--setuid" | "--setgid" => {
                let id = number::<i64>(&value()?, name)?;
                let id = if id < 0 { None } else { u32::try_from(id).ok() };
                let as_whom = self.request.run_as.get_or_insert(RunAs { uid: None, gid: None });
                *(if name == "--setuid" { &mut as_whom.uid } else { &mut as_whom.gid }) = id;
            }
            "--wire" => {
                said.is_one = match &*text(&value()?, name)? {
                    "1" => true,
                    "2" => false,
                    other => return Err(Refused(format!("--wire {other:?} is not 1 or 2"))),
                }
            }
            "--install-shim" => self.deed = Deed::InstallShim(value()?.into()),
            _ => return Err(Refused(format!("{name} is not an option"))),
        }
        Ok(())
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
    let (name, grace) = word.split_once(':').unwrap_or((word, "2000"));
    match (signal_of(name), grace.parse()) {
        (Some(signal), Ok(ms)) => Ok(OnClose { signal, grace: Duration::from_millis(ms) }),
        _ => Err(Refused(format!("--on-close {word:?} is not of the form TERM:2000"))),
    }
}

fn signal(word: &str, name: &str) -> Result<i32, Refused> {
    signal_of(word).ok_or_else(|| Refused(format!("{name} {word:?} is not a signal like TERM or 15")))
}

/// By name, with or without `SIG`, or by number.
fn signal_of(word: &str) -> Option<i32> {
    let known = SIGNALS.iter().find(|(name, _)| *name == word.trim_start_matches("SIG"));
    known.map(|(_, number)| *number).or_else(|| word.parse().ok().filter(|number| (1..=64).contains(number)))
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
        assert_eq!((options.tty, options.version), (Tty::Never, Version::Two));
        assert_eq!(options.command, ["x"]);
        let options = parse("--deathsig SIGTERM --setpgid 7 --notty --wire 1 x").unwrap();
        let startup =
            v1::Startup { pgid: Some(7), no_terminal: true, death_signal: libc::SIGTERM, ..v1::Startup::default() };
        assert_eq!(options.version, Version::One(startup));
    }

    #[test]
    fn a_server_that_sends_one_signal_is_asked_to_send_kill() {
        let signal = |line: &str| parse(line).unwrap().request.on_close.signal;
        assert_eq!((signal("--wire 1 x"), signal("x")), (libc::SIGKILL, libc::SIGTERM));
        assert_eq!(signal("--on-close INT --wire 1 x"), libc::SIGINT);
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
            ("--notty --tty always x", "contradict"),
            ("--deathsig TERM x", "with --wire 1"),
            ("--deathsig SIGNOPE x", "not a signal"),
            ("--setpgid 7 x", "with --wire 1"),
        ] {
            let e = parse(line).map(|_| ()).unwrap_err().to_string();
            assert!(e.contains(reason), "{line}: {e}");
        }
        let ended = parse("--on-close SIGINT:70 x").unwrap().request.on_close;
        assert_eq!(ended, OnClose { signal: 2, grace: Duration::from_millis(70) });
    }
}

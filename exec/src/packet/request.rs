//! What a caller asks for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use super::fields::{Fields, Numbers, Writer, unknown};
use super::{Invalid, Limits};

/// A program to be run. Plain data; texts are any bytes but NUL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// A path, or a name that the server looks for.
    pub program: OsString,
    /// Its arguments, without its own name.
    pub args: Vec<OsString>,
    /// Its own name, where that is not `program`.
    pub arg0: Option<OsString>,
    /// Variables, the later over the earlier.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts: absolute. Default: as the server decides.
    pub cwd: Option<PathBuf>,
    /// Which of its standard streams ride along; the others lead nowhere.
    pub streams: Streams,
    /// A terminal of this size, made by the server, for the streams that do not ride along.
    pub terminal: Option<Size>,
    /// As whom.
    pub run_as: Option<RunAs>,
    /// What is done when the caller is gone.
    pub on_close: OnClose,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// It may outlive the caller.
    pub detach: bool,
    /// For logs: a call's id, a function.
    pub labels: Vec<(OsString, OsString)>,
    /// `program` is a name in the server's command table, never a path.
    pub named: bool,
}

/// Which of the three standard streams ride along, in order.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Streams {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Width in pixels, 0 where nobody knows.
    pub x_pixels: u16,
    /// Height in pixels, 0 where nobody knows.
    pub y_pixels: u16,
}

/// A user and a group; `None` leaves what the server would choose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunAs {
    /// The user's id.
    pub uid: Option<u32>,
    /// The group's id.
    pub gid: Option<u32>,
}

/// How a program ends whose caller is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OnClose {
    /// What it is told first.
    pub signal: i32,
    /// How long it then has before it is killed.
    pub grace: Duration,
}

impl Default for OnClose {
    fn default() -> Self {
        Self { signal: 15, grace: Duration::from_secs(2) }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: 24, columns: 80, x_pixels: 0, y_pixels: 0 }
    }
}

impl Streams {
    /// All three.
    pub const ALL: Self = Self { stdin: true, stdout: true, stderr: true };

    pub(super) fn bits(self) -> u8 {
        u8::from(self.stdin) | u8::from(self.stdout) << 1 | u8::from(self.stderr) << 2
    }

    pub(super) fn of(bits: u8) -> Result<Self, Invalid> {
        if bits > 7 {
            return Err(Invalid::Malformed("there are three standard streams"));
        }
        Ok(Self { stdin: bits & 1 != 0, stdout: bits & 2 != 0, stderr: bits & 4 != 0 })
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> usize {
        self.bits().count_ones() as usize
    }
}

/// A number that stands for "leave it".
const LEAVE: u32 = u32::MAX;

mod tag {
    pub(super) const ARG: u16 = 0x8001;
    pub(super) const ARG0: u16 = 0x0002;
    pub(super) const ENV: u16 = 0x0003;
    pub(super) const CWD: u16 = 0x0004;
    pub(super) const STDIO: u16 = 0x8005;
    pub(super) const TTY: u16 = 0x8006;
    pub(super) const RUNAS: u16 = 0x8007;
    pub(super) const ON_CLOSE: u16 = 0x0008;
    pub(super) const TIMEOUT: u16 = 0x0009;
    pub(super) const DETACH: u16 = 0x800A;
    pub(super) const LABEL: u16 = 0x000B;
    pub(super) const NAMED: u16 = 0x800C;
}

impl Request {
    /// `program`, with nothing else.
    #[must_use]
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            arg0: None,
            env: Vec::new(),
            cwd: None,
            streams: Streams::default(),
            terminal: None,
            run_as: None,
            on_close: OnClose::default(),
            timeout: None,
            detach: false,
            labels: Vec::new(),
            named: false,
        }
    }

    /// The body of a `REQUEST`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        for arg in std::iter::once(&self.program).chain(&self.args) {
            w.put(tag::ARG, arg.as_bytes());
        }
        if let Some(arg0) = &self.arg0 {
            w.put(tag::ARG0, arg0.as_bytes());
        }
        for (name, value) in &self.env {
            w.parts(tag::ENV, &[name.as_bytes(), b"=", value.as_bytes()]);
        }
        if let Some(cwd) = &self.cwd {
            w.put(tag::CWD, cwd.as_os_str().as_bytes());
        }
        w.put(tag::STDIO, &[self.streams.bits()]);
        if let Some(size) = self.terminal {
            let numbers = [size.rows, size.columns, size.x_pixels, size.y_pixels].map(u16::to_le_bytes);
            w.put(tag::TTY, numbers.as_flattened());
        }
        if let Some(RunAs { uid, gid }) = self.run_as {
            w.put(tag::RUNAS, [uid, gid].map(|id| id.unwrap_or(LEAVE).to_le_bytes()).as_flattened());
        }
        let grace_ms = u32::try_from(self.on_close.grace.as_millis()).unwrap_or(u32::MAX);
        w.put(tag::ON_CLOSE, [self.on_close.signal.to_le_bytes(), grace_ms.to_le_bytes()].as_flattened());
        if let Some(timeout) = self.timeout {
            w.put(tag::TIMEOUT, &u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        }
        if self.detach {
            w.put(tag::DETACH, &[1]);
        }
        for (name, value) in &self.labels {
            w.parts(tag::LABEL, &[name.as_bytes(), b"=", value.as_bytes()]);
        }
        if self.named {
            w.put(tag::NAMED, &[1]);
        }
        w.bytes
    }

    /// Of the body of a `REQUEST`.
    ///
    /// # Errors
    /// When something in it cannot be, is missing, or is beyond `limits`.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, Invalid> {
        let mut counted = Counted { limits, strings_bytes: 0, args: 0, env: 0 };
        let mut program = None;
        let mut streams = None;
        let mut request = Self::new("");
        for field in Fields::of(body) {
            let (tag, value) = field?;
            let mut numbers = Numbers(value);
            match tag {
                tag::ARG => {
                    let arg = counted.arg(value)?;
                    match &program {
                        None => program = Some(arg),
                        Some(_) => request.args.push(arg),
                    }
                }
                tag::ARG0 => request.arg0 = Some(counted.arg(value)?),
                tag::ENV => request.env.push(counted.variable(value)?),
                tag::CWD => request.cwd = Some(directory(counted.text(value)?)?),
                tag::STDIO => streams = Some(Streams::of(numbers.u8()?)?),
                tag::TTY => {
                    let [rows, columns] = [numbers.u16()?, numbers.u16()?];
                    let [x_pixels, y_pixels] = [numbers.u16()?, numbers.u16()?];
                    request.terminal = Some(Size { rows, columns, x_pixels, y_pixels });
                }
                tag::RUNAS => {
                    let [uid, gid] = [numbers.u32()?, numbers.u32()?].map(|id| (id != LEAVE).then_some(id));
                    request.run_as = Some(RunAs { uid, gid });
                }
                tag::ON_CLOSE => {
                    let signal = numbers.i32()?;
                    if !(1..=64).contains(&signal) {
                        return Err(Invalid::Malformed("a signal is a number from 1 to 64"));
                    }
                    request.on_close = OnClose { signal, grace: Duration::from_millis(numbers.u32()?.into()) };
                }
                tag::TIMEOUT => request.timeout = Some(Duration::from_millis(numbers.u64()?)),
                tag::DETACH => request.detach = numbers.u8()? != 0,
                tag::LABEL => request.labels.push(counted.variable(value)?),
                tag::NAMED => request.named = numbers.u8()? != 0,
                _ => {
                    unknown(tag)?;
                    continue;
                }
            }
            let is_text = matches!(tag, tag::ARG | tag::ARG0 | tag::ENV | tag::CWD | tag::LABEL);
            if !is_text {
                numbers.end()?;
            }
        }
        request.program = program.ok_or(Invalid::Malformed("a request names no program"))?;
        request.streams = streams.ok_or(Invalid::Malformed("a request does not say which streams ride along"))?;
        if request.program.is_empty() {
            return Err(Invalid::Malformed("a program has no name"));
        }
        if request.terminal.is_some() && (request.streams.stdin || request.streams.stdout) {
            return Err(Invalid::Malformed("with a terminal neither standard input nor output rides along"));
        }
        Ok(request)
    }
}

/// What has been read of texts, held to its bounds.
struct Counted<'l> {
    limits: &'l Limits,
    strings_bytes: usize,
    args: usize,
    env: usize,
}

impl Counted<'_> {
    fn arg(&mut self, value: &[u8]) -> Result<OsString, Invalid> {
        self.args += 1;
        within("the number of arguments", self.args, self.limits.args_max)?;
        self.text(value)
    }

    fn variable(&mut self, value: &[u8]) -> Result<(OsString, OsString), Invalid> {
        self.env += 1;
        within("the number of variables", self.env, self.limits.env_max)?;
        let text = self.text(value)?;
        let at = text.as_bytes().iter().position(|b| *b == b'=').filter(|at| *at > 0);
        let at = at.ok_or(Invalid::Malformed("a variable is not of the form NAME=VALUE"))?;
        let (name, value) = text.as_bytes().split_at(at);
        Ok((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(&value[1..]).to_owned()))
    }

    fn text(&mut self, value: &[u8]) -> Result<OsString, Invalid> {
        within("a text", value.len(), self.limits.string_bytes_max)?;
        self.strings_bytes += value.len();
        within("all of the texts", self.strings_bytes, self.limits.strings_bytes_max)?;
        if value.contains(&0) {
            return Err(Invalid::Malformed("a text contains a NUL"));
        }
        Ok(OsString::from_vec(value.to_owned()))
    }
}

fn within(what: &'static str, size: usize, max: usize) -> Result<(), Invalid> {
    if size <= max { Ok(()) } else { Err(Invalid::TooLarge { what, max }) }
}

fn directory(path: OsString) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(path);
    if path.is_absolute() { Ok(path) } else { Err(Invalid::Malformed("a working directory is not an absolute path")) }
}

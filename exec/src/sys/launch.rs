//! From a job made ready to a process that runs it.
//!
//! The child is not forked but cloned with our memory, as `posix_spawn` does: until it has become
//! the program it runs on our pages, on a stack of its own, while the thread that made it stands
//! still. Nothing is copied, however large we are, and no page of ours is write-protected only for
//! every thread to fault on it afterwards, as after a fork. The price is the care taken below: the
//! child makes system calls on values that were ready before, and nothing else; it allocates
//! nothing, takes no lock, and no signal reaches it before all dispositions are the default ones.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::LazyLock;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::descriptors::{close_on_exec_from, take_descriptors_below};
use super::signals::signals_as_at_birth;
use super::stack::Stack;
use super::{last_errno, leave_terminal};
use crate::Leads;
use crate::shelf::Held;

/// A job with everything ready that its process needs.
pub(crate) struct Launch<'a> {
    pub(crate) parent: Pid,
    pub(crate) program: CString,
    /// Its descriptors. The file, if there is one, is to be run instead of whatever has the program's
    /// path.
    pub(crate) held: Held<'a>,
    /// Its name and its arguments.
    pub(crate) args: Vec<CString>,
    /// `NAME=VALUE`.
    pub(crate) env: Vec<CString>,
    pub(crate) leads: Leads,
    pub(crate) ids: Option<(Uid, Gid, Vec<Gid>)>,
    pub(crate) rlimits: Vec<(Resource, Rlimit)>,
    pub(crate) no_new_privs: bool,
    /// What it gets when the thread that started it ends.
    pub(crate) death_signal: Option<Signal>,
    pub(crate) ignored: Vec<Signal>,
}

/// What the child did not get done, and the system's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

/// What the child does, in this order: what cannot be undone by a later step comes first, and what
/// would be in the way of one comes last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Clone,
    Table,
    Session,
    ControlGroup,
    Limits,
    Identity,
    ParentDeath,
    Privileges,
    Signals,
    Directory,
    Streams,
    Terminal,
    Descriptors,
    Exec,
}

impl Step {
    /// As a verb.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Clone => "make a process",
            Self::Table => "give it descriptors of its own",
            Self::Session => "give it a session or group of its own",
            Self::ControlGroup => "put it into its control group",
            Self::Limits => "set its limits",
            Self::Identity => "make it another user's",
            Self::ParentDeath => "have it die with us",
            Self::Privileges => "keep it from gaining privileges",
            Self::Signals => "reset its signals",
            Self::Directory => "enter its working directory",
            Self::Streams => "connect its standard streams",
            Self::Terminal => "give it its terminal",
            Self::Descriptors => "close our descriptors in it",
            Self::Exec => "run it",
        }
    }
}

/// Starts the process. When this returns it is the program, or has failed and is gone.
pub(crate) fn launch(launch: &Launch<'_>, stack: &mut Stack) -> Result<(Pid, OwnedFd), Failed> {
    let (args, env) = (pointers(&launch.args), pointers(&launch.env));
    let birth = Birth { launch, args, env, joined: Cell::new(false), failed: Cell::new(None) };
    let mut pidfd: libc::c_int = -1;
    let mut pid = -1;
    if let Some(group) = launch.held.cgroup() {
        birth.joined.set(true);
        pid = clone_into(group, &birth, stack, &mut pidfd);
        // Where that is not to be had the child joins by itself, which can take the kernel long: it
        // waits until every processor has noticed.
        birth.joined.set(pid > 0);
    }
    if pid <= 0 {
        let flags = shared() | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: `be_born` has the signature that `clone` asks for and never returns to a caller's
        // frame. `stack` is mapped, writable, aligned, and ours alone: it is borrowed exclusively, and
        // with CLONE_VFORK this call does not return before the child has let go of it, by `execve` or
        // `_exit`. `birth` and all that it points to live until then for the same reason, and while
        // the child uses it this thread stands still, so that its `Cell` is never used by two at once.
        // `pidfd` is a valid place for the descriptor that CLONE_PIDFD writes.
        pid = unsafe {
            libc::clone(be_born, stack.top(), flags, ptr::from_ref(&birth).cast_mut().cast(), &raw mut pidfd)
        };
    }
    let Some(pid) = Pid::from_raw(pid.max(0)) else {
        return Err(Failed { step: Step::Clone, errno: last_errno() });
    };
    // SAFETY: the call succeeded, so the kernel has put a new descriptor there that nobody owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    match birth.failed.get() {
        None => Ok((pid, pidfd)),
        Some(failed) => {
            // It has ended; this only takes its entry away.
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            Err(failed)
        }
    }
}

/// What a child has of ours: the memory until it is its program, the descriptors until its first step.
///
/// But for valgrind, which ends a program that makes a process with its own descriptors: there the child
/// gets copies, and its first step drops them.
fn shared() -> libc::c_int {
    static SHARED: LazyLock<libc::c_int> = LazyLock::new(|| {
        let preloaded = std::env::var_os("LD_PRELOAD").unwrap_or_default();
        let files = if preloaded.to_string_lossy().contains("/vgpreload_") { 0 } else { libc::CLONE_FILES };
        libc::CLONE_VM | libc::CLONE_VFORK | files
    });
    *SHARED
}

/// The kernel's number, which the C library's type has no room for.
#[cfg(target_arch = "x86_64")]
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// As `clone`, into a control group from the first. Not above 0 if the kernel does not do that, or
/// this processor is not one that it was written for.
#[cfg(target_arch = "x86_64")]
fn clone_into(group: &OwnedFd, birth: &Birth<'_>, stack: &mut Stack, pidfd: &mut libc::c_int) -> libc::pid_t {
    let flags = shared() | libc::CLONE_PIDFD;
    // SAFETY: a plain structure of integers, for which all zero is a value: nothing asked for.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = i64::from(flags).cast_unsigned() | CLONE_INTO_CGROUP;
    args.pidfd = ptr::from_mut(pidfd) as u64;
    args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
    args.stack = stack.base_of_use() as u64;
    args.stack_size = Stack::BYTES as u64;
    args.cgroup = group.as_raw_fd().unsigned_abs().into();
    let mut answer = libc::SYS_clone3;
    // SAFETY: as for `clone` in `launch`, with the one difference that the C library has no face for
    // this call. The child returns from it on the new stack, whose top is aligned as a call wants it,
    // with the registers of its parent; it touches nothing of the parent's frame but calls `be_born`,
    // which never returns. The parent finds its own stack and registers as they were, but for those
    // that the kernel uses.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inout("rax") answer,
            in("rdi") &raw const args,
            in("rsi") size_of_val(&args),
            in("r12") ptr::from_ref(birth),
            in("r13") be_born as extern "C" fn(*mut libc::c_void) -> libc::c_int,
            out("rcx") _,
            out("r11") _,
        );
    }
    libc::pid_t::try_from(answer).unwrap_or(-1)
}

#[cfg(not(target_arch = "x86_64"))]
fn clone_into(_: &OwnedFd, _: &Birth<'_>, _: &mut Stack, _: &mut libc::c_int) -> libc::pid_t {
    -1
}

/// What the child is given.
struct Birth<'a> {
    launch: &'a Launch<'a>,
    args: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    /// It is in its control group from the first.
    joined: Cell<bool>,
    failed: Cell<Option<Failed>>,
}

/// The child's first and last function of ours.
extern "C" fn be_born(birth: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `launch` passes a `Birth` that outlives this function, and touches it no more until
    // this process has become another or has ended.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    birth.failed.set(Some(birth.grow_up()));
    // SAFETY: ends this process without running anything of our program's on the way.
    unsafe { libc::_exit(127) }
}

impl Birth<'_> {
    /// Returns only if it fails.
    fn grow_up(&self) -> Failed {
        let done = |step, done: Result<(), Errno>| done.map_err(|errno| Failed { step, errno });
        let ready = done(Step::Table, take_descriptors_below(self.launch.held.end()))
            .and_then(|()| done(Step::Session, self.lead()))
            .and_then(|()| done(Step::ControlGroup, self.join_control_group()))
            .and_then(|()| done(Step::Limits, self.limit()))
            .and_then(|()| done(Step::Identity, self.become_user()))
            .and_then(|()| done(Step::ParentDeath, self.die_with_parent()))
            .and_then(|()| done(Step::Privileges, self.give_up_privileges()))
            .and_then(|()| done(Step::Signals, signals_as_at_birth(&self.launch.ignored)))
            .and_then(|()| done(Step::Directory, self.enter_directory()))
            .and_then(|()| done(Step::Streams, self.connect_streams()))
            .and_then(|()| done(Step::Terminal, self.take_terminal()))
            .and_then(|()| done(Step::Descriptors, close_on_exec_from(3)));
        match ready {
            Err(failed) => failed,
            Ok(()) => Failed { step: Step::Exec, errno: self.exec() },
        }
    }

    fn lead(&self) -> Result<(), Errno> {
        if self.launch.leads != Leads::Group {
            return rustix::process::setsid().map(drop);
        }
        rustix::process::setpgid(None, None)?;
        // A terminal that somebody started us from is not the child's to read, or to be stopped by.
        leave_terminal()
    }

    fn join_control_group(&self) -> Result<(), Errno> {
        let Some(group) = self.launch.held.cgroup().filter(|_| !self.joined.get()) else { return Ok(()) };
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let procs = rustix::fs::openat(group, c"cgroup.procs", flags, Mode::empty())?;
        rustix::io::write(procs, b"0").map(drop)
    }

    /// The groups first and the user last, as it is the user who may change the others. Of this
    /// process alone: the C library's calls would change every thread of the one whose memory this is.
    fn become_user(&self) -> Result<(), Errno> {
        let Some((uid, gid, groups)) = &self.launch.ids else { return Ok(()) };
        rustix::thread::set_thread_groups(groups)?;
        rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?;
        rustix::thread::set_thread_res_uid(*uid, *uid, *uid)
    }

    fn take_terminal(&self) -> Result<(), Errno> {
        if self.launch.leads != Leads::Terminal {
            return Ok(());
        }
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())
    }

    /// Set before asking, so that a parent who dies in between is noticed one way or the other; and
    /// after becoming another user, which makes the kernel forget it.
    fn die_with_parent(&self) -> Result<(), Errno> {
        let Some(signal) = self.launch.death_signal else { return Ok(()) };
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        if rustix::process::getppid() == Some(self.launch.parent) { Ok(()) } else { Err(Errno::SRCH) }
    }

    fn limit(&self) -> Result<(), Errno> {
        self.launch.rlimits.iter().try_for_each(|(resource, limit)| rustix::process::setrlimit(*resource, *limit))
    }

    fn give_up_privileges(&self) -> Result<(), Errno> {
        if self.launch.no_new_privs { rustix::thread::set_no_new_privs(true) } else { Ok(()) }
    }

    fn enter_directory(&self) -> Result<(), Errno> {
        self.launch.held.cwd().map_or(Ok(()), rustix::process::fchdir)
    }

    fn connect_streams(&self) -> Result<(), Errno> {
        let [stdin, stdout, stderr] = self.launch.held.stdio();
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)
    }

    fn exec(&self) -> Errno {
        if let Some(file) = self.launch.held.file() {
            // SAFETY: the empty path is a C string, the two lists end in a null pointer and hold
            // pointers to C strings of `launch`, all of which live until this process ends.
            unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    file.as_raw_fd(),
                    c"".as_ptr(),
                    self.args.as_ptr(),
                    self.env.as_ptr(),
                    libc::AT_EMPTY_PATH,
                )
            };
            // A script's interpreter would have to open the script by a descriptor that is closed
            // by then, which the kernel knows beforehand.
            if last_errno() != Errno::NOENT {
                return last_errno();
            }
        }
        // SAFETY: the program is a C string, the two lists end in a null pointer and hold pointers
        // to C strings of `launch`, all of which live until this process ends.
        unsafe { libc::execve(self.launch.program.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        last_errno()
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| CStr::as_ptr(string)).chain([ptr::null()]).collect()
}

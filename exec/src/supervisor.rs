//! The one thread that forks.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit};
use tokio::sync::oneshot;

use crate::child::Process;
use crate::shelf::{Held, Needs, Shelf};
use crate::sys::{self, Launch, Stack, Step};
use crate::{Child, Job, Moment, SpawnError, Stdio, children};

/// Starts and reaps child processes. Cheap to clone: there is one thread in a program, however
/// often it is asked for, because a child lives no longer than the thread that forked it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    orders: mpsc::Sender<Order>,
    /// Wakes the thread: it waits for children and for orders at the same time.
    bell: Arc<OwnedFd>,
}

/// A child, and our ends of its pipes. They do not block.
#[derive(Debug)]
pub struct Spawned {
    /// The process.
    pub child: Child,
    /// What we write here it reads.
    pub stdin: Option<OwnedFd>,
    /// Its output.
    pub stdout: Option<OwnedFd>,
    /// Its complaints.
    pub stderr: Option<OwnedFd>,
}

#[derive(Debug)]
struct Order {
    job: Job,
    answer: oneshot::Sender<Result<Spawned, SpawnError>>,
}

/// Marks the bell among the descriptors of children. No process has this number.
const BELL: u64 = 0;
/// Ends of children handled at one waking.
const EVENTS_MAX: usize = 64;

impl Supervisor {
    /// The program's supervisor; its thread is started when it is first asked for, and never ends.
    ///
    /// # Errors
    /// When a thread or a descriptor cannot be had.
    pub fn start() -> io::Result<Self> {
        static ONE: Mutex<Option<Supervisor>> = Mutex::new(None);
        let mut one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(supervisor) = &*one {
            return Ok(supervisor.clone());
        }
        let (orders, queue) = mpsc::channel();
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
        let room = Room {
            parent: rustix::process::getpid(),
            epoll,
            bell: Arc::clone(&bell),
            queue,
            shelf: Shelf::new()?,
            stack: Stack::new()?,
        };
        std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || room.run())?;
        Ok(one.insert(Self { orders, bell }).clone())
    }

    /// Starts a process. When this resolves it has become the program, or has failed to.
    ///
    /// Cancel safe: a child that nobody waits for any more is killed.
    ///
    /// # Errors
    /// When the program or its directory is not one to start with, or the system has no room.
    pub async fn spawn(&self, job: Job) -> Result<Spawned, SpawnError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { job, answer }).expect("the supervisor's thread lives as long as the program");
        // The counter can only be full after 2^64 unheard rings.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        answered.await.expect("the supervisor's thread answers every order")
    }
}

/// What the thread has before it.
struct Room {
    /// We.
    parent: Pid,
    epoll: OwnedFd,
    bell: Arc<OwnedFd>,
    queue: mpsc::Receiver<Order>,
    /// Where a child finds its descriptors; one at a time.
    shelf: Shelf,
    /// Where a child stands until it has become its program; one at a time.
    stack: Stack,
}

impl Room {
    fn run(mut self) {
        // Also of those that it starts: they must not run our handlers while they have our memory.
        sys::block_all_signals().expect("a thread may always block signals");
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => unreachable!("waiting on descriptors of our own: {e}"),
            }
            for event in &events {
                match event.data.u64() {
                    BELL => drop(rustix::io::read(&self.bell, &mut [0; 8])),
                    token => self.reap(token),
                }
            }
            while let Ok(Order { job, answer }) = self.queue.try_recv() {
                // If nobody waits any more the answer is dropped, and the child with it.
                let _ = answer.send(self.spawn(&job));
            }
        }
    }

    fn reap(&mut self, token: u64) {
        if let Some(process) = i32::try_from(token).ok().and_then(Pid::from_raw).and_then(children::get)
            && process.reap()
        {
            children::remove(process.pid);
            // Its descriptor would go on saying that it has ended, as long as somebody holds it.
            let _ = epoll::delete(&self.epoll, process.pidfd());
        }
    }

    fn spawn(&mut self, job: &Job) -> Result<Spawned, SpawnError> {
        let (stdin, their_stdin) = stream(job, &job.stdin, Flow::In)?;
        let (stdout, their_stdout) = stream(job, &job.stdout, Flow::Out)?;
        let (stderr, their_stderr) = stream(job, &job.stderr, Flow::Out)?;
        let stdio = [their_stdin, their_stdout, their_stderr];
        let needs = Needs { stdio, cwd: cwd(job)?, file: job.file.clone(), cgroup: job.cgroup.clone() };
        let held = self.shelf.hold(&needs).map_err(|e| SpawnError::os(job, "lay out its descriptors", e))?;
        let since = Moment::now();
        let started = sys::launch(&launch(job, self.parent, held)?, &mut self.stack);
        if job.ids.is_some() {
            // Until it was its program the child had our memory, and for the kernel it is the memory
            // that may not be looked at any more once its user has changed.
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
        }
        let (pid, pidfd) = started.map_err(|failed| match failed.step {
            Step::Exec => SpawnError::exec(job, failed.errno),
            Step::Directory => SpawnError::cwd(job, failed.errno),
            step => SpawnError::os(job, step.what(), failed.errno),
        })?;
        let watched = epoll::add(&self.epoll, &pidfd, EventData::new_u64(token(pid)), EventFlags::IN);
        let process = Arc::new(Process::new(pid, pidfd, since, job));
        if let Err(e) = watched {
            process.abandon();
            return Err(SpawnError::os(job, "watch over it", e));
        }
        children::add(Arc::clone(&process));
        Ok(Spawned { child: Child::new(process), stdin, stdout, stderr })
    }
}

fn token(pid: Pid) -> u64 {
    u64::from(pid.as_raw_pid().unsigned_abs())
}

#[derive(Clone, Copy)]
enum Flow {
    In,
    Out,
}

/// Our end, if there is one, and theirs.
fn stream(job: &Job, kind: &Stdio, flow: Flow) -> Result<(Option<OwnedFd>, Arc<OwnedFd>), SpawnError> {
    let ends = match kind {
        Stdio::Given(file) => Ok((None, Arc::clone(file))),
        Stdio::Null => null().map(|null| (None, Arc::new(null))),
        Stdio::Pipe => pipe(flow).map(|(ours, theirs)| (Some(ours), Arc::new(theirs))),
    };
    ends.map_err(|e| SpawnError::os(job, "make its standard streams", e))
}

fn null() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

fn pipe(flow: Flow) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (ours, theirs) = match flow {
        Flow::In => (write, read),
        Flow::Out => (read, write),
    };
    // Of our end alone: few programs can bear standard streams that do not block. A new pipe has no other
    // flag that could be set.
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

fn launch<'a>(job: &Job, parent: Pid, held: Held<'a>) -> Result<Launch<'a>, SpawnError> {
    let c = |bytes: Vec<u8>| CString::new(bytes).map_err(|e| SpawnError::os(job, "pass it a text with a NUL", e));
    let program = c(job.program.as_os_str().as_bytes().to_vec())?;
    let args = job.args.iter().map(|arg| c(arg.as_bytes().to_vec()));
    let label = job.label.iter().map(|label| (OsStr::new(label.name), label.value.as_os_str()));
    let env = job.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    let env: BTreeMap<_, _> = env.chain(label).collect();
    let env = env.into_iter().map(|(name, value)| c([name.as_bytes(), b"=", value.as_bytes()].concat()));
    let arg0 = match &job.arg0 {
        Some(arg0) => c(arg0.as_bytes().to_vec()),
        None => Ok(program.clone()),
    };
    let ids = job.ids.as_ref().map(|ids| {
        let groups = ids.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid), groups)
    });
    Ok(Launch {
        parent,
        held,
        leads: job.leads,
        ids,
        ignored: job.ignored.clone(),
        args: std::iter::once(arg0).chain(args).collect::<Result<_, _>>()?,
        program,
        env: env.collect::<Result<_, _>>()?,
        rlimits: job.rlimits.iter().map(|(resource, value)| (*resource, limit(*resource, *value))).collect(),
        no_new_privs: job.no_new_privs,
        death_signal: (!job.outlives_us).then_some(job.death_signal),
    })
}

/// Opens the directory here, where its failure cannot be taken for the program's. With `.` in it
/// being let in is part of opening it.
fn cwd(job: &Job) -> Result<Option<OwnedFd>, SpawnError> {
    let Some(cwd) = &job.cwd else { return Ok(None) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(cwd.join("."), flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) => Err(SpawnError::cwd(job, e)),
    }
}

/// A limit can be lowered by anyone; raising the hard one above ours is for the privileged.
fn limit(resource: Resource, value: u64) -> Rlimit {
    let ours = rustix::process::getrlimit(resource).maximum;
    let value = Some(ours.map_or(value, |ours| ours.min(value)));
    Rlimit { current: value, maximum: value }
}

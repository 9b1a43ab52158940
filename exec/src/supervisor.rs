//! The one thread that forks.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio as StdStdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use tokio::sync::oneshot;

use crate::child::Process;
use crate::sys::{self, Setup};
use crate::{Child, Job, SpawnError, Stdio};

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
        let room = Room { epoll, bell: Arc::clone(&bell), queue, children: HashMap::new() };
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
    epoll: OwnedFd,
    bell: Arc<OwnedFd>,
    queue: mpsc::Receiver<Order>,
    children: HashMap<u64, Arc<Process>>,
}

impl Room {
    fn run(mut self) {
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
                    pid => self.reap(pid),
                }
            }
            while let Ok(Order { job, answer }) = self.queue.try_recv() {
                // If nobody waits any more the answer is dropped, and the child with it.
                let _ = answer.send(self.spawn(&job));
            }
        }
    }

    fn reap(&mut self, pid: u64) {
        if let Some(process) = self.children.get(&pid)
            && process.reap()
        {
            let process = self.children.remove(&pid).expect("it was just found");
            // Its descriptor would go on saying that it has ended, as long as somebody holds it.
            let _ = epoll::delete(&self.epoll, process.pidfd());
        }
    }

    fn spawn(&mut self, job: &Job) -> Result<Spawned, SpawnError> {
        let mut command = Command::new(&job.program);
        command.args(&job.args).env_clear().envs(job.env.iter().map(|(name, value)| (name, value)));
        let (stdin, theirs) = stream(job, job.stdin, Flow::In)?;
        command.stdin(theirs);
        let (stdout, theirs) = stream(job, job.stdout, Flow::Out)?;
        command.stdout(theirs);
        let (stderr, theirs) = stream(job, job.stderr, Flow::Out)?;
        command.stderr(theirs);
        sys::prepare(&mut command, setup(job)?);

        let started = command.spawn().map_err(|e| SpawnError::exec(job, e))?;
        let pid = i32::try_from(started.id()).ok().and_then(Pid::from_raw).expect("a child's pid is a pid");
        let process = Arc::new(self.adopt(job, pid)?);
        self.children.insert(token(pid), Arc::clone(&process));
        Ok(Spawned { child: Child::new(process), stdin, stdout, stderr })
    }

    /// Takes charge of a process just forked. It is not reaped yet, so its number is its own.
    fn adopt(&self, job: &Job, pid: Pid) -> Result<Process, SpawnError> {
        let watched = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .and_then(|fd| epoll::add(&self.epoll, &fd, EventData::new_u64(token(pid)), EventFlags::IN).map(|()| fd));
        watched.map(|fd| Process::new(pid, fd)).map_err(|e| {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            SpawnError::os(job, "watch over it", e)
        })
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

/// Our end and theirs.
fn stream(job: &Job, kind: Stdio, flow: Flow) -> Result<(Option<OwnedFd>, StdStdio), SpawnError> {
    match kind {
        Stdio::Null => Ok((None, StdStdio::null())),
        Stdio::Pipe => {
            let ends = pipe(flow).map_err(|e| SpawnError::os(job, "make a pipe", e))?;
            Ok((Some(ends.0), File::from(ends.1).into()))
        }
    }
}

fn pipe(flow: Flow) -> Result<(OwnedFd, OwnedFd), Errno> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (ours, theirs) = match flow {
        Flow::In => (write, read),
        Flow::Out => (read, write),
    };
    // Of our end alone: few programs can bear standard streams that do not block.
    rustix::fs::fcntl_setfl(&ours, rustix::fs::fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

fn setup(job: &Job) -> Result<Setup, SpawnError> {
    Ok(Setup {
        parent: rustix::process::getpid(),
        rlimits: job.rlimits.iter().map(|(resource, value)| (*resource, limit(*resource, *value))).collect(),
        no_new_privs: job.no_new_privs,
        cwd: cwd(job)?,
    })
}

/// Opens the directory here, where its failure cannot be taken for the program's. With `.` in it
/// being let in is part of opening it.
fn cwd(job: &Job) -> Result<Option<OwnedFd>, SpawnError> {
    let Some(cwd) = &job.cwd else { return Ok(None) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(cwd.join("."), flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) => Err(SpawnError::Cwd { program: job.program.clone(), cwd: cwd.clone(), source: e.into() }),
    }
}

/// A limit can be lowered by anyone; raising the hard one above ours is for the privileged.
fn limit(resource: Resource, value: u64) -> Rlimit {
    let ours = rustix::process::getrlimit(resource).maximum;
    let value = Some(ours.map_or(value, |ours| ours.min(value)));
    Rlimit { current: value, maximum: value }
}

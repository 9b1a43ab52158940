//! All the cases for one subject, and running them.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime};

use hotfn_protocols::Format;

use crate::case::{Case, Entry, Pace};
use crate::check::{Run, Stop};
use crate::random::Random;
use crate::report::{Outcome, Report, Verdict};
use crate::stage::Stage;
use crate::subject::{Agent, Function, Profile};
use crate::transcript::Transcript;
use crate::wire::rfc3339;
use crate::{Only, agent, fdk, stdio};

/// Cases at work at a time, for each core. Most of them wait for a process to start.
const WORKERS_PER_CORE: usize = 2;

/// Cases for one subject.
pub struct Suite {
    name: &'static str,
    subject: String,
    profile: Profile,
    seed: u64,
    prepared: Vec<Prepared>,
}

struct Prepared {
    case: Case,
    pace: Pace,
    run: Box<dyn Fn(&Transcript) -> Run + Send + Sync>,
}

impl Suite {
    /// The cases for a function's side of its format.
    ///
    /// The same `seed` gives the same bytes in bodies.
    #[must_use]
    pub fn of_function(function: Function, profile: Profile, seed: u64) -> Self {
        let words: Vec<_> = function.command.iter().map(|word| word.to_string_lossy()).collect();
        let (format, subject) = (function.format, words.join(" "));
        let function = Arc::new(function);
        let entries: Vec<&'static Entry<Stage>> = match format {
            Format::HttpStream => fdk::cases().collect(),
            format => stdio::cases(format).collect(),
        };
        let stage = move |number, transcript: &Transcript| {
            let random = RefCell::new(Random::of(seed, number));
            Stage { subject: function.clone(), profile, random, transcript: transcript.clone() }
        };
        Self { name: format.as_str(), subject, profile, seed, prepared: prepared(entries, stage) }
    }

    /// The cases for an agent.
    #[must_use]
    pub fn of_agent(agent: Agent, profile: Profile, seed: u64) -> Self {
        Self::in_front("agent", agent::agent_cases(), agent, profile, seed)
    }

    /// The cases for the server around an agent: its gateway and its API.
    #[must_use]
    pub fn of_server(agent: Agent, profile: Profile, seed: u64) -> Self {
        Self::in_front("server", agent::server_cases(), agent, profile, seed)
    }

    fn in_front(
        name: &'static str,
        entries: Vec<&'static Entry<agent::Stage>>,
        agent: Agent,
        profile: Profile,
        seed: u64,
    ) -> Self {
        let (subject, agent) = (format!("http://{}", agent.address), Arc::new(agent));
        let stage = move |number, transcript: &Transcript| agent::Stage {
            subject: agent.clone(),
            // Names must differ from those of the run before, which may have been cut short.
            random: RefCell::new(Random::of(seed ^ u64::from(std::process::id()), number)),
            transcript: transcript.clone(),
            number,
            apps: Cell::new(0),
        };
        Self { name, subject, profile, seed, prepared: prepared(entries, stage) }
    }

    /// The same, with another name for the subject in its report than its command.
    #[must_use]
    pub fn named(mut self, subject: &str) -> Self {
        subject.clone_into(&mut self.subject);
        self
    }

    /// Those of them that are wanted.
    #[must_use]
    pub fn only(mut self, only: &Only) -> Self {
        self.prepared.retain(|prepared| only.has(prepared.case.number));
        self
    }

    /// Its cases, in the order of their numbers.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.prepared.iter().map(|prepared| &prepared.case)
    }

    /// Runs them all, several at a time where they allow. `told` hears of each as it ends.
    pub fn run(&self, told: &(dyn Fn(&Outcome) + Sync)) -> Report {
        let (began, started) = (Instant::now(), rfc3339(SystemTime::now()));
        let outcomes = Mutex::new(Vec::with_capacity(self.prepared.len()));
        let run = |prepared: &Prepared| {
            let outcome = prepared.outcome();
            told(&outcome);
            outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
        };
        self.with(Pace::Alone).for_each(run);
        let shared: Vec<&Prepared> = self.with(Pace::Shared).collect();
        let next = AtomicUsize::new(0);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for waits in self.with(Pace::Waits) {
                scope.spawn(|| run(waits));
            }
            for _ in 0..cores * WORKERS_PER_CORE {
                scope.spawn(|| {
                    while let Some(prepared) = shared.get(next.fetch_add(1, Ordering::Relaxed)) {
                        run(prepared);
                    }
                });
            }
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.sort_by_key(|outcome| outcome.case.number);
        Report {
            schema: Report::SCHEMA,
            suite: self.name,
            subject: self.subject.clone(),
            profile: self.profile.to_string(),
            seed: self.seed,
            started,
            took_ms: millis(began),
            outcomes,
        }
    }

    fn with(&self, pace: Pace) -> impl Iterator<Item = &Prepared> {
        self.prepared.iter().filter(move |prepared| prepared.pace == pace)
    }
}

/// Each case with a stage of its own, made when it runs.
fn prepared<S: 'static>(
    entries: Vec<&'static Entry<S>>,
    stage: impl Fn(u16, &Transcript) -> S + Clone + Send + Sync + 'static,
) -> Vec<Prepared> {
    let prepare = |entry: &'static Entry<S>| {
        let stage = stage.clone();
        let run = move |transcript: &Transcript| (entry.run)(&stage(entry.case.number, transcript));
        Prepared { case: entry.case, pace: entry.pace, run: Box::new(run) }
    };
    entries.into_iter().map(prepare).collect()
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, cases) = (&self.subject, self.prepared.len());
        f.debug_struct("Suite").field("name", &self.name).field("subject", subject).field("cases", &cases).finish()
    }
}

impl Prepared {
    fn outcome(&self) -> Outcome {
        let (began, transcript) = (Instant::now(), Transcript::default());
        let (verdict, why) = match (self.run)(&transcript) {
            Ok(()) => (Verdict::Held, None),
            Err(Stop::Broken(why)) => (Verdict::Broken, Some(why)),
            Err(Stop::Untold(why)) => (Verdict::Untold, Some(why)),
        };
        Outcome { case: self.case, verdict, why, took_ms: millis(began), transcript: transcript.lines() }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).expect("a run takes less than the age of the universe")
}

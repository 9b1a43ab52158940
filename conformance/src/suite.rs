//! All the cases for one subject, and running them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use hotfn_protocols::Format;

use crate::agent::Agents;
use crate::case::{Case, Entry, Needs, Pace};
use crate::check::{Run, Stop};
use crate::random::Random;
use crate::report::{LeftOut, Outcome, Report, Verdict};
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
    left_out: Vec<LeftOut>,
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
        let (format, subject) = (function.format, function.program.to_string());
        let entries: Vec<&'static Entry<Stage>> = match format {
            Format::HttpStream => fdk::cases().collect(),
            format => stdio::cases(format).collect(),
        };
        let function = Arc::new(function);
        let stage = move |number, transcript: &Transcript| {
            let random = Random::of(seed, number).into();
            Ok(Stage { subject: function.clone(), profile, random, transcript: transcript.clone() })
        };
        let prepared = prepared(&entries, stage);
        Self { name: format.as_str(), subject, profile, seed, prepared, left_out: Vec::new() }
    }

    /// The cases for an agent.
    #[must_use]
    pub fn of_agent(agent: Agent, profile: Profile, seed: u64) -> Self {
        Self::in_front("agent", &agent::agent_cases(), agent, profile, seed)
    }

    /// The cases for an agent that has the formats over standard input and output as well.
    #[must_use]
    pub fn of_formats(agent: Agent, profile: Profile, seed: u64) -> Self {
        Self::in_front("formats", &agent::format_cases(), agent, profile, seed)
    }

    /// The cases for the server around an agent: its gateway and its API.
    #[must_use]
    pub fn of_server(agent: Agent, profile: Profile, seed: u64) -> Self {
        Self::in_front("server", &agent::server_cases(), agent, profile, seed)
    }

    fn in_front(
        name: &'static str,
        entries: &[&'static Entry<agent::Stage>],
        agent: Agent,
        profile: Profile,
        seed: u64,
    ) -> Self {
        let (subject, agents) = (agent.place.to_string(), Agents::of(agent));
        let lacks = |needs: Needs| agents.lack(needs);
        let left_out = entries.iter().filter_map(|entry| {
            let why = lacks(entry.needs)?;
            Some(LeftOut { case: entry.case, why })
        });
        let left_out = left_out.collect();
        let can: Vec<_> = entries.iter().copied().filter(|entry| lacks(entry.needs).is_none()).collect();
        // Names must differ from those of the run before, which may have been cut short.
        let seed_of_names = seed ^ u64::from(std::process::id());
        let stage =
            move |number, transcript: &Transcript| agents.stage(number, Random::of(seed_of_names, number), transcript);
        Self { name, subject, profile, seed, prepared: prepared(&can, stage), left_out }
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
        self.left_out.retain(|left_out| only.has(left_out.case.number));
        self
    }

    /// The cases that will be run, in the order of their numbers.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.prepared.iter().map(|prepared| &prepared.case)
    }

    /// Those that cannot be run with this subject, and why.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
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
            took_ms: millis(began.elapsed()),
            outcomes,
            left_out: self.left_out.clone(),
        }
    }

    fn with(&self, pace: Pace) -> impl Iterator<Item = &Prepared> {
        self.prepared.iter().filter(move |prepared| prepared.pace == pace)
    }
}

/// Each case with a stage of its own, made when it runs.
fn prepared<S: 'static>(
    entries: &[&'static Entry<S>],
    stage: impl Fn(u16, &Transcript) -> Run<S> + Clone + Send + Sync + 'static,
) -> Vec<Prepared> {
    let prepare = |entry: &&'static Entry<S>| {
        let (entry, stage) = (*entry, stage.clone());
        let run = move |transcript: &Transcript| (entry.run)(&stage(entry.case.number, transcript)?);
        Prepared { case: entry.case, pace: entry.pace, run: Box::new(run) }
    };
    entries.iter().map(prepare).collect()
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
        Outcome { case: self.case, verdict, why, took_ms: millis(began.elapsed()), transcript: transcript.lines() }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).expect("a run takes less than the age of the universe")
}

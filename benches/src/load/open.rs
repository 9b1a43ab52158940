//! Open load: calls are due at a fixed rate, whatever became of those before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

use crate::Options;
use crate::connection::{Connections, NO_CONNECTION};
use crate::findings::Findings;

/// How long answers are awaited once no more calls are due.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Calls a second at most; more than one thread can send.
const RATE_MAX: f64 = 1e6;

/// Calls at `rate` a second until the time is over.
pub(crate) fn run(options: &Options, rate: f64) -> Result<Findings> {
    if !(rate > 0.0 && rate <= RATE_MAX) {
        bail!("--rate wants a number above 0 and up to {RATE_MAX}, not {rate}");
    }
    let requests = options.requests();
    let mut connections = Connections::open(options.address, options.connections)?;
    // epoll's own timeout counts milliseconds, and dozens of calls may be due in one.
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    epoll::add(connections.epoll(), &timer, epoll::EventData::new_u64(NO_CONNECTION), epoll::EventFlags::IN)?;

    let mut findings = Findings::new();
    let mut schedule = Schedule::new(findings.began(), rate, options.duration(), options.calls);
    let mut idle: Vec<usize> = (0..connections.len()).collect();
    // Due, and no connection was free. The schedule's end bounds it.
    let mut waiting = VecDeque::new();
    let give_up = findings.began() + options.duration() + LAST_ANSWERS;
    loop {
        let now = Instant::now();
        waiting.extend(std::iter::from_fn(|| schedule.due(now)));
        while let Some(place) = idle.pop() {
            let Some((nth, due)) = waiting.pop_front() else {
                idle.push(place);
                break;
            };
            let request = usize::try_from(nth % requests.len() as u64).expect("a place in memory");
            if let Some(ended) = connections.begin(place, request, due, &requests)? {
                findings.add(&ended);
                idle.push(place);
            }
        }
        let over = schedule.next_due().is_none() && waiting.is_empty() && idle.len() == connections.len();
        if over || now > give_up {
            break;
        }
        let next = schedule.next_due().unwrap_or(give_up);
        wake_in(&timer, next.saturating_duration_since(Instant::now()))?;
        for (token, can) in connections.wait(LAST_ANSWERS)? {
            if token == NO_CONNECTION {
                // Setting the timer anew takes its event back; reading it would be one more system call.
                continue;
            }
            let place = usize::try_from(token).expect("a place in memory");
            if let Some(ended) = connections.advance(place, &requests, can)? {
                findings.add(&ended);
                idle.push(place);
            }
        }
    }
    connections.under_way().chain(waiting.into_iter().map(|(_, due)| due)).for_each(|due| findings.add_unanswered(due));
    Ok(findings)
}

/// When calls are due.
struct Schedule {
    began: Instant,
    rate: f64,
    next: u64,
    calls: u64,
}

impl Schedule {
    fn new(began: Instant, rate: f64, duration: Duration, calls_max: Option<u64>) -> Self {
        let calls = (duration.as_secs_f64() * rate).ceil() as u64;
        Self { began, rate, next: 0, calls: calls.min(calls_max.unwrap_or(u64::MAX)) }
    }

    /// The next call that is due by `now`: its number and when it was.
    fn due(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.next_due().filter(|due| *due <= now)?;
        self.next += 1;
        Some((self.next - 1, due))
    }

    fn next_due(&self) -> Option<Instant> {
        (self.next < self.calls).then(|| self.began + Duration::from_secs_f64(self.next as f64 / self.rate))
    }
}

/// Has the timer fire once after `wait`.
fn wake_in(timer: &std::os::fd::OwnedFd, wait: Duration) -> Result<()> {
    // Nothing at all would disarm it.
    let wait = Timespec::try_from(wait.max(Duration::from_nanos(1))).context("a wait that can be told")?;
    let never_again = Timespec { tv_sec: 0, tv_nsec: 0 };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: never_again, it_value: wait })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_by_the_clock_and_not_by_answers() {
        let began = Instant::now();
        let mut schedule = Schedule::new(began, 1000.0, Duration::from_millis(3), None);
        assert_eq!(schedule.due(began), Some((0, began)));
        assert_eq!(schedule.due(began), None);
        let late = began + Duration::from_secs(1);
        assert_eq!(
            schedule.due(late).unwrap().1,
            began + Duration::from_millis(1),
            "late is counted from when it was due"
        );
        assert!(schedule.due(late).is_some());
        assert_eq!((schedule.due(late), schedule.next_due()), (None, None));
    }
}

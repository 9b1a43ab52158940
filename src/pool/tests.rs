//! Long random histories of a node, against a plain picture of what must hold.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hotfn_protocols::{Fault, Kind};
use proptest::prelude::*;

use super::*;

/// A call's name in these histories; a container's handle is its own id.
type Caller = u64;
type Handle = ContainerId;
type TestLine = Arc<Line<Caller, Handle>>;

/// Plays everybody around the pool: callers, containers, the clock.
struct World {
    pool: Pool<Caller, Handle>,
    lines: Vec<TestLine>,
    rules: Vec<Rules>,
    now: Instant,
    callers: Caller,
    /// Calls that were neither given a slot nor refused, nor left.
    waiting: BTreeMap<(usize, Caller), Ticket>,
    /// In the order they came, line by line, to see that the first is served first.
    order: Vec<Vec<Caller>>,
    in_flight: Vec<(usize, ContainerId)>,
    containers: HashMap<(usize, ContainerId), Life>,
    wakes: Vec<(Instant, usize)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Starting,
    Up { busy: u32 },
    Leaving { busy: u32 },
}

impl World {
    fn new(total: Need, refuse_when_full: bool, rules: Vec<Rules>) -> Self {
        let mut world = Self {
            pool: Pool::new(total, refuse_when_full),
            lines: Vec::new(),
            order: vec![Vec::new(); rules.len()],
            rules,
            now: Instant::now(),
            callers: 0,
            waiting: BTreeMap::new(),
            in_flight: Vec::new(),
            containers: HashMap::new(),
            wakes: Vec::new(),
        };
        for rules in world.rules.clone() {
            let mut todo = Vec::new();
            let line = world.pool.open(rules, world.now, &mut todo);
            world.lines.push(line);
            world.act(todo);
        }
        world
    }

    fn at(&self, line: &TestLine) -> usize {
        self.lines.iter().position(|l| Arc::ptr_eq(l, line)).unwrap_or(self.lines.len())
    }

    fn arrive(&mut self, at: usize) {
        let caller = self.callers;
        self.callers += 1;
        let line = self.lines[at].clone();
        if let Some(granted) = self.pool.take(&line, self.now) {
            assert!(self.order[at].is_empty(), "nobody is passed over");
            self.granted(at, &granted);
            return;
        }
        let mut todo = Vec::new();
        self.order[at].push(caller);
        let ticket = self.pool.arrive(&line, caller, self.now, &mut todo);
        self.waiting.insert((at, caller), ticket);
        self.act(todo);
    }

    fn granted(&mut self, at: usize, granted: &Granted<Handle>) {
        let max = self.rules[at].concurrency;
        if self.rules[at].cold {
            assert_eq!(granted.handle, None);
            let fresh = self.containers.insert((at, granted.container), Life::Up { busy: 1 });
            assert_eq!(fresh, None, "a cold container serves one call");
        } else {
            match self.containers.get_mut(&(at, granted.container)) {
                Some(Life::Up { busy }) => {
                    *busy += 1;
                    assert!(*busy <= max, "no slot is given twice");
                }
                other => panic!("a slot of {other:?} was given"),
            }
        }
        self.in_flight.push((at, granted.container));
    }

    fn answered(&mut self, at: usize, caller: Caller) {
        assert!(self.waiting.remove(&(at, caller)).is_some(), "each call is answered once");
        self.order[at].retain(|c| *c != caller);
    }

    fn act(&mut self, todo: Todo<Caller, Handle>) {
        for (line, action) in todo {
            let at = self.at(&line);
            if at == self.lines.len() {
                // A line that is still being opened: only its warm starts are of interest.
                self.lines.push(line.clone());
                self.act(vec![(line, action)]);
                self.lines.pop();
                continue;
            }
            match action {
                Action::Give(caller, granted) => {
                    assert_eq!(self.order[at].first(), Some(&caller), "first come, first served");
                    self.answered(at, caller);
                    self.granted(at, &granted);
                }
                Action::Refuse(caller, _) => self.answered(at, caller),
                Action::Launch(id, _) => assert_eq!(self.containers.insert((at, id), Life::Starting), None),
                Action::Retire(id, _) => match self.containers.get_mut(&(at, id)) {
                    Some(life @ Life::Up { busy: 0 }) => *life = Life::Leaving { busy: 0 },
                    Some(Life::Leaving { .. }) if self.rules[at].cold => {}
                    other => panic!("{other:?} was retired"),
                },
                Action::Freeze(id, _) => assert_eq!(self.containers[&(at, id)], Life::Up { busy: 0 }),
                Action::Wake(when) => self.wakes.push((when, at)),
                Action::Release(_) | Action::Unwant(_) | Action::Want(_) => panic!("that is the budget's"),
            }
        }
        self.check();
    }

    fn check(&self) {
        let held = self.lines.iter().fold(Need::default(), |sum, line| sum + line.queue().held());
        assert!(held.fits(self.pool.total()), "the budget holds: {held:?}");
        assert!(held.fits(self.pool.used()), "what is held was granted: {held:?} of {:?}", self.pool.used());
    }

    fn tell(&mut self, at: usize, event: Event<Caller, Handle>) {
        let mut todo = Vec::new();
        let line = self.lines[at].clone();
        self.pool.on(&line, event, self.now, &mut todo);
        self.act(todo);
    }

    fn finish(&mut self, nth: usize, reuse: Reuse) {
        let (at, id) = self.in_flight.swap_remove(nth);
        if let Some(Life::Up { busy } | Life::Leaving { busy }) = self.containers.get_mut(&(at, id)) {
            *busy -= 1;
        }
        let mut todo = Vec::new();
        let line = self.lines[at].clone();
        self.pool.finish(&line, id, reuse, self.now, &mut todo);
        if self.rules[at].cold {
            self.containers.insert((at, id), Life::Leaving { busy: 0 });
        }
        self.act(todo);
    }

    fn some_container(&self, pick: usize, wanted: impl Fn(Life) -> bool) -> Option<(usize, ContainerId)> {
        let mut found: Vec<_> =
            self.containers.iter().filter(|(_, life)| wanted(**life)).map(|(key, _)| *key).collect();
        found.sort_unstable();
        (!found.is_empty()).then(|| found[pick % found.len()])
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some(nth) = self.wakes.iter().position(|(when, _)| *when <= self.now) {
            let (_, at) = self.wakes.swap_remove(nth);
            self.tell(at, Event::Tick);
        }
    }

    fn step(&mut self, what: u8, pick: usize) {
        let lines = self.lines.len();
        let is_cold = |world: &Self, at: usize| world.rules[at].cold;
        match what % 16 {
            0..=4 => self.arrive(pick % lines),
            5..=7 if !self.in_flight.is_empty() => self.finish(pick % self.in_flight.len(), Reuse::Keep),
            8 if !self.in_flight.is_empty() => self.finish(pick % self.in_flight.len(), Reuse::Retire),
            9 | 10 => {
                if let Some((at, id)) = self.some_container(pick, |l| l == Life::Starting) {
                    self.containers.insert((at, id), Life::Up { busy: 0 });
                    self.tell(at, Event::Ready(id, id));
                }
            }
            11 => {
                if let Some((at, id)) = self.some_container(pick, |l| l == Life::Starting) {
                    self.containers.insert((at, id), Life::Leaving { busy: 0 });
                    self.tell(at, Event::Failed(id, Fault::new(Kind::InitFailed)));
                }
            }
            12 => {
                if let Some((at, id)) = self.some_container(pick, |l| matches!(l, Life::Up { .. }))
                    && !is_cold(self, at)
                {
                    let Life::Up { busy } = self.containers[&(at, id)] else { unreachable!() };
                    self.containers.insert((at, id), Life::Leaving { busy });
                    self.tell(at, Event::Died(id));
                }
            }
            13 => self.clean_up(pick),
            14 => {
                let waiting: Vec<_> = self.waiting.keys().copied().collect();
                if !waiting.is_empty() {
                    let key = waiting[pick % waiting.len()];
                    let ticket = self.waiting.remove(&key).unwrap();
                    self.order[key.0].retain(|c| *c != key.1);
                    self.tell(key.0, Event::Left(ticket));
                }
            }
            15 if pick.is_multiple_of(7) => {
                let at = pick % lines;
                // Smaller, so that there is still room for the warm ones of all lines.
                let memory_mb = &mut self.rules[at].need.memory_mb;
                *memory_mb = (*memory_mb).min(1 + pick as u64 % 60);
                self.tell(at, Event::Replaced(self.rules[at].clone()));
            }
            _ => self.pass(Duration::from_millis(pick as u64 % 3000)),
        }
    }

    fn clean_up(&mut self, pick: usize) {
        if let Some((at, id)) = self.some_container(pick, |l| matches!(l, Life::Leaving { .. })) {
            self.containers.remove(&(at, id));
            self.tell(at, Event::Gone(id));
        }
    }

    /// Everybody does what is theirs until nothing moves: then nobody may be left waiting.
    fn play_out(&mut self) {
        for round in 0..10_000 {
            while let Some((at, id)) = self.some_container(0, |l| l == Life::Starting) {
                self.containers.insert((at, id), Life::Up { busy: 0 });
                self.tell(at, Event::Ready(id, id));
            }
            while !self.in_flight.is_empty() {
                self.finish(0, Reuse::Keep);
            }
            while self.some_container(0, |l| matches!(l, Life::Leaving { .. })).is_some() {
                self.clean_up(0);
            }
            if self.waiting.is_empty() && round > 0 {
                return;
            }
            self.pass(Duration::from_millis(100));
        }
        panic!("calls wait for ever: {:?}", self.waiting);
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let optional = |max: u64| proptest::option::weighted(0.3, 1..max);
    (
        any::<bool>().prop_map(|b| b),
        1..4_u32,
        (optional(5), optional(6), optional(4), optional(3000)),
        0..3_u32,
        (1..60_u64, 0..300_u64),
        0..10_u8,
    )
        .prop_map(
            |(freeze, concurrency, (max_calls, queue_max, max_containers, wait_ms), min_warm, need, kind)| Rules {
                cold: kind == 0,
                concurrency: if kind == 0 { 1 } else { concurrency },
                freeze_idle: freeze.then_some(Duration::from_millis(50)),
                idle_timeout: Duration::from_millis(700),
                max_age: (kind == 1).then_some(Duration::from_secs(5)),
                max_calls,
                max_containers: max_containers.map(|n| n as u32),
                min_warm: if kind == 0 { 0 } else { min_warm.min(max_containers.map_or(9, |n| n as u32)) },
                need: Need { memory_mb: need.0, cpu_milli: need.1 },
                queue_max: queue_max.map(|n| n as usize),
                queue_wait_max: wait_ms.map(Duration::from_millis),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_lost_no_slot_given_twice_no_budget_exceeded(
        rules in proptest::collection::vec(rules(), 1..5),
        refuse in any::<bool>(),
        steps in proptest::collection::vec((any::<u8>(), any::<u16>()), 0..400),
    ) {
        // Room for the warm ones of all lines and one more: a node that cannot hold what it was
        // told to keep warm can starve, and says so when it is configured.
        let warm = rules.iter().fold(Need::default(), |mut sum, r| {
            for _ in 0..r.min_warm { sum += r.need; }
            sum
        });
        let total = warm + Need { memory_mb: 100, cpu_milli: 500 };
        let mut world = World::new(total, refuse, rules);
        for (what, pick) in steps {
            world.step(what, usize::from(pick));
        }
        world.play_out();

        // And the way down: all is given back.
        for at in 0..world.lines.len() {
            let mut todo = Vec::new();
            let line = world.lines[at].clone();
            world.pool.close(&line, Closing::Draining, world.now, &mut todo);
            world.act(todo);
        }
        world.play_out();
        prop_assert_eq!(world.pool.used(), Need::default());
        prop_assert!(world.lines.iter().all(|line| line.queue().containers() == 0));
    }
}

fn one(rules: Rules) -> World {
    World::new(Need { memory_mb: 1000, cpu_milli: 1000 }, false, vec![rules])
}

fn phases(world: &World) -> (usize, usize) {
    let starting = world.containers.values().filter(|l| **l == Life::Starting).count();
    (starting, world.containers.len() - starting)
}

#[test]
fn a_launch_for_each_call_that_nothing_on_its_way_will_serve() {
    // Waiting, coming, concurrency: section 3.2's table, for containers of several slots too.
    for (waiting, coming, concurrency, more) in
        [(0, 0, 1, false), (1, 0, 1, true), (1, 1, 1, false), (2, 1, 1, true), (2, 1, 2, false), (3, 1, 2, true)]
    {
        assert_eq!(rules::wants_more(waiting, coming, concurrency), more, "{waiting} {coming} {concurrency}");
    }
    let mut world = one(Rules::default());
    for calls in 1..=3 {
        world.arrive(0);
        assert_eq!(phases(&world), (calls, 0));
    }
}

#[test]
fn the_container_used_last_is_given_first() {
    let mut world = one(Rules::default());
    for _ in 0..3 {
        world.arrive(0);
        world.step(9, 0);
    }
    let given: Vec<_> = world.in_flight.iter().map(|(_, id)| *id).collect();
    while !world.in_flight.is_empty() {
        world.finish(0, Reuse::Keep);
    }
    world.arrive(0);
    assert_eq!(world.in_flight[0].1, given[1], "swap_remove gave back 0, 2, 1");
}

#[test]
fn a_failed_launch_is_told_to_the_call_that_caused_it_and_others_get_a_fresh_try() {
    let mut world = one(Rules { max_containers: Some(1), ..Rules::default() });
    world.arrive(0);
    world.arrive(0);
    assert_eq!(phases(&world), (1, 0));
    world.step(11, 0);
    assert_eq!(world.waiting.len(), 1, "one was told");
    world.clean_up(0);
    assert_eq!(phases(&world), (1, 0), "the other has a launch of its own");
    world.step(9, 0);
    assert_eq!(world.in_flight.len(), 1);
}

#[test]
fn idle_containers_of_others_make_room_and_ones_own_do_not() {
    let need = |memory_mb| Need { memory_mb, cpu_milli: 0 };
    let rules = |memory_mb| Rules { need: need(memory_mb), ..Rules::default() };
    let mut world = World::new(need(100), false, vec![rules(60), rules(60)]);
    world.arrive(0);
    world.step(9, 0);
    world.arrive(1);
    assert_eq!(phases(&world), (0, 1), "the other is busy: wait");
    world.finish(0, Reuse::Keep);
    assert_eq!(world.some_container(0, |l| matches!(l, Life::Leaving { .. })).map(|(at, _)| at), Some(0));
    world.clean_up(0);
    assert_eq!(phases(&world), (1, 0), "room was made");
}

#[test]
fn the_surplus_idles_out_and_the_warm_stay() {
    let mut world = one(Rules { min_warm: 1, ..Rules::default() });
    world.step(9, 0);
    for _ in 0..2 {
        world.arrive(0);
        world.step(9, 0);
    }
    while !world.in_flight.is_empty() {
        world.finish(0, Reuse::Keep);
    }
    assert_eq!(phases(&world), (0, 2));
    world.pass(Duration::from_secs(60));
    world.clean_up(0);
    assert_eq!(phases(&world), (0, 1));
    world.tell(0, Event::Died(world.some_container(0, |_| true).unwrap().1));
    assert_eq!(phases(&world).0, 1, "a warm one that died is replaced");
}

#[test]
fn a_queue_has_a_bound_and_a_patience_where_it_is_told_one() {
    let rules = Rules { queue_max: Some(2), queue_wait_max: Some(Duration::from_secs(1)), ..Rules::default() };
    let mut world = one(rules);
    for _ in 0..5 {
        world.arrive(0);
    }
    assert_eq!(world.waiting.len(), 2, "three were refused");
    world.pass(Duration::from_millis(1000));
    assert_eq!(world.waiting.len(), 0, "two gave up waiting");
}

#[test]
fn a_line_asks_for_no_more_ticks_however_long_it_is_used() {
    let mut world = one(Rules { freeze_idle: Some(Duration::from_millis(50)), ..Rules::default() });
    world.arrive(0);
    world.step(9, 0);
    let mut waiting_for = |hour: u64| {
        for _ in 0..3600 {
            world.finish(0, Reuse::Keep);
            world.pass(Duration::from_secs(1));
            world.arrive(0);
        }
        assert_eq!(phases(&world), (0, 1), "one container serves them all");
        assert!(world.wakes.len() <= 40, "after {hour} hours {} ticks are due", world.wakes.len());
    };
    waiting_for(1);
    waiting_for(2);
}

#[test]
fn a_call_that_comes_while_a_function_changes_keeps_its_wish() {
    let need = |memory_mb| Need { memory_mb, cpu_milli: 0 };
    let rules = |memory_mb| Rules { need: need(memory_mb), ..Rules::default() };
    let mut world = World::new(need(100), false, vec![rules(100), rules(60)]);
    world.arrive(0);
    world.step(9, 0);
    world.arrive(1);
    // One thread has changed the function and not told the node yet; on another a call comes.
    let line = world.lines[1].clone();
    let mut untold = Vec::new();
    line.queue().on(Event::Replaced(rules(80)), world.now, &mut untold);
    world.arrive(1);
    let mut todo = Vec::new();
    world.pool.carry(&line, untold, world.now, &mut todo);
    world.act(todo);
    // The first caller leaves, and there is room.
    world.step(14, 0);
    assert_eq!(world.waiting.len(), 1);
    world.play_out();
}

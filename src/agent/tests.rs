use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hotfn_protocols::{Body, BodyError, Call, Deadline, Exit, Fault, Kind, Reply, Retry};
use http_body::Frame;
use http_body_util::StreamBody;
use tempfile::TempDir;

use crate::testing::{Life, Scripted};
use crate::{Agent, Config, Function, Invoke};

struct House {
    agent: Agent,
    driver: Arc<Scripted>,
    root: TempDir,
}

/// Longest that anything here may take: not a measure, only an end to waiting.
const PATIENCE: Duration = Duration::from_secs(20);

impl House {
    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let driver = Arc::new(Scripted::default());
        let mut builder = Agent::builder().driver(driver.clone());
        builder.config = Config {
            iofs_root: root.path().to_owned(),
            memory_mb: Some(1000),
            cpu_milli: Some(1000),
            freeze_idle: None,
            ..Config::default()
        };
        change(&mut builder.config);
        Self { agent: builder.start().unwrap(), driver, root }
    }

    fn new() -> Self {
        Self::with(|_| {})
    }

    fn deploy(&self, image: &str, change: impl FnOnce(&mut Function)) {
        let mut function = Function::new(image, image);
        change(&mut function);
        self.agent.deploy(function);
    }

    async fn call(&self, function: &str, body: &str) -> Result<String, Fault> {
        let call = Call::new(function, body.to_owned());
        let reply = tokio::time::timeout(PATIENCE, self.agent.invoke(call)).await.expect("an answer in time")?;
        Ok(String::from_utf8(reply.body.gather(1 << 20).await.unwrap().to_vec()).unwrap())
    }

    async fn fault(&self, function: &str, body: &str) -> (Kind, String) {
        let fault = self.call(function, body).await.unwrap_err();
        (fault.kind(), fault.reason().unwrap_or_default().to_owned())
    }

    fn only(&self) -> Arc<Life> {
        let lives = self.driver.lives();
        assert_eq!(lives.len(), 1, "one container");
        lives[0].clone()
    }

    /// Waits for an event that no future tells of.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never came: {what}"));
    }

    async fn drain(self) {
        tokio::time::timeout(PATIENCE, self.agent.drain(PATIENCE)).await.unwrap();
        assert!(self.driver.lives().iter().all(|life| life.is_over()), "every container ends");
        drop(self.agent);
        let left: Vec<_> = std::fs::read_dir(self.root.path()).unwrap().collect();
        assert!(left.is_empty(), "nothing is left: {left:?}");
    }
}

#[tokio::test]
async fn one_hot_container_serves_one_call_after_another() {
    let house = House::new();
    house.deploy("echo", |_| {});
    for n in 0..50 {
        assert_eq!(house.call("echo", &n.to_string()).await.unwrap(), n.to_string());
    }
    assert_eq!(house.only().served.load(Ordering::Relaxed), 50);
    house.drain().await;
}

#[tokio::test]
async fn the_steps_of_a_call_are_timed() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let timing = |reply: Reply| reply.timing.steps().map(|(name, _)| name).collect::<Vec<_>>();
    let first = house.agent.invoke(Call::new("echo", "x")).await.unwrap();
    assert_eq!(timing(first), ["queue", "launch", "dispatch", "function"]);
    let second = house.agent.invoke(Call::new("echo", "x")).await.unwrap();
    assert_eq!(timing(second), ["queue", "dispatch", "function"]);
    house.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_calls_each_get_their_own_answer_and_no_container_more_than_its_share() {
    for concurrency in [1, 4] {
        let house = House::new();
        house.deploy("sleep", |f| {
            f.memory_mb = 50;
            f.concurrency = concurrency;
        });
        let calls = (0..2000).map(|n| {
            let call = Call::new("sleep", format!("call {n}"));
            let (id, agent) = (call.id, house.agent.clone());
            tokio::spawn(async move {
                let reply = agent.invoke(call).await.unwrap();
                assert_eq!(reply.head.headers["x-seen-id"], id.as_str());
                assert_eq!(reply.body.gather(100).await.unwrap(), format!("call {n}"));
            })
        });
        for call in calls.collect::<Vec<_>>() {
            tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
        }
        let lives = house.driver.lives();
        assert!((2..=20).contains(&lives.len()), "the budget holds 20: {}", lives.len());
        assert!(lives.iter().all(|l| l.crowd.load(Ordering::Relaxed) <= concurrency));
        assert!(concurrency == 1 || lives.iter().any(|l| l.crowd.load(Ordering::Relaxed) > 1));
        house.drain().await;
    }
}

#[tokio::test]
async fn a_launch_that_fails_says_why() {
    let house = House::with(|c| c.start_timeout = Duration::from_millis(100));
    for image in ["missing", "exit", "mute", "broken"] {
        house.deploy(image, |_| {});
    }
    let (kind, why) = house.fault("missing", "").await;
    assert_eq!(kind, Kind::InitFailed);
    assert!(why.contains("\"missing\" is not there"), "{why}");

    let (kind, why) = house.fault("exit", "").await;
    assert_eq!(kind, Kind::InitFailed);
    assert!(why.contains("exit code 3") && why.contains("last words: no reason to live"), "{why}");

    let (kind, why) = house.fault("mute", "").await;
    assert_eq!(kind, Kind::InitTimeout);
    assert!(why.contains("did not appear within 100ms"), "{why}");

    let (kind, why) = house.fault("broken", "").await;
    assert_eq!(kind, Kind::InitFailed);
    assert!(why.contains("lsnr.sock"), "{why}");

    let (kind, why) = house.fault("nobody", "").await;
    assert_eq!(kind, Kind::UnknownFunction);
    assert!(why.contains("\"nobody\""), "{why}");
    house.drain().await;
}

#[tokio::test]
async fn a_deadline_ends_the_work_and_the_next_call_is_served() {
    let house = House::new();
    house.deploy("echo", |f| f.timeout = Duration::from_millis(50));
    let (kind, why) = house.fault("echo", "hang").await;
    assert_eq!(kind, Kind::TimedOut);
    assert!(why.contains("50ms"), "{why}");
    let hung = house.only();
    assert_eq!(house.call("echo", "next").await.unwrap(), "next");
    house.until("the hung container ends", |_| hung.is_over()).await;
    assert_eq!(house.driver.lives().len(), 2);
    house.drain().await;
}

#[tokio::test]
async fn a_caller_who_leaves_ends_the_work() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let agent = house.agent.clone();
    let call = tokio::spawn(async move { agent.invoke(Call::new("echo", "hang")).await });
    house.until("the call is in", |h| h.driver.lives().iter().any(|l| l.in_flight.load(Ordering::SeqCst) == 1)).await;
    call.abort();
    let left = house.only();
    house.until("the container ends", |_| left.is_over()).await;
    assert_eq!(house.call("echo", "next").await.unwrap(), "next");
    house.drain().await;
}

#[tokio::test]
async fn in_a_shared_container_only_the_leaving_callers_call_suffers() {
    let house = House::new();
    house.deploy("echo", |f| f.concurrency = 2);
    assert_eq!(house.call("echo", "warm").await.unwrap(), "warm");
    let agent = house.agent.clone();
    let leaver = tokio::spawn(async move { agent.invoke(Call::new("echo", "hang")).await });
    let shared = house.only();
    house.until("the call is in", |_| shared.in_flight.load(Ordering::SeqCst) == 1).await;
    assert_eq!(house.call("echo", "neighbour").await.unwrap(), "neighbour");
    leaver.abort();
    house.until("its handler is dropped", |_| shared.in_flight.load(Ordering::SeqCst) == 0).await;
    assert_eq!(house.call("echo", "after").await.unwrap(), "after");
    assert!(!shared.is_over());
    house.only();
    house.drain().await;
}

#[tokio::test]
async fn a_shared_container_that_missed_a_deadline_ends_when_the_others_are_done() {
    let house = House::new();
    house.deploy("echo", |f| {
        f.concurrency = 2;
        f.timeout = Duration::from_millis(300);
    });
    assert_eq!(house.call("echo", "warm").await.unwrap(), "warm");
    let shared = house.only();
    let (late, _) = tokio::join!(house.fault("echo", "hang"), async {
        house.until("the call is in", |_| shared.in_flight.load(Ordering::SeqCst) == 1).await;
        assert_eq!(house.call("echo", "neighbour").await.unwrap(), "neighbour");
    });
    assert_eq!(late.0, Kind::TimedOut);
    assert_eq!(house.call("echo", "next").await.unwrap(), "next");
    house.until("the late one ends", |_| shared.is_over()).await;
    house.drain().await;
}

#[tokio::test]
async fn a_status_that_means_nothing_retires_the_container_and_is_named() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let (kind, why) = house.fault("echo", "404").await;
    assert_eq!(kind, Kind::InvalidResponse);
    assert!(why.contains("404") && why.contains("200"), "{why}");
    let first = house.only();
    house.until("it ends", |_| first.is_over()).await;
    assert_eq!(house.call("echo", "next").await.unwrap(), "next");
    house.drain().await;
}

#[tokio::test]
async fn a_container_that_dies_under_a_call_says_how() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let (kind, why) = house.fault("echo", "die").await;
    assert_eq!(kind, Kind::Receiving);
    assert!(why.contains("signal 9"), "{why}");
    assert_eq!(house.call("echo", "next").await.unwrap(), "next");
    house.drain().await;
}

/// Its end is learnt of a little later than that the connection broke.
#[tokio::test]
async fn a_reason_that_takes_a_moment_is_waited_for() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let (kind, why) = house.fault("echo", "drop").await;
    assert_eq!(kind, Kind::Receiving);
    assert!(!why.contains("container ended"), "it lives until we end it: {why}");
    house.drain().await;
}

#[tokio::test]
async fn a_container_that_died_while_idle_is_nobodys_error() {
    let house = House::new();
    house.deploy("echo", |_| {});
    for _ in 0..20 {
        assert_eq!(house.call("echo", "x").await.unwrap(), "x");
        house.driver.lives().last().unwrap().die(Exit::Code(0));
        // Its sockets close, as a process's do when it ends; whether the agent has noticed by the
        // next call is a matter of luck.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
    house.drain().await;
}

#[tokio::test]
async fn idle_containers_make_room_for_another_function() {
    let house = House::new();
    house.deploy("echo", |f| f.memory_mb = 600);
    house.deploy("sleep", |f| f.memory_mb = 600);
    assert_eq!(house.call("echo", "a").await.unwrap(), "a");
    assert_eq!(house.call("sleep", "b").await.unwrap(), "b");
    assert_eq!(house.call("echo", "c").await.unwrap(), "c");
    assert_eq!(house.driver.lives().iter().filter(|l| l.is_over()).count(), 2);
    house.drain().await;
}

#[tokio::test]
async fn a_function_larger_than_the_node_is_the_callers_mistake() {
    let house = House::new();
    house.deploy("echo", |f| f.memory_mb = 1001);
    let (kind, why) = house.fault("echo", "a").await;
    assert_eq!(kind, Kind::BeyondNode);
    assert!(why.contains("1001 MB") && why.contains("1000"), "{why}");
    house.drain().await;
}

#[tokio::test]
async fn a_full_queue_and_a_long_wait_are_refused_as_busy() {
    let house = House::new();
    house.deploy("hang", |f| {
        f.max_containers = Some(1);
        f.queue_max = Some(1);
        f.queue_wait_max = Some(Duration::from_millis(50));
    });
    let agent = house.agent.clone();
    let first = tokio::spawn(async move { agent.invoke(Call::new("hang", "x")).await });
    house.until("it runs", |h| h.driver.lives().iter().any(|l| l.in_flight.load(Ordering::SeqCst) == 1)).await;
    let (second, third) = tokio::join!(house.fault("hang", ""), house.fault("hang", ""));
    assert_eq!((second.0, third.0), (Kind::Busy, Kind::Busy));
    assert!(second.1.contains("too long") && third.1.contains("full"), "{second:?} {third:?}");
    first.abort();
    house.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_container_is_thawed_before_each_call() {
    let house = House::with(|c| c.freeze_idle = Some(Duration::from_millis(1)));
    house.deploy("echo", |f| f.max_containers = Some(1));
    assert_eq!(house.call("echo", "warm").await.unwrap(), "warm");
    let life = house.only();
    house.until("it freezes", |_| life.frozen.load(Ordering::SeqCst)).await;
    let reply = house.agent.invoke(Call::new("echo", "x")).await.unwrap();
    assert!(reply.timing.thaw.is_some());
    // At the very edge of freezing, again and again.
    for n in 0..300 {
        tokio::time::sleep(Duration::from_micros(900 + n)).await;
        assert_eq!(house.call("echo", "x").await.unwrap(), "x");
    }
    assert!(!life.served_frozen.load(Ordering::SeqCst), "no call met a frozen container");
    house.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_function_takes_over_without_a_lost_call() {
    let house = House::new();
    let deploy = |version: &str| {
        house.deploy("sleep", |f| {
            f.memory_mb = 50;
            f.config.insert("VERSION".to_owned(), version.to_owned());
        });
    };
    deploy("1");
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let agent = house.agent.clone();
            tokio::spawn(async move {
                for _ in 0..30 {
                    agent.invoke(Call::new("sleep", "x")).await.unwrap();
                }
            })
        })
        .collect();
    house.until("it is hot", |h| h.driver.lives().iter().any(|l| l.served.load(Ordering::Relaxed) > 3)).await;
    deploy("2");
    for call in calls {
        tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap();
    }
    let (new, old): (Vec<_>, Vec<_>) =
        house.driver.lives().into_iter().partition(|l| l.spec.env.contains(&("VERSION".into(), "2".into())));
    assert!(!new.is_empty() && new.iter().any(|l| l.served.load(Ordering::Relaxed) > 0));
    house.until("the old ones end", |_| old.iter().all(|l| l.is_over())).await;
    house.drain().await;
}

#[tokio::test]
async fn a_drain_lets_calls_finish_and_refuses_new_ones() {
    let house = House::new();
    house.deploy("sleep", |_| {});
    let agent = house.agent.clone();
    let running = tokio::spawn(async move { agent.invoke(Call::new("sleep", "x")).await });
    house.until("it runs", |h| h.driver.lives().iter().any(|l| l.in_flight.load(Ordering::SeqCst) == 1)).await;
    let agent = house.agent.clone();
    let draining = tokio::spawn(async move { agent.drain(PATIENCE).await });
    tokio::task::yield_now().await;
    assert_eq!(house.fault("sleep", "").await.0, Kind::Draining);
    assert!(running.await.unwrap().is_ok());
    draining.await.unwrap();
    house.drain().await;
}

#[tokio::test]
async fn a_drain_has_an_end_even_when_a_call_has_none() {
    let house = House::new();
    house.deploy("hang", |_| {});
    let agent = house.agent.clone();
    let hung = tokio::spawn(async move { agent.invoke(Call::new("hang", "x")).await });
    house.until("it runs", |h| h.driver.lives().iter().any(|l| l.in_flight.load(Ordering::SeqCst) == 1)).await;
    tokio::time::timeout(PATIENCE, house.agent.drain(Duration::from_millis(20))).await.unwrap();
    assert_eq!(hung.await.unwrap().unwrap_err().kind(), Kind::Receiving);
    house.drain().await;
}

#[tokio::test]
async fn nobody_overrides_the_platforms_names() {
    let house = House::new();
    house.deploy("echo", |f| {
        f.config.insert("FN_FN_ID".to_owned(), "forged".to_owned());
        f.config.insert("GREETING".to_owned(), "hello".to_owned());
    });
    house.call("echo", "").await.unwrap();
    let env = house.only().spec.env.clone();
    let last = |name: &str| env.iter().rfind(|(n, _)| n == name).map(|(_, value)| value.clone());
    assert_eq!(last("FN_FN_ID").unwrap(), "echo");
    assert_eq!(last("FN_FORMAT").unwrap(), "http-stream");
    assert_eq!(last("GREETING").unwrap(), "hello");
    assert!(last("FN_LISTENER").unwrap().starts_with("unix:/"));
    house.drain().await;
}

#[tokio::test]
async fn warm_containers_are_there_before_the_first_call() {
    let house = House::new();
    house.deploy("echo", |f| f.min_warm = 3);
    house.until("three are up", |h| h.driver.lives().len() == 3).await;
    house.call("echo", "x").await.unwrap();
    assert_eq!(house.driver.lives().len(), 3);
    house.drain().await;
}

#[tokio::test]
async fn a_launch_takes_a_container_made_ahead_and_another_is_made_in_its_place() {
    let house = House::new();
    let stock = |house: &House| house.driver.lives().iter().filter(|life| life.waits_to_be_started()).count();
    house.deploy("echo", |f| f.stock = 2);
    house.until("two are in stock", |h| stock(h) == 2).await;
    assert_eq!(house.call("echo", "x").await.unwrap(), "x");
    let first = house.driver.lives()[..2].iter().filter(|life| life.started.load(Ordering::Relaxed)).count();
    assert_eq!(first, 1, "one of those made ahead");
    house.until("two are in stock again", |h| stock(h) == 2).await;
    assert_eq!(house.driver.lives().len(), 3);

    house.deploy("echo", |f| {
        f.stock = 1;
        f.config.insert("VERSION".into(), "2".into());
    });
    let is_new = |life: &Life| life.spec.env.contains(&("VERSION".into(), "2".into()));
    house
        .until("only the new version is in stock", |h| {
            stock(h) == 1 && h.driver.lives().iter().all(|life| is_new(life) || !life.waits_to_be_started())
        })
        .await;
    house.drain().await;
}

#[tokio::test]
async fn the_phases_of_a_launch_add_up() {
    let house = House::new();
    house.deploy("echo", |_| {});
    let reply = house.agent.invoke(Call::new("echo", "x")).await.unwrap();
    let launch = reply.timing.steps().find(|(name, _)| *name == "launch").unwrap().1;
    assert!(launch > Duration::ZERO && launch <= reply.timing.queue.unwrap(), "{:?}", reply.timing);
    house.drain().await;
}

#[tokio::test]
async fn a_caller_who_leaves_while_a_container_thaws_leaves_none_frozen_behind() {
    let house = House::with(|c| c.freeze_idle = Some(Duration::from_millis(20)));
    house.deploy("echo", |_| {});
    house.call("echo", "x").await.unwrap();
    let life = house.only();
    for _ in 0..10 {
        house.until("it freezes", |_| life.frozen.load(Ordering::SeqCst)).await;
        assert!(house.agent.invoke(Call::new("echo", "x")).now_or_never().is_none(), "it takes a moment to thaw");
        house.until("it is thawed all the same", |_| !life.frozen.load(Ordering::SeqCst)).await;
        assert_eq!(house.call("echo", "y").await.unwrap(), "y");
    }
    assert!(!life.served_frozen.load(Ordering::SeqCst), "no call met a frozen container");
    assert_eq!(house.only().served.load(Ordering::Relaxed), 11);
    house.drain().await;
}

#[tokio::test]
async fn a_drain_does_not_wait_for_an_image_that_does_not_come() {
    let house = House::new();
    house.deploy("far", |f| f.stock = 1);
    tokio::time::timeout(PATIENCE, house.agent.drain(Duration::from_millis(10))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_says_nothing_is_given_up() {
    let house = House::new();
    house.deploy("stuck", |_| {});
    let fault = house.agent.invoke(Call::new("stuck", "x")).await.map(drop).unwrap_err();
    assert_eq!(fault.kind(), Kind::Internal);
    house.drain().await;
}

#[tokio::test]
async fn a_container_that_ends_as_it_thaws_is_followed_by_another_once() {
    let house = House::with(|c| c.freeze_idle = Some(Duration::from_millis(1)));
    house.deploy("fickle", |_| {});
    let all_freeze = || house.until("all freeze", |h| h.driver.lives().iter().all(|l| l.frozen.load(Ordering::SeqCst)));
    house.call("fickle", "x").await.unwrap();
    all_freeze().await;
    assert_eq!(house.call("fickle", "y").await.unwrap(), "y");
    let lives = house.driver.lives();
    assert_eq!(lives.len(), 2);
    assert!(lives[0].is_over());

    // Here both are used, and both end.
    let house = House::with(|c| c.freeze_idle = Some(Duration::from_millis(1)));
    house.deploy("fickle", |_| {});
    let (one, other) = tokio::join!(house.call("fickle", "x"), house.call("fickle", "x"));
    assert!(one.is_ok() && other.is_ok());
    let lives = house.driver.lives();
    assert_eq!(lives.len(), 2);
    house.until("both freeze", |_| lives.iter().all(|life| life.frozen.load(Ordering::SeqCst))).await;
    assert_eq!(house.fault("fickle", "y").await.0, Kind::Receiving);
    assert!(lives.iter().all(|life| life.is_over()));
    assert_eq!(lives.iter().map(|life| life.served.load(Ordering::Relaxed)).sum::<u32>(), 2, "nobody served it");
    house.drain().await;
}

/// A body whose first piece is `first`, if that is any, and of which nothing more comes.
fn stuck(first: &'static str) -> Body {
    let first = (!first.is_empty()).then(|| Ok::<_, BodyError>(Frame::data(Bytes::from(first))));
    Body::stream(StreamBody::new(stream::iter(first).chain(stream::pending())))
}

#[tokio::test]
async fn a_call_whose_body_does_not_come_holds_no_container() {
    let grace = Duration::from_millis(200);
    let house = House::with(|c| c.body_pace.grace = grace);
    house.deploy("echo", |f| f.memory_mb = 1000);
    let agent = &house.agent;
    let silent = async |first| agent.invoke(Call::new("echo", stuck(first))).await.map(drop).unwrap_err();
    let (never, half, answered) = tokio::join!(silent(""), silent("half"), house.call("echo", "x"));
    assert_eq!(answered.unwrap(), "x");
    for fault in [never, half] {
        assert_eq!((fault.kind(), fault.retry()), (Kind::CallSlow, Retry::Never), "{fault}");
    }
    assert_eq!(house.call("echo", "y").await.unwrap(), "y");
    assert!(!house.only().is_over(), "the one that had it left it as it was");

    let mut hurried = Call::new("echo", stuck(""));
    hurried.deadline = Some(Deadline::after(Duration::ZERO));
    let fault = agent.invoke(hurried).await.map(drop).unwrap_err();
    assert_eq!(fault.reason(), Some("the call's own deadline passed before its body was here"));
    let nobody = agent.invoke(Call::new("nobody", stuck(""))).await.map(drop).unwrap_err();
    assert_eq!(nobody.kind(), Kind::UnknownFunction, "no body is waited for in vain");
    house.drain().await;
}

#[tokio::test]
async fn an_answer_that_streams_is_counted_when_it_ends() {
    let house = House::new();
    house.deploy("echo", |f| f.timeout = Duration::from_millis(500));
    // More than what is held back until it is whole, and than what waits for a slow reader.
    let begin = async || {
        let call = Call::new("echo", vec![b'x'; 8 << 20]);
        tokio::time::timeout(PATIENCE, house.agent.invoke(call)).await.expect("an answer in time").unwrap()
    };
    let sums = |house: &House| house.agent.keeper.calls.sums();
    let whole = begin().await;
    assert_eq!((sums(&house).answered, sums(&house).took.count()), (0, 1));
    assert_eq!(whole.body.gather(16 << 20).await.unwrap().len(), 8 << 20);
    house.until("it counts as answered", |h| sums(h).answered == 1).await;
    drop(begin().await);
    house.until("who leaves counts as gone", |h| sums(h).faults_that(|kind| kind == Kind::CallerLeft) == 1).await;
    let _unread = begin().await;
    house.until("the deadline counts", |h| sums(h).faults_that(|kind| kind == Kind::TimedOut) == 1).await;
    assert_eq!((sums(&house).answered, sums(&house).begun), (1, 3));
    house.drain().await;
}

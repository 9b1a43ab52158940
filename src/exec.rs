//! A container's second socket, by which its function runs programs of this host.
//!
//! There is one where the function's deployer asked for commands by name and the node's rules let
//! this function have them, and then only for those: `exec.sock` beside the function's own socket,
//! told to it in `HOTFN_EXEC`. Each container has a listener of its own, so the socket says who asks.
//! A program has what is left of its call's time, and ends with the container.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hotfn_exec::packet::Request;
use hotfn_exec::rules::{Rules, Variable, What, Who};
use hotfn_exec::server::{Bounds, Config, Counts, Server, StartError};
use hotfn_protocols::{CallId, Deadline};

use crate::Function;
use crate::iofs::Iofs;

/// The name of the socket in the container's directory.
pub(crate) const SOCKET: &str = "exec.sock";

/// The environment variable that tells the function where it is.
pub(crate) const ENV: &str = "HOTFN_EXEC";

/// The label of a request by which its caller names the call it works on.
const LABEL: &str = "call";

/// What the program is told of the call.
const ENV_CALL_ID: &str = "FN_CALL_ID";

/// A container's exec socket, and what runs by it.
#[derive(Debug)]
pub(crate) struct Door {
    server: Server,
    calls: Arc<Calls>,
}

impl Door {
    /// One for the container in `iofs`, by the agent's rules; `None` if the function may run nothing. What
    /// runs by it is counted in `counts`.
    pub(crate) fn open(
        agent: &crate::Config,
        function: &Function,
        iofs: &Iofs,
        counts: &Arc<Counts>,
    ) -> Result<Option<Self>, StartError> {
        let name = format!("{}/{}", function.app_name, function.name);
        let Some(rules) = rules(&agent.exec, &name, &function.exec) else { return Ok(None) };
        let calls = Arc::new(Calls::default());
        let config = Config {
            // Who may reach it is up to the directory above the container's.
            mode: 0o666,
            compat_v1: false,
            // A function may not give a program more time than it has itself to end.
            grace_max: agent.end_grace,
            function: Some(name),
            bounds: Some(calls.clone()),
            counts: counts.clone(),
            ..Config::new(iofs.path().join(SOCKET))
        };
        Ok(Some(Self { server: Server::start(config, rules)?, calls }))
    }

    /// The calls on whose behalf programs run.
    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.calls.clone()
    }

    /// Ends all that runs by it.
    pub(crate) async fn close(self) {
        self.server.drain(Duration::ZERO, std::future::ready(())).await;
    }
}

/// The rules for the function called `name`, as far as they are about commands that it `asked` for.
fn rules(all: &Rules, name: &str, asked: &[String]) -> Option<Rules> {
    let own = all.rules.iter().filter(|rule| rule.who.iter().any(|who| matches!(who, Who::Function(f) if f == name)));
    let rules: Vec<_> = own
        .filter_map(|rule| {
            let mut rule = rule.clone();
            rule.what.retain(|what| matches!(what, What::Command(command) if asked.contains(command)));
            (!rule.what.is_empty()).then_some(rule)
        })
        .collect();
    (!rules.is_empty()).then(|| Rules { rules, commands: all.commands.clone() })
}

/// The calls that a container is working on.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Vec<(CallId, Deadline)>>);

impl Calls {
    pub(crate) fn begin(&self, call: CallId, deadline: Deadline) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((call, deadline));
    }

    pub(crate) fn end(&self, call: CallId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != call);
    }

    /// The call that a request is for: the one it names, else the one that must end first.
    fn of(&self, request: &Request) -> Option<(CallId, Deadline)> {
        let named = request.labels.iter().find(|(name, _)| name == LABEL).and_then(|(_, id)| id.to_str());
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = named.and_then(|named| calls.iter().find(|(call, _)| call.to_string() == named));
        named.or_else(|| calls.iter().min_by_key(|(_, deadline)| deadline.at())).copied()
    }
}

impl Bounds for Calls {
    /// Between calls there is no time for anything.
    fn deadline(&self, request: &Request) -> Option<Instant> {
        Some(self.of(request).map_or_else(Instant::now, |(_, deadline)| deadline.at()))
    }

    fn variables(&self, request: &Request) -> Vec<Variable> {
        self.of(request).map(|(call, _)| (ENV_CALL_ID.into(), call.to_string().into())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use hotfn_exec::client::{Asked, Version};
    use hotfn_exec::packet::{How, Tell};
    use hotfn_exec::rules::{Command, Commands, Rule};

    use super::*;

    fn all() -> Rules {
        let rule = |name: &str, commands: &[&str]| Rule {
            who: vec![Who::Function(name.into())],
            what: commands.iter().map(|command| What::Command((*command).into())).collect(),
            ..Rule::default()
        };
        let commands = ["git", "psql"].map(|name| (name.to_owned(), Command::new(format!("/usr/bin/{name}"))));
        Rules {
            rules: vec![rule("shop/buy", &["git", "psql"]), rule("shop/sell", &["git"])],
            commands: Commands::from_iter(commands),
        }
    }

    #[test]
    fn a_function_has_what_it_asked_for_and_the_node_allows() {
        let of = |name: &str, asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|&name| name.to_owned()).collect();
            rules(&all(), name, &asked).map(|rules| rules.rules[0].what.clone())
        };
        let command = |name: &str| What::Command(name.to_owned());
        assert_eq!(of("shop/buy", &["git"]), Some(vec![command("git")]));
        assert_eq!(of("shop/sell", &["git", "psql"]), Some(vec![command("git")]));
        assert_eq!(of("shop/buy", &[]), None);
        assert_eq!(of("shop/sell", &["psql"]), None);
        assert_eq!(of("shop/else", &["git"]), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_program_has_no_more_time_to_end_than_its_function() {
        let dir = tempfile::tempdir().unwrap();
        let iofs = crate::iofs::Root::open(dir.path()).unwrap().container("x").unwrap();
        let deaf = Command {
            args: ["-c", "trap '' TERM; while :; do sleep 0.01; done"].map(Into::into).into(),
            ..Command::new("/bin/sh")
        };
        let all = Rules {
            rules: vec![Rule {
                who: vec![Who::Function("shop/buy".into())],
                what: vec![What::Command("deaf".into())],
                ..Rule::default()
            }],
            commands: Commands::from_iter([("deaf".to_owned(), deaf)]),
        };
        let agent = crate::Config { exec: all, end_grace: Duration::from_millis(100), ..crate::Config::default() };
        let mut function = Function::new("f", "process:f");
        (function.app_name, function.name, function.exec) = ("shop".into(), "buy".into(), vec!["deaf".into()]);
        let door = Door::open(&agent, &function, &iofs, &Arc::default()).unwrap().unwrap();
        let ends = Deadline::from_clocks(Instant::now(), SystemTime::now(), Duration::from_millis(100));
        door.calls().begin(CallId::new(), ends);

        let mut request = Request { named: true, ..Request::new("deaf") };
        request.on_close.grace = Duration::from_secs(3600);
        let socket = iofs.path().join(SOCKET);
        let ended = tokio::task::spawn_blocking(move || {
            let patience = Duration::from_secs(20);
            let mut asked = Asked::start_within(&socket, Version::Two, &request, &[], patience).unwrap();
            asked.hear().unwrap()
        });
        assert!(matches!(ended.await.unwrap(), Tell::Exited(end) if end.how == How::TimedOut));
        door.close().await;
    }

    #[test]
    fn a_program_has_the_time_of_the_call_it_names_or_of_the_first_to_end() {
        let calls = Calls::default();
        let now = Instant::now();
        let deadline = |seconds| Deadline::from_clocks(now, SystemTime::now(), Duration::from_secs(seconds));
        let (long, short) = (CallId::new(), CallId::new());
        let mut request = Request::new("git");
        assert!(calls.deadline(&request).unwrap() <= Instant::now(), "there is no call");
        calls.begin(long, deadline(60));
        calls.begin(short, deadline(5));
        assert_eq!(calls.deadline(&request), Some(deadline(5).at()));
        request.labels = vec![("call".into(), long.to_string().into())];
        assert_eq!(calls.deadline(&request), Some(deadline(60).at()));
        assert_eq!(calls.variables(&request), [("FN_CALL_ID".into(), long.to_string().into())]);
        calls.end(long);
        assert_eq!(calls.deadline(&request), Some(deadline(5).at()));
    }
}

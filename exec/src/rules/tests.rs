//! Tables of callers, requests and answers, in a world that is made up.

use std::collections::BTreeMap;
use std::io;

use proptest::prelude::*;

use super::*;
use crate::packet::Size;

/// Files are those of the table; a second column is where a link leads.
struct Scripted {
    files: BTreeMap<&'static str, &'static str>,
}

const FILES: [(&str, &str); 7] = [
    ("/usr/bin/git", "/usr/bin/git"),
    ("/usr/bin/env", "/usr/bin/env"),
    ("/usr/bin/escape", "/opt/evil"),
    ("/srv/work", "/srv/work"),
    ("/srv/work/repo", "/srv/work/repo"),
    ("/srv/work/out", "/etc"),
    ("/etc", "/etc"),
];

fn world() -> Scripted {
    Scripted { files: FILES.into() }
}

impl World for Scripted {
    fn environment(&self) -> Vec<Variable> {
        vec![("SERVER".into(), "1".into()), ("LANG".into(), "C.UTF-8".into()), ("PATH".into(), "/usr/bin".into())]
    }

    fn find(&self, name: &Path, _: &OsStr, dir: &Path) -> Result<PathBuf, SpawnError> {
        let slash = name.as_os_str().as_bytes().contains(&b'/');
        let file = if slash { dir.join(name) } else { Path::new("/usr/bin").join(name) };
        let known = file.to_str().is_some_and(|file| self.files.contains_key(file));
        if known { Ok(file) } else { Err(SpawnError::NotFound { program: file, path: None }) }
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let target = path.to_str().and_then(|path| self.files.get(path));
        target.map(PathBuf::from).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn server(&self) -> User {
        self.user_of(None, None)
    }

    fn user(&self, name: &str) -> Option<User> {
        (name == "svc").then(|| User {
            name: "svc".into(),
            home: "/srv".into(),
            ..self.user_of(Some(1001), Some(1001))
        })
    }

    fn user_of(&self, uid: Option<u32>, gid: Option<u32>) -> User {
        User {
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
            groups: vec![],
            name: "root".into(),
            home: "/root".into(),
            shell: "/bin/sh".into(),
        }
    }
}

fn git() -> Command {
    Command {
        args: vec!["-c".into(), "safe.directory=*".into()],
        deny_args: vec![Pattern::text("--upload-pack=*"), Pattern::text("-c*")],
        max_args: Some(3),
        ..Command::new("/usr/bin/git")
    }
}

fn rules(rule: Rule) -> Rules {
    Rules { rules: vec![rule], commands: Commands::from_iter([("git".to_owned(), git())]) }
}

fn by_name() -> Rule {
    Rule { who: vec![Who::Uid(1000)], what: vec![What::Command("git".into())], ..Rule::default() }
}

fn caller(uid: u32) -> Caller {
    Caller { uid: Some(uid), gid: Some(uid), ..Caller::default() }
}

fn ask(program: &str, args: &[&str]) -> Request {
    Request { args: args.iter().map(OsString::from).collect(), ..Request::new(program) }
}

fn refused(rules: &Rules, caller: &Caller, request: &Request, why: &str) {
    let e = rules.decide(caller, request, &world()).expect_err(why);
    assert!(e.to_string().contains(why), "{e}, not {why}");
}

#[test]
fn no_rule_means_no() {
    refused(&Rules::default(), &caller(0), &ask("git", &[]), "no rule is for this caller");
    refused(&rules(by_name()), &caller(1001), &ask("git", &[]), "no rule is for this caller");
    refused(&rules(by_name()), &caller(1000), &ask("env", &[]), "no rule lets this caller run \"env\"");
}

/// Case 26, the decision: pid 0 and uid 65534 count as unknown.
#[test]
fn case_26_one_who_cannot_be_told_is_unknown_and_nobody_else() {
    let stranger = Caller::default();
    for (who, fits) in [
        (Who::Uid(0), false),
        (Who::Gid(0), false),
        (Who::Function("a/b".into()), false),
        (Who::Unknown, true),
        (Who::Anyone, true),
    ] {
        let rule = Rule { who: vec![who.clone()], ..by_name() };
        assert_eq!(rule.is_for(&stranger), fits, "{who:?}");
    }
    refused(&Rules::open_to(0), &stranger, &ask("git", &[]), "no rule is for this caller");
    let as_caller = Rule { who: vec![Who::Unknown], run_as: As::Caller, ..by_name() };
    refused(&rules(as_caller), &stranger, &ask("git", &[]), "cannot be told");
}

#[test]
fn a_group_may_be_any_of_the_callers_and_a_function_is_its_socket() {
    let rule = Rule { who: vec![Who::Gid(50), Who::Function("shop/buy".into())], ..by_name() };
    assert!(rule.is_for(&Caller { groups: vec![7, 50], ..caller(1) }));
    assert!(rule.is_for(&Caller { gid: Some(50), ..caller(1) }));
    assert!(rule.is_for(&Caller { function: Some("shop/buy".into()), ..caller(1) }));
    assert!(!rule.is_for(&Caller { function: Some("shop/sell".into()), ..caller(1) }));
}

/// Case 27, the decision.
#[test]
fn case_27_only_the_tables_commands_with_arguments_that_are_not_denied() {
    let rules = rules(by_name());
    let permit = rules.decide(&caller(1000), &ask("git", &["status"]), &world()).unwrap();
    assert_eq!(permit.program, Path::new("/usr/bin/git"));
    assert_eq!(permit.args, ["-c", "safe.directory=*", "status"]);
    refused(&rules, &caller(1000), &ask("git", &["-cx=y"]), "\"-c*\"");
    refused(&rules, &caller(1000), &ask("git", &["fetch", "--upload-pack=/bin/sh"]), "--upload-pack");
    refused(&rules, &caller(1000), &ask("git", &["1", "2", "3", "4"]), "more than the command takes");
    refused(&rules, &caller(1000), &ask("/usr/bin/git", &[]), "no rule lets");
    refused(&rules, &caller(1000), &Request { named: true, ..ask("env", &[]) }, "no rule lets");
}

#[test]
fn a_path_counts_by_where_it_leads() {
    let rule = Rule { what: vec![What::Path(Pattern::path("/usr/bin/*"))], ..by_name() };
    let rules = rules(rule);
    let permit = rules.decide(&caller(1000), &ask("env", &[]), &world()).unwrap();
    assert_eq!((permit.program, permit.is_checked, permit.arg0), ("/usr/bin/env".into(), true, "env".into()));
    refused(&rules, &caller(1000), &ask("/usr/bin/escape", &[]), "no rule lets");
    refused(&rules, &caller(1000), &ask("/etc", &[]), "no rule lets");
}

#[test]
fn the_first_rule_that_fits_counts() {
    let strict = Rule { timeout: Some(Duration::from_secs(1)), ..by_name() };
    let wide = Rule { what: vec![What::Any], timeout: Some(Duration::from_secs(9)), ..by_name() };
    let rules = Rules { rules: vec![strict, wide], ..rules(by_name()) };
    let permit = |request: &Request| rules.decide(&caller(1000), request, &world()).unwrap();
    assert_eq!((permit(&ask("git", &[])).rule, permit(&ask("env", &[])).rule), (0, 1));
    let hasty = Request { timeout: Some(Duration::from_millis(5)), ..ask("env", &[]) };
    assert_eq!(permit(&hasty).timeout, Some(Duration::from_millis(5)));
    let patient = Request { timeout: Some(Duration::from_secs(99)), ..ask("env", &[]) };
    assert_eq!(permit(&patient).timeout, Some(Duration::from_secs(9)));
}

/// Case 12, the decision.
#[test]
fn case_12_the_environment_is_the_servers_choice_and_the_rules_list() {
    let mut rule = by_name();
    rule.env.pass = vec![Pattern::text("LC_*"), Pattern::text("TERM"), Pattern::text("*"), Pattern::text("PYTHONPATH")];
    rule.env.fixed = vec![("PGHOST".into(), "db".into())];
    let mut request = ask("git", &[]);
    let asked = ["LC_ALL", "TERM", "LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "PERL5OPT", "PGHOST"];
    request.env = asked.iter().map(|name| (name.into(), "caller's".into())).collect();
    let env = |rule: &Rule| {
        let permit = rules(rule.clone()).decide(&caller(1000), &request, &world()).unwrap();
        permit.env.into_iter().collect::<BTreeMap<_, _>>()
    };
    let all = env(&rule);
    let names: Vec<_> = all.keys().map(|name| name.to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "PGHOST", "PYTHONPATH", "SHELL", "TERM", "USER"],
        "a star does not stand for what is dangerous"
    );
    assert_eq!(all[OsStr::new("PGHOST")], "db");

    let star = Environment { pass: vec![Pattern::text("*")], ..Environment::default() };
    for hidden in ["BASH_FUNC_git%%", "GLIBC_TUNABLES", "SHELLOPTS", "JAVA_TOOL_OPTIONS"] {
        assert!(!star.passes(OsStr::new(hidden)), "{hidden}");
    }

    rule.env = Environment::default();
    assert!(!env(&rule).contains_key(OsStr::new("TERM")));
    rule.env = Environment::of_server();
    assert!(env(&rule).contains_key(OsStr::new("SERVER")));
}

#[test]
fn a_directory_counts_by_where_it_leads() {
    let rule = Rule { cwd: vec![Pattern::path("/srv/work/**")], ..by_name() };
    let rules = rules(rule);
    let within = |cwd: &str| Request { cwd: Some(cwd.into()), ..ask("git", &[]) };
    for cwd in ["/srv/work", "/srv/work/repo"] {
        let permit = rules.decide(&caller(1000), &within(cwd), &world()).unwrap();
        assert_eq!(permit.cwd.as_deref(), Some(Path::new(cwd)));
    }
    refused(&rules, &caller(1000), &within("/srv/work/out"), "start in \"/etc\"");
    let e = rules.decide(&caller(1000), &within("/nowhere"), &world()).unwrap_err();
    assert_eq!(e.class(), Class::Directory);
}

/// Case 28, the decision.
#[test]
fn case_28_another_user_is_the_rules_choice() {
    let asked = Request { run_as: Some(RunAs { uid: Some(5), gid: None }), ..ask("git", &[]) };
    let user = |run_as: As| {
        let rules = rules(Rule { run_as, ..by_name() });
        rules.decide(&caller(1000), &asked, &world()).unwrap().user.map(|user| (user.uid, user.gid))
    };
    assert_eq!(user(As::Server), None, "what was asked for is dropped");
    assert_eq!(user(As::Any), Some((5, 0)));
    assert_eq!(user(As::Caller), Some((1000, 1000)));
    assert_eq!(user(As::User("svc".into())), Some((1001, 1001)));
    refused(&rules(Rule { run_as: As::User("ghost".into()), ..by_name() }), &caller(1000), &asked, "\"ghost\"");
}

#[test]
fn a_command_has_its_own_user_and_time_whatever_its_rule_says() {
    let mut rules = rules(Rule { run_as: As::Any, timeout: Some(Duration::from_secs(9)), ..by_name() });
    let own = Command {
        run_as: Some("svc".to_owned()),
        timeout: Some(Duration::from_secs(5)),
        ..Command::new("/usr/bin/git")
    };
    rules.commands = Commands::from_iter([("git".to_owned(), own)]);
    let asked = Request { run_as: Some(RunAs { uid: Some(5), gid: None }), ..ask("git", &[]) };
    let permit = rules.decide(&caller(1000), &asked, &world()).unwrap();
    assert_eq!((permit.user.map(|user| user.uid), permit.timeout), (Some(1001), Some(Duration::from_secs(5))));
    let hasty = Request { timeout: Some(Duration::from_secs(1)), ..asked };
    assert_eq!(rules.decide(&caller(1000), &hasty, &world()).unwrap().timeout, Some(Duration::from_secs(1)));
}

#[test]
fn a_terminal_and_the_servers_end_are_rights_and_nobody_outlives_a_caller() {
    let terminal = Request { terminal: Some(Size::default()), ..ask("git", &[]) };
    let detached = Request { detach: true, ..ask("git", &[]) };
    refused(&rules(by_name()), &caller(1000), &terminal, "no terminal");
    refused(&rules(by_name()), &caller(1000), &detached, "outlive");
    let generous = rules(Rule { terminal: true, stop: true, ..by_name() });
    assert!(generous.decide(&caller(1000), &terminal, &world()).is_ok());
    refused(&generous, &caller(1000), &detached, "outlive");
    assert!(generous.may_stop(&caller(1000)) && !generous.may_stop(&caller(1)));
    assert!(!rules(by_name()).may_stop(&caller(1000)));
}

proptest! {
    /// Whatever is asked for, by whomever: what runs is a command of the table, as the rule's user,
    /// with no variable that the rule does not let pass.
    #[test]
    fn nothing_gets_past_a_rule(
        uid in proptest::option::of(0_u32..3),
        program in "(git|env|/usr/bin/git|sh|\\.\\./git)",
        args in proptest::collection::vec("(-c[a-z]*|--upload-pack=x|status|[a-z]{0,3})", 0..5),
        env in proptest::collection::vec("(LD_[A-Z]{0,3}|LC_[A-Z]{0,3}|PATH|HOME|IFS)", 0..5),
        run_as in proptest::option::of(0_u32..3),
    ) {
        let mut rule = Rule { who: vec![Who::Uid(1)], run_as: As::User("svc".into()), ..by_name() };
        rule.env.pass = vec![Pattern::text("LC_*")];
        let mut request = ask(&program, &args.iter().map(String::as_str).collect::<Vec<_>>());
        request.env = env.iter().map(|name| (name.into(), "caller's".into())).collect();
        request.run_as = run_as.map(|uid| RunAs { uid: Some(uid), gid: None });
        let caller = Caller { uid, ..Caller::default() };
        let Ok(permit) = rules(rule).decide(&caller, &request, &world()) else { return Ok(()) };
        prop_assert_eq!(uid, Some(1));
        prop_assert_eq!(permit.program, Path::new("/usr/bin/git"));
        prop_assert_eq!(permit.user.map(|user| user.uid), Some(1001));
        prop_assert!(permit.args[2..].iter().all(|arg| !arg.as_bytes().starts_with(b"-c")));
        for (name, value) in permit.env {
            prop_assert!(value != "caller's" || name.as_bytes().starts_with(b"LC_"), "{name:?}");
        }
    }
}

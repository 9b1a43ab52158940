//! Cases 16 to 22: what a person at a terminal sees.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::harness::{Served, Terminal, client, line_of};

#[test]
fn case_16_control_z_stops_client_and_program_and_fg_continues_both() {
    let served = Served::by("open");
    let mut terminal = Terminal::shell(&served);
    let count = served.file("count");
    let script = format!("i=0; while :; do i=$((i+1)); echo $i >> {}; sleep 0.01; done", count.display());
    terminal.types(&format!("$X --tty=never sh -c '{script}'\n"));
    line_of(&count);
    terminal.types("\x1a");
    terminal.sees("Stopped");
    terminal.sees("ready> ");
    let stopped = line_of(&count);
    // Ten rounds of it would have passed.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(line_of(&count), stopped);
    terminal.types("fg\n");
    crate::harness::soon("the program to go on", || (line_of(&count) != stopped).then_some(()));
    terminal.types("\x03");
    terminal.sees("ready> ");
    terminal.types("echo code $?\n");
    terminal.sees("code 130");
}

#[test]
fn case_17_the_terminal_has_our_size_from_the_first_byte_and_follows_ours() {
    let served = Served::by("open");
    let mut run =
        served.client(&["sh", "-c", "stty size; trap 'stty size' WINCH; echo waiting; while :; do sleep 0.01; done"]);
    run.env("TERM", "dumb");
    let mut terminal = Terminal::running(run, 33, 99);
    assert!(terminal.sees("waiting").starts_with("33 99"));
    let began = Instant::now();
    terminal.resizes(44, 111);
    // Ours leads no session, so that nobody tells it of its terminal's change but we.
    rustix::process::kill_process(Pid::from_child(&terminal.child), Signal::WINCH).unwrap();
    terminal.sees("44 111");
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[test]
fn case_18_a_shell_has_job_control() {
    let served = Served::by("open");
    let mut terminal = Terminal::shell(&served);
    terminal.types("PS1='inner> ' $X -e PS1='inner> ' bash --norc --noprofile -i\n");
    // The words that were typed are echoed first.
    terminal.sees("bash --norc --noprofile -i");
    let greeting = terminal.sees("inner> ");
    assert!(!greeting.contains("job control") && !greeting.contains("ioctl"), "{greeting}");
    terminal.types("sleep 600 & jobs; tty\n");
    terminal.sees("Running");
    terminal.sees("/dev/pts/");
    // It says so itself when it runs: what is typed is shown before that, and a key would be too early.
    terminal.types("sh -c 'echo it ru''ns; exec sleep 500'\n");
    terminal.sees("it runs");
    terminal.types("\x1a");
    terminal.sees("Stopped");
    terminal.types("kill -KILL %1 %2; while [ -n \"$(jobs -s)\" ]; do sleep 0.01; done; exit 5\n");
    terminal.sees("ready> ");
    terminal.types("echo code $?\n");
    terminal.sees("code 5");
}

#[test]
fn case_19_nothing_is_lost_of_a_program_that_prints_and_ends_at_once() {
    const RUNS: usize = 1_000;
    const AT_ONCE: usize = 4;
    let served = Served::by("open");
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                for run in 0..RUNS / AT_ONCE {
                    let word = format!("word-{run}");
                    let output = served.run(&["--tty=always", "echo", &word]);
                    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{word}\r\n"));
                }
            });
        }
    });
}

#[test]
fn case_20_the_callers_terminal_is_as_it_was_after_every_end() {
    let mut served = Served::by("open");
    let mut terminal = Terminal::shell(&served);
    let raw = |terminal: &mut Terminal, served: &Served, name: &str| {
        let here = served.file(name);
        terminal.types(&format!("$X sh -c 'echo $$ > {}; exec sleep 600'\n", here.display()));
        line_of(&here);
        crate::harness::soon("keys to go through", || (!terminal.is_cooked()).then_some(()));
    };
    let restored = |terminal: &mut Terminal| {
        terminal.sees("ready> ");
        terminal.types("stty -a | tr ' ' '\\n' | grep -c -x -e icanon -e echo -e isig -e 'opost'\n");
        terminal.sees("4");
        terminal.sees("ready> ");
    };
    terminal.types("$X true\n");
    terminal.sees("true");
    restored(&mut terminal);

    raw(&mut terminal, &served, "term");
    signal_client(&served, Signal::TERM);
    restored(&mut terminal);

    raw(&mut terminal, &served, "stop");
    signal_client(&served, Signal::TSTP);
    terminal.sees("Stopped");
    restored(&mut terminal);
    terminal.types("kill -KILL %1; wait\n");
    terminal.sees("ready> ");

    raw(&mut terminal, &served, "dead");
    served.end(Signal::KILL);
    terminal.sees("the server went away");
    restored(&mut terminal);
}

/// Sends `signal` to the client that asks this server, whoever started it.
fn signal_client(served: &Served, signal: Signal) {
    let socket = served.socket();
    let ours = |pid: &u32| {
        let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let is_client = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == client());
        let stopped = String::from_utf8_lossy(&read("stat")).contains(") T ");
        is_client && !stopped && String::from_utf8_lossy(&read("environ")).contains(socket.to_str().unwrap())
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let pid = all.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).find(ours);
    let pid = Pid::from_raw(pid.expect("a client runs").cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn case_21_a_pipe_gets_no_terminal() {
    let served = Served::by("open");
    let mut terminal = Terminal::shell(&served);
    for line in ["$X tty < /dev/null", "$X sh -c 'test -t 1 || echo not a tty' | cat"] {
        terminal.types(&format!("{line}\n"));
        terminal.sees("not a tty");
        terminal.sees("ready> ");
    }
    let output = served.client(&["sh", "-c", "test -t 0 || echo none"]).stdin(Stdio::piped()).output().unwrap();
    assert_eq!(output.stdout, b"none\n");
}

#[test]
fn case_22_a_client_in_the_background_is_stopped_before_it_takes_the_terminal() {
    let served = Served::by("open");
    let mut terminal = Terminal::shell(&served);
    terminal.types("$X cat &\n");
    terminal.sees("ready> ");
    let jobs = || {
        let mut seen = String::new();
        for pid in std::fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().into_string().ok()) {
            if std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == client()) {
                seen.push_str(&std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default());
            }
        }
        seen.contains(") T ").then_some(())
    };
    crate::harness::soon("the client to be stopped", jobs);
    terminal.types("fg\n");
    terminal.sees("cat");
    terminal.types("hello\n");
    terminal.sees("hello");
    terminal.types("\x04");
    terminal.sees("ready> ");
}

#[test]
fn the_end_of_input_is_passed_on_as_the_terminals_own_sign() {
    let served = Served::by("open");
    for input in ["", "a line\n", "part of one"] {
        let script = format!("printf '{input}' | {} --tty=always cat", client().display());
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &script]).env("HOTFN_EXEC", served.socket()).output().unwrap();
        assert!(output.status.success(), "{input:?}");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        // Once as it was typed and once as it was printed.
        assert!(input.is_empty() || shown.matches(input.trim()).count() == 2, "{input:?}: {shown:?}");
    }
}

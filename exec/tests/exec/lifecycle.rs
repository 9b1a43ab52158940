//! Cases 1 to 12: what comes out, what goes in, and how it ends.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use hotfn_exec::client::{Asked, Failure, Version};
use hotfn_exec::packet::{Class, Request};

use crate::harness::{Served, client};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn case_01_echo_prints_hi_and_ends_with_0() {
    let output = Served::by("open").run(&["--", "/bin/echo", "hi"]);
    assert_eq!((text(&output).as_str(), output.status.code()), ("hi\n", Some(0)));
}

#[test]
fn case_02_an_exit_code_is_the_clients_own() {
    assert_eq!(Served::by("open").run(&["sh", "-c", "exit 7"]).status.code(), Some(7));
}

#[test]
fn case_03_death_by_a_signal_is_128_and_its_number_or_the_same_death() {
    let served = Served::by("open");
    assert_eq!(served.run(&["sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    assert_eq!(served.run(&["--mirror-signal", "sh", "-c", "kill -9 $$"]).status.signal(), Some(9));
}

/// The failures of case 4, each with its code and what its one line must name.
fn failures(served: &Served) -> [(Vec<OsString>, i32, &'static str); 5] {
    let plain = served.file("plain");
    fs::write(&plain, "text").unwrap();
    let words = |words: &[&OsStr]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let w = |word: &'static str| OsStr::new(word);
    [
        (words(&[w("no-such-program")]), 127, "no-such-program"),
        (words(&[w("/no/such/program")]), 127, "/no/such/program"),
        (words(&[plain.as_os_str()]), 126, "may not be executed"),
        (words(&[w("--workdir"), w("/no/such/place"), w("true")]), 126, "/no/such/place"),
        (words(&[w("--connect"), w("/no/such/socket"), w("true")]), 125, "/no/such/socket"),
    ]
}

#[test]
fn case_04_failures_have_codes_of_their_own_and_one_line() {
    let served = Served::by("open");
    for (words, code, names) in failures(&served) {
        let output = served.run(&words);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {complaint}");
        assert!(complaint.contains(names) && complaint.lines().count() == 1, "{words:?}: {complaint}");
    }
}

#[test]
fn case_05_with_compat_exit_all_of_them_are_128() {
    let served = Served::by("open");
    for (words, ..) in failures(&served) {
        let words: Vec<_> = std::iter::once(OsString::from("--compat-exit")).chain(words).collect();
        assert_eq!(served.run(&words).status.code(), Some(128), "{words:?}");
    }
}

#[test]
fn case_06_much_passes_unchanged_and_the_server_has_no_part_in_it() {
    let served = Served::by("open");
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", served.pid().as_raw_pid())).unwrap();
        let fields: Vec<u64> = stat.rsplit_once(") ").unwrap().1.split(' ').filter_map(|f| f.parse().ok()).collect();
        fields[10] + fields[11]
    };
    let before = ticks();
    let script = format!("head -c 100M /dev/zero | {} cat | wc -c", client().display());
    let output = Command::new("sh").args(["-c", &script]).env("HOTFN_EXEC", served.socket()).output().unwrap();
    assert_eq!(text(&output).trim(), "104857600");
    // A tick is 10 ms; one may have begun before.
    assert!(ticks() - before <= 1, "the server took {} ticks", ticks() - before);
}

#[test]
fn case_07_output_and_complaints_stay_apart() {
    let output = Served::by("open").run(&["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
}

#[test]
fn case_08_a_closed_stream_is_not_replaced_by_somebody_elses() {
    let served = Served::by("open");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let seen = served.file("seen");
        let script = format!("exec {} sh -c 'ls -l /proc/$$/fd > {}' {closed}", client().display(), seen.display());
        let status = Command::new("sh").args(["-c", &script]).env("HOTFN_EXEC", served.socket()).status().unwrap();
        assert!(status.success(), "{closed}");
        let seen = fs::read_to_string(seen).unwrap();
        assert!(!seen.contains("socket:") && !seen.contains("anon_inode"), "{closed}: {seen}");
        assert!(seen.contains("/dev/null"), "{closed}: {seen}");
    }
}

#[test]
fn case_09_nothing_above_2_is_open() {
    let output = Served::by("open").run(&["sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"]);
    // The shell itself opens the folder that it lists.
    let above = text(&output).lines().filter(|fd| fd.parse::<u32>().unwrap() > 3).count();
    assert_eq!(above, 0, "{}", text(&output));
}

#[test]
fn case_10_a_mebibyte_of_arguments_and_environment_passes_and_twice_that_does_not() {
    let served = Served::by("open");
    let script = "n=0; for a; do n=$((n + ${#a})); done; echo $n ${#LONG}";
    let piece = "x".repeat(100_000);
    let variable = format!("LONG={}", "y".repeat(120_000));
    let mut words = vec!["-e", &variable, "sh", "-c", script, "sh"];
    words.extend([piece.as_str(); 9]);
    let output = served.run(&words);
    assert_eq!(text(&output).trim(), "900000 120000", "{}", String::from_utf8_lossy(&output.stderr));

    let mut request = Request::new("true");
    request.args = vec!["z".repeat(131_071).into(); 16];
    request.args.push("z".repeat(17).into());
    let refused = Asked::start(&served.socket(), Version::Two, &request, &[]).unwrap_err();
    assert!(matches!(refused, Failure::Refused { class: Class::TooLarge, .. }), "{refused}");
}

#[test]
fn case_11_what_is_not_utf_8_passes_byte_for_byte() {
    let served = Served::by("open");
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let dir = served.dir.path().join(bytes(b"dir-\xff"));
    fs::create_dir(&dir).unwrap();
    let mut words = vec![bytes(b"-e"), bytes(b"V=\xfe\x80"), bytes(b"-w"), dir.clone().into()];
    words.extend([
        bytes(b"sh"),
        bytes(b"-c"),
        bytes(b"printf '%s|%s|' \"$1\" \"$V\"; pwd"),
        bytes(b"sh"),
        bytes(b"a\xc3"),
    ]);
    let output = served.run(&words);
    let expected = [&b"a\xc3|\xfe\x80|"[..], dir.as_os_str().as_encoded_bytes(), b"\n"].concat();
    assert_eq!(output.stdout, expected);
}

#[test]
fn case_12_only_the_variables_that_the_rule_names_arrive() {
    let served = Served::by("clean");
    let mut client = served.client(&["-w", "/tmp", "-e", "LC_ALL=C", "-e", "LD_PRELOAD=/x.so", "-e", "MINE=1", "env"]);
    let output =
        client.env("SECRET", "of the caller's").env("LD_LIBRARY_PATH", "/x").stdin(Stdio::null()).output().unwrap();
    let text = text(&output);
    assert!(text.contains("LC_ALL=C") && text.contains("MINE=1"), "{text}");
    assert!(!text.contains("LD_") && !text.contains("SECRET") && !text.contains("HOTFN_EXEC_TEST"), "{text}");
    let output = served.run(&["-w", "/tmp", "pwd"]);
    assert_eq!(output.stdout, b"/tmp\n");
}

#[test]
fn what_takes_too_long_ends_with_124() {
    let began = std::time::Instant::now();
    assert_eq!(Served::by("brief").run(&["sleep", "600"]).status.code(), Some(124));
    assert_eq!(Served::by("open").run(&["--timeout", "0.2", "sleep", "600"]).status.code(), Some(124));
    assert!(began.elapsed() < crate::harness::PATIENCE);
}

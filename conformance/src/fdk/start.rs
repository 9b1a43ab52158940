//! From the start of the process to the first call, and its end.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, Stop, holds, ours};
use crate::function::{Function, Home};
use crate::stage::Stage;
use crate::wire::Request;

/// How long an agent waits for a listener.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Agents are not always of the function's user: all must be able to read and write.
const OPEN: u32 = 0o666;
/// A listener of another scheme.
const NO_UNIX: &str = "tcp:127.0.0.1:8080";
/// How often the race between a listener's name and its accepting is run.
const RACES: usize = 3;

pub(super) const CASES: &[Entry<Stage>] = &[
    Entry::must(
        1,
        "The listener appears within 5 s",
        "With the environment an agent gives, the name in FN_LISTENER is there at most 5 s after the start.",
        |stage: &Stage| {
            let home = Home::new()?;
            Function::launch(&stage.launch(&home), home, &stage.transcript)?.listens_within(START_TIMEOUT)
        },
    )
    .alone(),
    Entry::must(
        2,
        "No FN_LISTENER: it refuses to start",
        "Without FN_LISTENER a function says so on standard error and ends with an exit code other than 0.",
        |stage| refuses(stage, "FN_LISTENER", None),
    ),
    Entry::must(
        3,
        "A listener that is no unix socket: it refuses to start",
        "An FN_LISTENER of another scheme than unix: ends the function with an exit code other than 0.",
        |stage| {
            let outcome = refuses(stage, "FN_LISTENER", Some(NO_UNIX));
            // Some take it for a name in the working directory, which is the user's own.
            for left in names(Path::new("."))?.iter().filter(|name| name.contains(NO_UNIX)) {
                let _ = fs::remove_file(left);
            }
            outcome
        },
    ),
    Entry::must(
        4,
        "A format it does not speak: it refuses to start",
        "A function that speaks http-stream only ends with an exit code other than 0 when FN_FORMAT asks for another; \
         one that speaks json over stdio opens no listener then.",
        other_format,
    ),
    Entry::must(
        5,
        "The listener may be anywhere, under any name",
        "The path is what FN_LISTENER says: neither the folder nor the base name can be counted on.",
        |stage| {
            let home = Home::with_listener("iofs7/inner/other-name.socket")?;
            stage.start_in(home, |_, _| ())?.call(&Request::echo("hi"))?.is(200, "a call to a moved listener").map(drop)
        },
    ),
    Entry::must(
        6,
        "The name is a socket, or a plain link to one beside it",
        "The listener is a socket, or a symbolic link whose target is a name in the same folder.",
        plain,
    ),
    Entry::must(
        7,
        "The socket is open to all",
        "The socket behind the name has mode 0666: the agent may be another user.",
        |stage| {
            let function = stage.start()?;
            let mode = ours(fs::metadata(function.listener()), "look behind the listener")?.permissions().mode();
            holds!(
                mode & OPEN == OPEN,
                "the socket's mode is {:o}; chmod it to 0666 before the listener's name appears",
                mode & 0o777
            );
            Ok(())
        },
    ),
    Entry::must(
        8,
        "A caller that connects the moment the name appears is served",
        "The name appears when the function accepts, not before.",
        |stage| {
            for _ in 0..RACES {
                let answer = stage.start()?.call(&Request::echo("first"))?;
                answer.is(200, "the call of whoever connects at once")?;
            }
            Ok(())
        },
    ),
    Entry::should(
        9,
        "It starts over what its predecessor left",
        "A socket and a link that a killed process left behind do not keep the next one from starting.",
        left_over,
    ),
    Entry::better(
        10,
        "SIGTERM: it tidies up and ends with 0",
        "A function asked to end by SIGTERM removes its socket and link and ends with exit code 0.",
        |stage| {
            let mut function = stage.start()?;
            // Some are not quite there yet when their socket is.
            function.call(&Request::echo("first"))?.is(200, "the first call")?;
            function.process.signal(Signal::TERM);
            let Some(status) = function.process.ends_within(bounds::END) else {
                return Err(Stop::broken(format!("it still runs {:?} after SIGTERM", bounds::END)));
            };
            holds!(status.success(), "it ended with {status} after SIGTERM, not with exit code 0");
            let left = names(function.listener().parent().expect("it lies in a folder"))?;
            holds!(left.is_empty(), "it ended and left behind {left:?}");
            Ok(())
        },
    ),
];

/// With `variable` as it should not be, it ends on its own and says why.
fn refuses(stage: &Stage, variable: &str, value: Option<&str>) -> Run {
    let home = Home::new()?;
    let mut launch = stage.launch(&home);
    launch.environment.remove(variable);
    if let Some(value) = value {
        launch.environment.insert(variable.to_owned(), value.to_owned());
    }
    let mut function = Function::launch(&launch, home, &stage.transcript)?;
    let told = value.map_or_else(|| format!("without {variable}"), |value| format!("with {variable}={value}"));
    let Some(status) = function.process.ends_within(bounds::END) else {
        return Err(Stop::broken(format!("{told} it still runs after {:?}; it must end at once", bounds::END)));
    };
    holds!(!status.success(), "{told} it ended with exit code 0; it must be another");
    let said = function.process.stderr.says("\n", bounds::OUTPUT) || !function.process.stderr.text().is_empty();
    holds!(said, "{told} it ended without a word on standard error");
    Ok(())
}

fn other_format(stage: &Stage) -> Run {
    let home = Home::new()?;
    let mut launch = stage.launch(&home);
    launch.environment.insert("FN_FORMAT".to_owned(), "json".to_owned());
    let mut function = Function::launch(&launch, home, &stage.transcript)?;
    let ended = function.process.ends_within(bounds::END);
    holds!(
        function.listener().symlink_metadata().is_err(),
        "told to speak json it opened an http-stream listener; it must refuse what it does not speak"
    );
    // Standard input is closed: one that speaks json has no call to wait for, and ends well.
    holds!(ended.is_some(), "told to speak json, with nobody to talk to, it still runs after {:?}", bounds::END);
    let refused = ended.is_some_and(|status| !status.success()) || function.process.stderr.text().is_empty();
    holds!(refused, "told to speak json it complained, yet ended with exit code 0");
    Ok(())
}

fn plain(stage: &Stage) -> Run {
    let function = stage.start()?;
    let listener = function.listener();
    if let Ok(target) = fs::read_link(listener) {
        let cleaned = target.strip_prefix("./").unwrap_or(&target);
        holds!(
            cleaned.components().count() == 1 && !cleaned.is_absolute() && cleaned != Path::new(".."),
            "the listener links to {target:?}; an agent takes only a name in the same folder, as \"phonylsnr.sock\""
        );
    }
    let found = ours(fs::metadata(listener), "look behind the listener")?;
    holds!(found.file_type().is_socket(), "behind the listener's name is no socket");
    Ok(())
}

fn left_over(stage: &Stage) -> Run {
    let mut function = stage.start()?;
    function.process.signal(Signal::KILL);
    function.process.ends_within(bounds::END);
    let before = names(function.listener().parent().expect("it lies in a folder"))?;
    stage.transcript.note(format!("killed; left behind: {before:?}"));
    let mut launch = stage.launch(&function.home);
    launch.environment.insert("CONFORMANCE_AGAIN".to_owned(), "1".to_owned());
    function.process = crate::function::Process::start(&launch, &stage.transcript)?;
    // The old name is there from the start, so only an answer tells that the new one is.
    let began = Instant::now();
    loop {
        let answer = function.call(&Request::echo("again"));
        match answer {
            Ok(answer) => return answer.is(200, "the first call after a restart").map(drop),
            Err(why) if began.elapsed() > bounds::END => {
                let Stop::Broken(why) = why else { return Err(why) };
                let said = function.process.stderr.tail();
                return Err(Stop::broken(format!(
                    "started over {before:?} it served no call within {:?}: {why}; remove what a predecessor left \
                     before binding; on standard error it said {said:?}",
                    bounds::END
                )));
            }
            Err(_) => {}
        }
        if let Some(status) = function.process.ended() {
            let said = function.process.stderr.tail();
            return Err(Stop::broken(format!("started over {before:?} it ended with {status}, saying {said:?}")));
        }
        function.home.wait_for_a_name(LOOK_EVERY, function.process.pidfd())?;
    }
}

/// A name that appears says nothing of when it is listened to; so it is looked at again this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn names(dir: &Path) -> Run<Vec<String>> {
    let entries = ours(fs::read_dir(dir), "list the directory")?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect())
}

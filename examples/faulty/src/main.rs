//! A function that misbehaves on demand, for those who must live with functions that do.
//!
//! A call's body is a script: steps separated by `;`, each a word and what belongs to it. Without a
//! step that answers, the answer is `ok`.
//!
//! # As a handler
//!
//! Unless told otherwise `faulty` is served by `hotfn-fdk`, over any format, and its faults are
//! those of a handler ([`handler`]):
//!
//! | step | what happens |
//! |---|---|
//! | `reply TEXT` | the answer |
//! | `bytes N` | the answer: N times `x` |
//! | `pid` | the answer: the process's id |
//! | `env NAME` | the answer: a variable |
//! | `header NAME VALUE` | one more header of the answer |
//! | `status N` | the answer's status |
//! | `error TEXT` | the handler returns an error |
//! | `panic` | it panics |
//! | `exit N`, `abort` | the process ends |
//! | `pause MS` | it awaits |
//! | `hang` | it awaits for ever |
//! | `block MS` | it blocks its thread: nothing else runs, no deadline is kept |
//! | `burn MS` | it computes: a core is busy for so long |
//! | `print N`, `eprint N` | N bytes in lines of 80 on standard output, or error |
//! | `leak MB` | so much memory is touched and kept |
//! | `child` | a process is started that sleeps for an hour, and is left alone |
//! | `break` | the answer streams `x` and breaks off |
//! | `try WHAT` | the answer: `done`, or why it could not be done ([`attempts`]) |
//!
//! What it can be told to try is what a sandbox should refuse:
//!
//! | WHAT | |
//! |---|---|
//! | `connect ADDRESS` | a TCP connection |
//! | `fill PATH MB` | a file of that size |
//! | `fork N` | so many processes at once |
//! | `mount` | a file system on `/tmp` |
//! | `open N` | so many files open at once |
//! | `raw` | a raw socket |
//! | `root` | to become user 0 |
//! | `write PATH` | to write a byte to a file, or to make it |
//!
//! # On the raw wire
//!
//! With `FAULTY_RAW=1` it speaks no protocol at all ([`raw`]). It looks for `[[script]]` in
//! whatever comes over its socket's connections or its standard input, and does that, and nothing
//! else; what is outside of the brackets is passed over, unanswered. In `TEXT`, `%0d` is a byte.
//!
//! | step | what happens |
//! |---|---|
//! | `send TEXT` | these bytes, to the connection or standard output |
//! | `ok` | a good answer of the format, its body the process's id |
//! | `fill N` | N times `x` |
//! | `trickle N MS` | N times `x`, a pause after each |
//! | `pause MS`, `hang` | nothing, for a while or for ever |
//! | `close` | the connection is closed, or standard output |
//! | `unlink` | the listener's name is removed |
//! | `burn MS`, `exit N`, `abort`, `print N`, `eprint N`, `leak MB`, `child` | as above |
//!
//! `[[send HTTP/1.1 404 Not Found%0d%0aContent-Length: 0%0d%0a%0d%0a]]` is a status that means
//! nothing, `[[ok; pause 50; send more]]` a late byte too many.
//!
//! # At the start
//!
//! `FAULTY_START` says what goes wrong before the first call ([`start`]). The first rows go on as
//! above; the others listen raw, in the directory of `FN_LISTENER`, however it is named there:
//!
//! | value | what happens |
//! |---|---|
//! | `late MS` | nothing, for a while |
//! | `flood N` | N bytes in lines on standard error |
//! | `exit N`, `abort` | the process ends |
//! | `hang` | nothing ever happens |
//! | `good` | hidden socket, mode 0666, relative link |
//! | `direct`, `no-chmod` | the socket is the name, with or without mode 0666 (without: 0600) |
//! | `rename`, `hardlink` | the hidden socket is moved, or linked hard, to the name |
//! | `dot-link` | the link says `./hidden` |
//! | `chain` | a link to a link to the socket, both relative |
//! | `chain-absolute` | the same, the second one absolute |
//! | `link-first` | the link is there before its socket |
//! | `link-absolute` | the link's target is absolute, and right |
//! | `link-out` | it leads to a socket outside the directory: `FAULTY_TARGET` |
//! | `parent` | the same, by `../`: the socket is beside the directory |
//! | `subdir` | it leads to a socket in a directory within |
//! | `dangling`, `file`, `dir`, `fifo` | the name is that |
//! | `noise` | other names come and go first |
//! | `deaf` | nobody listens behind the name |
//! | `stubborn` | all is well, but SIGTERM is ignored |

mod attempts;
mod deeds;
mod handler;
mod raw;
mod script;
mod start;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let told = env::var("FAULTY_START").unwrap_or_default();
    let raw = env::var_os("FAULTY_RAW").is_some_and(|raw| !raw.is_empty());
    match start::begin(&told) {
        Ok(start::Begun::AsUsual) if raw => raw::serve_as_told(),
        Ok(start::Begun::AsUsual) => hotfn_fdk::main(handler::misbehave),
        Ok(start::Begun::Listening(listener)) => raw::serve_listener(&listener),
        Err(e) => {
            eprintln!("faulty cannot even fail as told ({told:?}): {e:#}");
            ExitCode::FAILURE
        }
    }
}

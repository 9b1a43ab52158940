//! Input that is slow, cut or no call at all.

use super::call::Call;
use super::session::Session;
use super::{ALL, HOT, InFormats};
use crate::bounds;
use crate::case::Entry;
use crate::check::{Run, Stop, holds};

/// What no format takes for a call.
const GARBAGE: &[u8] = b"\x00\xffthis is no call\r\n\r\n";

pub(super) const CASES: &[InFormats] = &[
    InFormats(
        ALL,
        Entry::must(
            241,
            "A call that comes byte by byte",
            "Where a write ended says nothing: a call may come in any pieces.",
            |stage| {
                let call = Call::echo("slowly");
                let bytes = call.bytes(stage.subject.format);
                let mut session = Session::start(stage, &call)?;
                let (last, before) = bytes.split_last().expect("a call is not empty");
                for byte in before {
                    session.send(&[*byte])?;
                    session.has_read_all()?;
                }
                let answer = session.exchange(&[*last])?.is(200, "a call that came byte by byte")?;
                holds!(answer.body == b"slowly", "it was answered {}", answer.brief());
                Ok(())
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::should(
            242,
            "Input that ends within a call",
            "A call that is cut is not answered with success, and the process ends.",
            |stage| {
                let call = Call::echo("this will not be all of it");
                let bytes = call.bytes(stage.subject.format);
                let mut session = Session::start(stage, &call)?;
                session.send(&bytes[..bytes.len() - 5])?;
                ends_without_success(&mut session, "a call that was cut")
            },
        ),
    ),
    InFormats(
        HOT,
        Entry::should(
            243,
            "Input that is no call",
            "What cannot be read as a call is not answered with success, and the process ends.",
            |stage| {
                let mut session = Session::start(stage, &Call::echo(""))?;
                session.send(GARBAGE)?;
                ends_without_success(&mut session, "input that is no call")
            },
        ),
    ),
];

fn ends_without_success(session: &mut Session, of: &str) -> Run {
    if session.ends().is_none() {
        return Err(Stop::broken(format!("it still runs {:?} after its input ended with {of}", bounds::END)));
    }
    match session.answer_within(bounds::OUTPUT) {
        Ok(answer) => {
            holds!(answer.status >= 400, "{of} was answered {}", answer.brief());
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

//! HTTP/1.1 as an agent speaks it to a function, byte by byte where a case wants that.

mod answer;
mod connection;
mod incoming;
mod request;
mod stream;

pub(crate) use self::answer::Answer;
pub(crate) use self::connection::{Connection, Unanswered};
pub(crate) use self::incoming::incoming;
pub(crate) use self::request::{Request, rfc3339};

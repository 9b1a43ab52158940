//! The five names, and the factory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Call, ContainerIo, Ends, Limits, ReplySink, Reuse, Verdict};
use crate::{cloudevent, default, http, http_stream, json};

/// How an agent and a function talk.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Format {
    /// One CloudEvent a call, one a reply, over stdin and stdout.
    CloudEvent,
    /// The body on stdin, the answer on stdout, one process a call. What an empty name means.
    #[default]
    Default,
    /// HTTP/1.1 over stdin and stdout.
    Http,
    /// HTTP/1.1 over a unix socket in the container's iofs directory.
    HttpStream,
    /// One JSON document a call, one a reply, over stdin and stdout.
    Json,
}

impl Format {
    /// All five.
    pub const ALL: [Self; 5] = [Self::CloudEvent, Self::Default, Self::Http, Self::HttpStream, Self::Json];

    /// The name on the wire, in config and in `FN_FORMAT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloudEvent => cloudevent::NAME,
            Self::Default => default::NAME,
            Self::Http => http::NAME,
            Self::HttpStream => http_stream::NAME,
            Self::Json => json::NAME,
        }
    }

    /// Can one container serve many calls? See [`ContainerIo::is_streamable`].
    #[must_use]
    pub fn is_streamable(self) -> bool {
        self != Self::Default
    }

    /// Does the function listen on a socket, rather than on its standard input?
    #[must_use]
    pub fn has_socket(self) -> bool {
        self == Self::HttpStream
    }

    /// Makes a container's end of this format.
    ///
    /// # Errors
    /// When the driver gave the other kind of ends.
    pub fn end(self, ends: Ends, limits: Limits) -> Result<Io, MismatchedEnds> {
        Ok(match (self, ends) {
            (Self::HttpStream, Ends::Socket(dial)) => Io::HttpStream(http_stream::HttpStream::new(dial, limits)),
            (Self::CloudEvent, Ends::Pipes { stdin, stdout, exit }) => {
                Io::CloudEvent(cloudevent::CloudEvent::new(stdin, stdout, exit, limits))
            }
            (Self::Default, Ends::Pipes { stdin, stdout, exit }) => {
                Io::Default(default::Default::new(stdin, stdout, exit, limits))
            }
            (Self::Http, Ends::Pipes { stdin, stdout, exit }) => {
                Io::Http(Box::new(http::Http::new(stdin, stdout, exit, limits)))
            }
            (Self::Json, Ends::Pipes { stdin, stdout, exit }) => Io::Json(json::Json::new(stdin, stdout, exit, limits)),
            (format, _) => return Err(MismatchedEnds(format)),
        })
    }
}

/// A driver gave pipes to a format that wants a socket, or the other way round.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the driver's ends do not fit the format {0}")]
pub struct MismatchedEnds(pub Format);

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A name that is none of the five.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown format {0:?}; it is one of cloudevent, default, http, http-stream, json")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        if name.is_empty() {
            return Ok(Self::Default);
        }
        Self::ALL.into_iter().find(|f| f.as_str() == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<'de, str>::deserialize(d)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A container's end of any format. The set is closed, so it is an enum and no call is boxed.
#[derive(Debug)]
pub enum Io {
    /// See [`Format::CloudEvent`].
    CloudEvent(cloudevent::CloudEvent),
    /// See [`Format::Default`].
    Default(default::Default),
    /// See [`Format::Http`].
    Http(Box<http::Http>),
    /// See [`Format::HttpStream`].
    HttpStream(http_stream::HttpStream),
    /// See [`Format::Json`].
    Json(json::Json),
}

impl ContainerIo for Io {
    fn is_streamable(&self) -> bool {
        match self {
            Self::CloudEvent(io) => io.is_streamable(),
            Self::Default(io) => io.is_streamable(),
            Self::Http(io) => io.is_streamable(),
            Self::HttpStream(io) => io.is_streamable(),
            Self::Json(io) => io.is_streamable(),
        }
    }

    fn look(&mut self) -> Reuse {
        match self {
            Self::CloudEvent(io) => io.look(),
            Self::Default(io) => io.look(),
            Self::Http(io) => io.look(),
            Self::HttpStream(io) => io.look(),
            Self::Json(io) => io.look(),
        }
    }

    async fn dispatch(&mut self, call: &mut Call, sink: ReplySink) -> Verdict {
        // In boxes but for one: it would carry the room that the largest needs.
        match self {
            Self::CloudEvent(io) => Box::pin(io.dispatch(call, sink)).await,
            Self::Default(io) => Box::pin(io.dispatch(call, sink)).await,
            Self::Http(io) => Box::pin(io.dispatch(call, sink)).await,
            Self::HttpStream(io) => io.dispatch(call, sink).await,
            Self::Json(io) => Box::pin(io.dispatch(call, sink)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_round_trips_as_text_and_as_json() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            let json = serde_json::to_string(&format).unwrap();
            assert_eq!(json, format!("\"{format}\""));
            assert_eq!(serde_json::from_str::<Format>(&json).unwrap(), format);
        }
    }

    #[test]
    fn an_empty_name_is_default_and_others_are_refused_by_name() {
        assert_eq!("".parse(), Ok(Format::Default));
        assert_eq!(serde_json::from_str::<Format>(r#""""#).unwrap(), Format::Default);
        for bad in ["HTTP", "http_stream", " json", "grpc", "json\n"] {
            assert_eq!(bad.parse::<Format>(), Err(UnknownFormat(bad.to_owned())));
        }
        let e = serde_json::from_str::<Format>("\"grpc\"").unwrap_err().to_string();
        assert!(e.contains("\"grpc\"") && e.contains("http-stream"), "{e}");
    }
}

//! What a person gives a call on the command line.

use std::str::FromStr;

use bytes::Bytes;
use clap::Args;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use hotfn_protocols::Body;

#[derive(Args, Debug)]
pub(super) struct Input {
    /// The call's body: the text itself, @FILE for a file's bytes, - for standard input
    #[arg(short, long, value_name = "DATA|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// A header of the call; may be given many times
    #[arg(short = 'H', long = "header", value_name = "K: V")]
    headers: Vec<Header>,
    /// Show the answer's status and headers before its body
    #[arg(short, long)]
    pub(super) include: bool,
}

impl Input {
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.iter().map(|Header(name, value)| (name.clone(), value.clone())).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    /// The body, opened now and read as the call goes on.
    pub(super) async fn body(&self) -> anyhow::Result<Body> {
        let Some(data) = &self.data else { return Ok(Body::empty()) };
        if data == "-" {
            return Ok(read(tokio::io::stdin()));
        }
        let Some(path) = data.strip_prefix('@') else { return Ok(data.clone().into()) };
        match tokio::fs::File::open(path).await {
            Ok(file) => Ok(read(file)),
            Err(e) => Err(super::Usage::of(anyhow::Error::from(e).context(format!("cannot read {path:?}")))),
        }
    }
}

fn read(from: impl AsyncRead + Send + Unpin + 'static) -> Body {
    Body::stream(StreamBody::new(Box::pin(stream::try_unfold(from, |mut from| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
        let read = from.read_buf(&mut piece).await?;
        let frame = (read > 0).then(|| (Frame::data(Bytes::from(piece)), from));
        Ok::<_, std::io::Error>(frame)
    }))))
}

/// How much is read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// `K: V`.
#[derive(Clone, Debug)]
struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("a header is written 'Name: value'")?;
        let name = name.trim().parse().map_err(|_| format!("{:?} is not a header's name", name.trim()))?;
        let value = value.trim().parse().map_err(|_| format!("{:?} is not a header's value", value.trim()))?;
        Ok(Self(name, value))
    }
}

/// `K=V`.
#[derive(Clone, Debug)]
pub(super) struct Variable(pub(super) String, pub(super) String);

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("a variable is written NAME=value")?;
        crate::config::function::variable(name, value)?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

//! What a handler may take: the body of a call, made into something.
//!
//! Input that does not fit is the caller's mistake but the function's answer: the call fails like
//! any error of the handler, with a message that says what was expected.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use hotfn_protocols::{Body, BodyError};

use crate::{Context, ENV_INPUT_BYTES_MAX, Json};

/// Made from a call's body.
///
/// Everything but [`Body`] holds the whole body in memory, up to
/// [`ENV_INPUT_BYTES_MAX`](crate::ENV_INPUT_BYTES_MAX).
pub trait FromCall: Sized + Send {
    /// Makes it.
    fn from_call(ctx: &Context, body: Body) -> impl Future<Output = Result<Self, InputError>> + Send;
}

/// Why a body is not what the handler takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It is not JSON, or not of the right shape.
    #[error("body is not the expected JSON")]
    Json(#[from] serde_json::Error),
    /// It did not arrive whole.
    #[error("body could not be read")]
    Read(#[source] BodyError),
    /// It is too large to be held.
    #[error("body is larger than {max} bytes; take a stream, or raise {ENV_INPUT_BYTES_MAX}")]
    TooLarge {
        /// The bound.
        max: u64,
    },
    /// It is not text.
    #[error("body is not UTF-8 text")]
    Utf8(#[from] std::string::FromUtf8Error),
}

/// The bytes as they come, however many: memory does not grow with them.
impl FromCall for Body {
    async fn from_call(_: &Context, body: Body) -> Result<Self, InputError> {
        Ok(body)
    }
}

/// No interest in the body.
impl FromCall for () {
    async fn from_call(_: &Context, _: Body) -> Result<Self, InputError> {
        Ok(())
    }
}

impl FromCall for Bytes {
    async fn from_call(ctx: &Context, body: Body) -> Result<Self, InputError> {
        let max = ctx.settings().input_bytes_max;
        body.gather(max).await.map_err(|e| match e {
            BodyError::TooLarge { max } => InputError::TooLarge { max },
            other => InputError::Read(other),
        })
    }
}

impl FromCall for Vec<u8> {
    async fn from_call(ctx: &Context, body: Body) -> Result<Self, InputError> {
        Ok(Bytes::from_call(ctx, body).await?.into())
    }
}

/// Text in UTF-8, whatever the content type says.
impl FromCall for String {
    async fn from_call(ctx: &Context, body: Body) -> Result<Self, InputError> {
        Ok(Self::from_utf8(Vec::from_call(ctx, body).await?)?)
    }
}

/// JSON, whatever the content type says.
impl<T: DeserializeOwned + Send> FromCall for Json<T> {
    async fn from_call(ctx: &Context, body: Body) -> Result<Self, InputError> {
        Ok(Self(serde_json::from_slice(&Bytes::from_call(ctx, body).await?)?))
    }
}

/// `None` for an empty body. Not for streams: it holds the body to see whether there is one.
impl<T: FromCall> FromCall for Option<T> {
    async fn from_call(ctx: &Context, body: Body) -> Result<Self, InputError> {
        let bytes = Bytes::from_call(ctx, body).await?;
        if bytes.is_empty() { Ok(None) } else { Ok(Some(T::from_call(ctx, bytes.into()).await?)) }
    }
}

//! A function: something that answers calls, and what it does before it ends.
//!
//! There are two ways to write one. A *handler* is an async fn of a [`Context`] and the body made
//! into something; a *service* is any [`tower_service::Service`] of HTTP requests, such as an axum
//! `Router`. Both become a [`Function`], from which the rest of this crate cannot tell them apart.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use hotfn_protocols::Body;

use crate::{BoxError, Context, FromCall, IntoReply, Reply};

/// Something that answers calls.
///
/// Made by [`function`] or [`http`](crate::http()); needed by name only to add
/// [`on_shutdown`](Self::on_shutdown).
pub struct Function {
    work: Box<dyn Work>,
    hook: Mutex<Option<Hook>>,
}

type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A call being worked on.
pub(crate) type Working<'a> = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send + 'a>>;

/// The one thing that handlers and services have in common.
pub(crate) trait Work: Send + Sync {
    fn work(&self, ctx: Context, body: Body) -> Working<'_>;
}

impl Function {
    pub(crate) fn new(work: impl Work + 'static) -> Self {
        Self { work: Box::new(work), hook: Mutex::new(None) }
    }

    /// Runs `hook` once, after the last call and before the process ends, to flush what would be
    /// lost. It has what the calls in flight left of
    /// [`ENV_SHUTDOWN_MS`](crate::ENV_SHUTDOWN_MS), and a quarter of it in any case.
    #[must_use]
    pub fn on_shutdown<H, Fut>(self, hook: H) -> Self
    where
        H: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let hook: Hook = Box::new(|| Box::pin(hook()));
        Self { hook: Mutex::new(Some(hook)), ..self }
    }

    pub(crate) fn work(&self, ctx: Context, body: Body) -> Working<'_> {
        self.work.work(ctx, body)
    }

    /// The hook, once.
    pub(crate) fn take_hook(&self) -> Option<Hook> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

/// Becomes a function. `Shape` only tells the kinds apart; it is never named.
pub trait IntoFunction<Shape> {
    /// Becomes one.
    fn into_function(self) -> Function;
}

/// Makes a function of a handler: an async fn `(Context, In) -> Result<Out, E>`.
pub fn function<Shape>(handler: impl IntoFunction<Shape>) -> Function {
    handler.into_function()
}

impl IntoFunction<()> for Function {
    fn into_function(self) -> Function {
        self
    }
}

impl<F, In, Fut, Out, E> IntoFunction<fn(Context, In)> for F
where
    F: Fn(Context, In) -> Fut + Send + Sync + 'static,
    In: FromCall + 'static,
    Fut: Future<Output = Result<Out, E>> + Send + 'static,
    Out: IntoReply,
    E: Into<BoxError>,
{
    fn into_function(self) -> Function {
        Function::new(Handler { handler: self, input: std::marker::PhantomData })
    }
}

struct Handler<F, In> {
    handler: F,
    input: std::marker::PhantomData<fn(In)>,
}

impl<F, In, Fut, Out, E> Work for Handler<F, In>
where
    F: Fn(Context, In) -> Fut + Send + Sync,
    In: FromCall + 'static,
    Fut: Future<Output = Result<Out, E>> + Send,
    Out: IntoReply,
    E: Into<BoxError>,
{
    fn work(&self, ctx: Context, body: Body) -> Working<'_> {
        Box::pin(async move {
            let input = In::from_call(&ctx, body).await?;
            let output = (self.handler)(ctx, input).await.map_err(Into::into)?;
            output.into_reply()
        })
    }
}

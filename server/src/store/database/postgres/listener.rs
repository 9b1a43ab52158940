//! A connection that only listens.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, Config};
use tokio_util::task::AbortOnDropHandle;

use super::tls::Tls;

/// How long nobody listens after a connection was lost or refused.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Hears of every write, over a connection of its own that is made again when it is lost.
#[derive(Debug)]
pub(in crate::store) struct Listener {
    heard: Arc<Notify>,
    _listening: AbortOnDropHandle<Infallible>,
}

impl Listener {
    /// Listens from now on, in a task of its own, until it is dropped.
    pub(super) fn start(config: Config, tls: Tls) -> Self {
        let heard = Arc::new(Notify::new());
        let hears = heard.clone();
        let listening = tokio::spawn(async move {
            loop {
                if let Err(e) = listen(&config, &tls, &hears).await {
                    // Who asks the store says that it is away.
                    tracing::debug!(error = %e, "the store does not tell what is written");
                }
                sleep(AGAIN_AFTER).await;
            }
        });
        Self { heard, _listening: AbortOnDropHandle::new(listening) }
    }

    /// Resolves when somebody may have written since it last did. Cancel safe.
    pub(in crate::store) async fn next(&self) {
        self.heard.notified().await;
    }
}

/// Listens until the connection ends.
async fn listen(config: &Config, tls: &Tls, heard: &Notify) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let mut asked = pin!(client.batch_execute(super::LISTEN));
    let mut is_listening = false;
    poll_fn(|cx| {
        loop {
            if !is_listening && let Poll::Ready(answer) = asked.as_mut().poll(cx) {
                answer?;
                is_listening = true;
                // For what was written while nobody listened.
                heard.notify_one();
            }
            match ready!(connection.poll_message(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(e)) => return Poll::Ready(Err(e)),
                Some(Ok(AsyncMessage::Notification(_))) => heard.notify_one(),
                Some(Ok(_)) => {}
            }
        }
    })
    .await
}

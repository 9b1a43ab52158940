//! A connection that only listens.
//!
//! That a connection listens does not mean that it hears: what stands between may share a server's connections out
//! among many, statement by statement, and hand on no word. So a listener is believed only once it has heard one,
//! and has one said over the other connection for that.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::AsyncMessage;
use tokio_util::task::AbortOnDropHandle;

use super::{Access, Door, Failure, OFFER};
use crate::store::database::told::{Teller, Told, Topic};

/// How long nobody listens after a connection was lost or refused.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a listener says first.
const LISTEN: &str = "LISTEN hotfn_written; LISTEN hotfn_offered";
/// The word that there are calls to take, the other being that definitions have changed.
const OFFERED: &str = "hotfn_offered";

/// Hears of every write, over a connection of its own that is made again when it is lost.
#[derive(Debug)]
pub(super) struct Listener {
    teller: Arc<Teller>,
    _listening: AbortOnDropHandle<Infallible>,
}

impl Listener {
    /// Listens from now on, in a task of its own, until it is dropped.
    pub(super) fn start(door: Door) -> Self {
        let teller = Arc::new(Teller::new());
        let tells = teller.clone();
        let listening = tokio::spawn(async move {
            loop {
                if let Err(e) = listen(&door, &tells).await {
                    // Who asks the store says that it is away.
                    tracing::debug!(error = %e, "the store does not tell what is written");
                }
                tells.stop();
                sleep(AGAIN_AFTER).await;
            }
        });
        Self { teller, _listening: AbortOnDropHandle::new(listening) }
    }

    pub(super) fn told(&self, topic: Topic) -> Told {
        self.teller.told(topic)
    }
}

/// Listens until the connection ends.
async fn listen(door: &Door, teller: &Teller) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = door.config.connect(door.tls.clone()).await?;
    let mut asked = pin!(client.batch_execute(LISTEN));
    let mut trying = None;
    poll_fn(|cx| {
        loop {
            if trying.is_none()
                && let Poll::Ready(answer) = asked.as_mut().poll(cx)
            {
                answer?;
                trying = Some(AbortOnDropHandle::new(tokio::spawn(say(door.clone()))));
            }
            match ready!(connection.poll_message(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(e)) => return Poll::Ready(Err(e)),
                // The first one also stands for what was written while nobody listened.
                Some(Ok(AsyncMessage::Notification(word))) if word.channel() == OFFERED => teller.tell(Topic::Calls),
                Some(Ok(AsyncMessage::Notification(_))) => teller.tell(Topic::Definitions),
                Some(Ok(_)) => {}
            }
        }
    })
    .await
}

/// Says both words, for the listener to hear.
async fn say(door: Door) -> Result<(), Failure> {
    let mut said = door.begin(Access::Write).await?;
    said.batch("NOTIFY hotfn_written").await?;
    said.batch(OFFER).await?;
    said.commit().await
}

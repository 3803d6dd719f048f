//! What gateways must hear of whatever supersedes tokens, wherever it was decided (R9): a stream, read from where each
//! began.

use openim_record::UserId;
use openim_storage::port::StoreError;

use super::{Connection, Redis};

/// Events that one look gives at most.
const EVENTS_AT_ONCE: usize = 1_000;

/// Something that was decided about a user's tokens: their links are to be held against what the store has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose tokens.
    pub user: UserId,
}

/// What a look has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What has happened since the last look, in order.
    These(Vec<Event>),
    /// Something may have been missed: all links are to be looked at once.
    Gap,
}

/// The stream of events, as one gateway reads it.
pub struct Events {
    redis: Redis,
    /// The last event that was seen; `None` before the first look, and behind a gap.
    last: Option<String>,
}

impl Events {
    /// On a way to Redis of its own. The first look is a [`Told::Gap`].
    #[must_use]
    pub const fn new(redis: Redis) -> Self {
        Self { redis, last: None }
    }

    /// Says that something was decided about a user's tokens.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: who is connected elsewhere learns of it with the next sweep.
    pub async fn tell(redis: &Redis, event: &Event) -> Result<(), StoreError> {
        let mut command = redis::cmd("XADD");
        command.arg(redis.key("events")).arg("MAXLEN").arg("~").arg(redis.options.events_max);
        command.arg("*").arg("u").arg(event.user.as_str());
        redis.call::<String>("telling an event to", command).await.map(drop)
    }

    /// What has happened since the last look.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]. The next look that succeeds is a [`Told::Gap`] if anything was missed.
    pub async fn look(&mut self) -> Result<Told, StoreError> {
        let key = self.redis.key("events");
        let Some(last) = self.last.clone() else {
            self.last = Some(self.newest(key).await?);
            return Ok(Told::Gap);
        };
        let from = last.clone();
        let call = async move |mut connection: Connection| {
            // The last one seen comes again, if it is still there.
            redis::cmd("XRANGE")
                .arg(key)
                .arg(&from)
                .arg("+")
                .arg("COUNT")
                .arg(EVENTS_AT_ONCE + 1)
                .query_async::<Vec<(String, Vec<String>)>>(&mut connection)
                .await
        };
        let mut found = self.redis.with("reading events from", call).await?.into_iter();
        // Before the first event there is nothing to come again, and nothing was cut off while ids begin at its start.
        if found.next().is_none_or(|(id, _)| id != last) {
            self.last = None;
            return Box::pin(self.look()).await;
        }
        let mut events = Vec::new();
        for (id, fields) in found {
            self.last = Some(id);
            if let [_, user] = &fields[..] {
                events.push(Event { user: UserId::new(user) });
            }
        }
        Ok(Told::These(events))
    }

    /// The id of the newest event, which is made where there is none: a look begins behind one.
    async fn newest(&self, key: String) -> Result<String, StoreError> {
        let call = async move |mut connection: Connection| {
            let newest: Vec<(String, Vec<String>)> = redis::cmd("XREVRANGE")
                .arg(&key)
                .arg("+")
                .arg("-")
                .arg("COUNT")
                .arg(1)
                .query_async(&mut connection)
                .await?;
            if let Some((id, _)) = newest.into_iter().next() {
                return Ok(id);
            }
            let mut first = redis::cmd("XADD");
            first.arg(key).arg("*").arg("begins").arg("").arg("here").arg("");
            first.query_async(&mut connection).await
        };
        self.redis.with("reading events from", call).await
    }
}

//! What processes must hear of whatever supersedes tokens, takes a link's place or takes somebody out of a group, wherever it
//! was decided (R9, R6): a stream, read from where each began.
//!
//! An event has two fields, its kind with whom it concerns, and one more thing: `u` a user and `p` a platform; `r` the
//! entry of a link; `g` a group; `a` for everybody and all groups. Kinds that a later build tells are passed over.

use openim_record::{Entry, GroupId, UserId};
use openim_storage::port::StoreError;

use super::{Connection, Redis};

/// Events that one look gives at most.
const EVENTS_AT_ONCE: usize = 1_000;

/// Something that happened, perhaps, to links of other processes, or to what they remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Tokens of a user were issued, or decided about: their links are to be held against what the store has now.
    Tokens {
        /// Whose.
        user: UserId,
        /// The platform of a login; 0: it was none.
        by: u8,
    },
    /// A later link of the same user and platform stands in the place of this one, which is replaced.
    Replaced(Entry),
    /// Members of a group have gone, or have another role: what is remembered of them is to be asked for again.
    Group(GroupId),
    /// Something of the kind was not told: all links are to be looked at once, and all of groups is to be asked for again.
    All,
}

impl Event {
    fn fields(&self) -> [(&'static str, String); 2] {
        match self {
            Self::Tokens { user, by } => [("u", user.to_string()), ("p", by.to_string())],
            Self::Replaced(entry) => [("r", super::presence::text(*entry)), ("", String::new())],
            Self::Group(group) => [("g", group.to_string()), ("", String::new())],
            Self::All => [("a", String::new()), ("", String::new())],
        }
    }

    /// `None` for what a later build tells, and for the one that the stream begins with.
    fn read(fields: &[String]) -> Option<Self> {
        let [kind, whom, _, more] = fields else { return None };
        match &kind[..] {
            "u" => Some(Self::Tokens { user: UserId::new(whom), by: more.parse().unwrap_or(0) }),
            "r" => super::presence::read(whom).map(Self::Replaced),
            "g" => Some(Self::Group(GroupId::new(whom))),
            "a" => Some(Self::All),
            _ => None,
        }
    }
}

/// What a look has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What has happened since the last look, in order.
    These(Vec<Event>),
    /// Something may have been missed, as with [`Event::All`].
    Gap,
}

/// The stream of events, as one process reads it.
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

    /// Says that something has happened.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: who is connected elsewhere learns of it with the next sweep, and what is remembered of
    /// a group holds until it is too old.
    pub async fn tell(redis: &Redis, event: &Event) -> Result<(), StoreError> {
        let mut command = redis::cmd("XADD");
        command.arg(redis.key("events")).arg("MAXLEN").arg("~").arg(redis.options.events_max);
        command.arg("*").arg(&event.fields());
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
            // The last one seen comes again: that it does is how we know that none behind it was cut off.
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
        // It is not there any more: the stream was cut off behind it, emptied, or is that of a replica that lacks it.
        // How many went with it cannot be told, so we begin again; at the newest before anybody looks at all links.
        if found.next().is_none_or(|(id, _)| id != last) {
            self.last = None;
            return Box::pin(self.look()).await;
        }
        let mut events = Vec::new();
        for (id, fields) in found {
            self.last = Some(id);
            events.extend(Event::read(&fields));
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

//! `webhook`: what the app's backend is told.

use std::str::FromStr;

use crate::section::section;
use crate::setting::{Held, list, number, text};
use crate::{HttpUrl, Secret};

/// Events that are told together, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Messages that are stored.
    Message,
    /// Users: registered, changed, deleted.
    User,
    /// Tokens: given, ended.
    Login,
    /// Friends, requests to be one, blacklists.
    Friend,
    /// Groups, members, requests to be one.
    Group,
}

impl EventKind {
    const NAMES: [(&str, Self); 5] = [
        ("message", Self::Message),
        ("user", Self::User),
        ("login", Self::Login),
        ("friend", Self::Friend),
        ("group", Self::Group),
    ];
}

impl FromStr for EventKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind).ok_or(())
    }
}

impl Held for EventKind {
    fn written(&self) -> String {
        let name = Self::NAMES.iter().find(|(_, kind)| kind == self);
        name.map_or_else(String::new, |(name, _)| (*name).to_owned())
    }
}

section! {
    /// What the app's backend is told.
    pub struct Webhook {
        /// Where events are posted to; empty: nowhere.
        pub url: HttpUrl = HttpUrl::default(), "url" => text("an address like https://HOST/PATH, or empty");
        /// Signs what is posted to the backend, and opens `/events`; empty: neither.
        pub secret: Secret = Secret::default(), "secret" => text("text");
        /// Which events; none: all.
        pub events: Vec<EventKind> = Vec::new(), "events" => list(0, "message, user, login, friend, group");
        /// Events of one post, or of one page.
        pub batch_max: usize = 256, "batchMax" => number(1..=10_000);
        /// Seconds that a post has for its answer.
        pub timeout_seconds: u64 = 10, "timeoutSeconds" => number(1..=300);
    }
}

impl Webhook {
    /// Whether events of this kind are told.
    pub fn tells(&self, kind: EventKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }
}

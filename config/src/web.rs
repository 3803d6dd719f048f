//! `web`: pages for browsers.

use std::str::FromStr;

use crate::Secret;
use crate::section::section;
use crate::setting::{choice, number, one_of, text};

choice! {
    /// Whether there is a page.
    pub enum Served {
        /// With the embedded engine, and not in a cluster.
        Auto = "auto",
        /// There is.
        On = "on",
        /// There is none.
        Off = "off",
    }
}

section! {
    /// Pages for browsers, on the ports of REST.
    pub struct Web {
        /// The chat page.
        pub chat: Served = Served::default(), "chat" => one_of;
        /// What whoever takes a name on the page must know; empty: generated.
        pub key: Secret = Secret::default(), "key" => text("text");
        /// Names that are given in a minute; 0: none.
        pub guests_per_minute: u32 = 30, "guestsPerMinute" => number(0..=1_000_000);
        /// Where browsers find the websocket; empty: worked out from how the page was asked for.
        pub websocket_url: WebsocketUrl = WebsocketUrl::default(), "websocketUrl" => text("an address like wss://im.example.com, or empty");
    }
}

/// The address of a websocket: scheme, host, perhaps a port and a path. Empty: none is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebsocketUrl(pub String);

impl FromStr for WebsocketUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let host = text.strip_prefix("wss://").or_else(|| text.strip_prefix("ws://"));
        // It goes into a header, where some characters would mean something else.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
        match host {
            _ if text.is_empty() => Ok(Self::default()),
            Some(host) if !host.is_empty() && host.bytes().all(plain) => Ok(Self(text.to_owned())),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_websockets_are_plain() {
        for good in ["", "ws://127.0.0.1:7777", "wss://im.example.com/ws", "ws://[::1]:7777"] {
            assert_eq!(good.parse(), Ok(WebsocketUrl(good.to_owned())), "{good}");
        }
        for bad in ["im.example.com", "https://im.example.com", "wss://", "ws://a; script-src *"] {
            assert_eq!(bad.parse::<WebsocketUrl>(), Err(()), "{bad}");
        }
    }
}

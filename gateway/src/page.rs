//! The chat page: whether this process has it, who may take a name there, and where it finds the websocket.
//!
//! Owns the key of guests and how many came in this minute, for all shards: touched only when somebody registers. In: the
//! settings, and the ports that are listened on. Never: a socket, or the server's secret.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_auth::secrets_match;
use openim_config::{Config, Engine, Secret, Served};

/// What the uid of a guest begins with, so that no guest ever has one that the app gives.
pub(crate) const GUEST: &str = "guest~";

/// See the module.
#[derive(Debug)]
pub(crate) struct Page {
    /// None: nobody takes a name.
    key: Option<Secret>,
    guests_per_minute: u32,
    /// The minute, and behind it in 32 bits how many came in it.
    guests: AtomicU64,
    websocket_url: String,
    websocket_port: Option<u16>,
    tls: bool,
    rest_ports: Vec<u16>,
}

/// Somebody wants to register with the page's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    Welcome,
    /// There were too many in this minute.
    TooMany,
}

impl Page {
    /// Whether the settings ask for one.
    pub(crate) fn is_wanted(config: &Config) -> bool {
        match config.web.chat {
            Served::On => true,
            Served::Off => false,
            Served::Auto => config.engine == Engine::Embedded,
        }
    }

    /// The page, if there is one, of a server that listens on these addresses.
    pub(crate) fn of(
        config: &Config,
        key: Option<Secret>,
        websocket: &[SocketAddr],
        rest: &[SocketAddr],
    ) -> Option<Arc<Self>> {
        Self::is_wanted(config).then(|| {
            Arc::new(Self {
                key,
                guests_per_minute: config.web.guests_per_minute,
                guests: AtomicU64::new(0),
                websocket_url: config.web.websocket_url.0.clone(),
                tls: config.tls.is_on(),
                websocket_port: websocket.first().map(SocketAddr::port),
                rest_ports: rest.iter().map(SocketAddr::port).collect(),
            })
        })
    }

    /// Whether names are given at all.
    pub(crate) fn has_guests(&self) -> bool {
        self.key.is_some() && self.guests_per_minute > 0
    }

    /// Whether who wants to have `uid` and gives `key` comes as a guest, and if so, whether they may come in this minute.
    pub(crate) fn guest(&self, uid: &str, key: &str, now_ms: u64) -> Option<Guest> {
        let kept = self.key.as_ref().filter(|_| self.has_guests())?;
        let is_guest = uid.starts_with(GUEST)
            && uid.len() > GUEST.len()
            && secrets_match(key.as_bytes(), kept.expose().as_bytes());
        is_guest.then(|| self.count(now_ms / 60_000))
    }

    fn count(&self, minute: u64) -> Guest {
        let counted = self.guests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |guests| {
            let came = if guests >> 32 == minute { guests & u64::from(u32::MAX) } else { 0 };
            (came < u64::from(self.guests_per_minute)).then(|| (minute << 32) | (came + 1))
        });
        if counted.is_ok() { Guest::Welcome } else { Guest::TooMany }
    }

    /// Where a browser that asked `host` for the page finds the websocket. None: where it found the page.
    pub(crate) fn websocket(&self, host: Option<&str>) -> Option<String> {
        if !self.websocket_url.is_empty() {
            return Some(self.websocket_url.clone());
        }
        let (name, port) = plain(host?)?;
        let direct = self.rest_ports.contains(&port.unwrap_or(if self.tls { 443 } else { 80 }));
        let websocket = self.websocket_port.filter(|_| direct)?;
        let scheme = if self.tls { "wss" } else { "ws" };
        Some(format!("{scheme}://{name}:{websocket}"))
    }

    /// Whom the page may talk to besides the server it came from, for its content-security policy.
    pub(crate) fn connects_to(&self, host: Option<&str>) -> String {
        match self.websocket(host) {
            Some(url) => {
                let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
                url[..path].to_owned()
            }
            None => match host.filter(|host| plain(host).is_some()) {
                Some(host) => format!("ws://{host} wss://{host}"),
                None => String::new(),
            },
        }
    }
}

/// Name and port of a `Host`, if nothing else is in it: it goes into a header.
fn plain(host: &str) -> Option<(&str, Option<u16>)> {
    let end = host.find(']').map_or(0, |at| at + 1);
    let (name, port) = match host[end..].find(':') {
        Some(at) => (&host[..end + at], Some(host[end + at + 1..].parse().ok()?)),
        None => (host, None),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    (!name.is_empty() && name.len() <= 255 && name.bytes().all(is_plain)).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(config: &Config, key: &str) -> Option<Arc<Page>> {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Page::of(config, Some(Secret::new(key)), &[at(7777)], &[at(10_000)])
    }

    #[test]
    fn it_is_there_as_the_settings_say() {
        for (chat, engine, there) in [
            (Served::Auto, Engine::Embedded, true),
            (Served::Auto, Engine::Cluster, false),
            (Served::On, Engine::Cluster, true),
            (Served::Off, Engine::Embedded, false),
        ] {
            let mut config = Config { engine, ..Config::default() };
            config.web.chat = chat;
            assert_eq!(made(&config, "key").is_some(), there, "{chat:?} {engine:?}");
        }
    }

    #[test]
    fn guests_have_uids_of_guests_and_know_the_key() {
        let page = made(&Config::default(), "key").unwrap();
        assert_eq!(page.guest("guest~ann", "key", 0), Some(Guest::Welcome));
        for (uid, key) in
            [("ann", "key"), ("guest~", "key"), ("guest~ann", "kex"), ("guest~ann", "")]
        {
            assert_eq!(page.guest(uid, key, 0), None, "{uid} {key}");
        }
    }

    #[test]
    fn without_a_key_or_a_rate_nobody_is_a_guest() {
        let without = Page::of(&Config::default(), None, &[], &[]).unwrap();
        assert_eq!(without.guest("guest~ann", "", 0), None);
        let mut config = Config::default();
        config.web.guests_per_minute = 0;
        let page = made(&config, "key").unwrap();
        assert!(!page.has_guests());
        assert_eq!(page.guest("guest~ann", "key", 0), None);
    }

    #[test]
    fn so_many_come_in_a_minute() {
        let mut config = Config::default();
        config.web.guests_per_minute = 2;
        let page = made(&config, "key").unwrap();
        let come = |now_ms| page.guest("guest~ann", "key", now_ms).unwrap();
        let welcome = [come(60_000), come(60_001)];
        assert_eq!(welcome, [Guest::Welcome; 2]);
        assert_eq!(come(119_999), Guest::TooMany);
        assert_eq!(come(120_000), Guest::Welcome);
    }

    #[test]
    fn the_websocket_is_on_the_host_that_was_asked() {
        let page = made(&Config::default(), "key").unwrap();
        for (host, url, connects) in [
            ("127.0.0.1:10000", Some("ws://127.0.0.1:7777"), "ws://127.0.0.1:7777"),
            ("[::1]:10000", Some("ws://[::1]:7777"), "ws://[::1]:7777"),
            ("im.example.com", None, "ws://im.example.com wss://im.example.com"),
            ("im.example.com:8443", None, "ws://im.example.com:8443 wss://im.example.com:8443"),
            ("a; script-src *", None, ""),
            ("a:b", None, ""),
            ("", None, ""),
        ] {
            assert_eq!(page.websocket(Some(host)).as_deref(), url, "{host}");
            assert_eq!(page.connects_to(Some(host)), connects, "{host}");
        }
        let mut config = Config::default();
        config.web.websocket_url = "wss://im.example.com:444/ws".parse().unwrap();
        let page = made(&config, "key").unwrap();
        assert_eq!(page.websocket(None).as_deref(), Some("wss://im.example.com:444/ws"));
        assert_eq!(page.connects_to(None), "wss://im.example.com:444");
    }

    #[test]
    fn with_a_certificate_the_websocket_has_tls() {
        let mut config = Config::default();
        config.tls.cert_file = "cert.pem".into();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let page = Page::of(&config, None, &[at(7777)], &[at(443)]).unwrap();
        let direct = Some("wss://im.example.com:7777");
        assert_eq!(page.websocket(Some("im.example.com")).as_deref(), direct);
        assert_eq!(page.connects_to(Some("im.example.com")), "wss://im.example.com:7777");
    }
}

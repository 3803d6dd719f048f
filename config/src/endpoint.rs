//! Where an HTTP service of others is: `https://HOST`, `http://HOST:PORT`.
//!
//! In: the text of a setting. Out: whether to speak TLS, with whom, on which port. Never: a path, a
//! query or a name and password; no service that is asked has any.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    /// A name or an address; one of IPv6 without its brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    /// A service behind TLS on its usual port.
    pub(crate) fn https(host: &str) -> Endpoint {
        Endpoint { secure: true, host: host.to_owned(), port: usual_port(true) }
    }

    /// Whether it is spoken to through TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host's name or address; an address of IPv6 has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where it is the usual one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` header says: the host, and the port unless it is the usual one.
    pub fn authority(&self) -> String {
        let host = if self.host.parse::<Ipv6Addr>().is_ok() {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == usual_port(self.secure) { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// The text is not an address of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address like https://HOST or http://HOST:PORT")]
pub struct NotAnEndpoint;

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Endpoint, NotAnEndpoint> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAnEndpoint)?;
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(NotAnEndpoint),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(NotAnEndpoint)?;
                host.parse::<Ipv6Addr>().map_err(|_| NotAnEndpoint)?;
                (host, port)
            }
            None => {
                let (host, port) =
                    authority.split_at(authority.find(':').unwrap_or(authority.len()));
                if host.parse::<IpAddr>().is_err() && !is_name(host) {
                    return Err(NotAnEndpoint);
                }
                (host, port)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(NotAnEndpoint)?,
            None if port.is_empty() => usual_port(secure),
            None => return Err(NotAnEndpoint),
        };
        Ok(Endpoint { secure, host: host.to_owned(), port })
    }
}

fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_hosts_and_ports_are_told_apart() {
        for (text, secure, host, port, authority) in [
            ("https://sts.example.com", true, "sts.example.com", 443, "sts.example.com"),
            ("https://sts.example.com/", true, "sts.example.com", 443, "sts.example.com"),
            ("https://sts.example.com:443", true, "sts.example.com", 443, "sts.example.com"),
            ("https://sts.example.com:8443", true, "sts.example.com", 8443, "sts.example.com:8443"),
            ("http://gateway", false, "gateway", 80, "gateway"),
            ("http://127.0.0.1:443", false, "127.0.0.1", 443, "127.0.0.1:443"),
            ("http://[::1]", false, "::1", 80, "[::1]"),
            ("https://[fd00::1]:8443", true, "fd00::1", 8443, "[fd00::1]:8443"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            let parts = (endpoint.is_secure(), endpoint.host(), endpoint.port());
            assert_eq!(parts, (secure, host, port), "{text}");
            assert_eq!(endpoint.authority(), authority, "{text}");
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let long = format!("https://{}", "a".repeat(64));
        for text in [
            "",
            "sts.example.com",
            "ftp://sts.example.com",
            "HTTPS//sts.example.com",
            "https://",
            "https:///",
            "https://sts.example.com/path",
            "https://sts.example.com?query",
            "https://name:word@sts.example.com",
            "https://a..b",
            "https://a b",
            "https://host:",
            "https://host:0",
            "https://host:65536",
            "https://host:port",
            "https://::1",
            "https://[::1",
            "https://[host]",
            "https://[::1]443",
            &long,
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(NotAnEndpoint), "{text}");
        }
    }
}

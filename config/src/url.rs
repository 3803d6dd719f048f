//! Where something is posted to: `https://HOST/PATH`, `http://HOST:PORT/PATH?QUERY`. Empty: nowhere.
//!
//! In: the text of a setting. Out: the service, and what to ask it for. Never: a name and password, or a fragment.

use std::fmt;
use std::str::FromStr;

use crate::{Endpoint, NotAnEndpoint};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpUrl(Option<(Endpoint, String)>);

impl HttpUrl {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The service.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.as_ref().map(|(endpoint, _)| endpoint)
    }

    /// Path and query, which begin with `/`.
    pub fn path(&self) -> &str {
        self.0.as_ref().map_or("/", |(_, path)| path)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((endpoint, path)) => write!(f, "{endpoint}{path}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HttpUrl {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let host_at = text.find("://").ok_or(NotAnEndpoint)? + 3;
        let path_at = text[host_at..].find(['/', '?']).map_or(text.len(), |at| host_at + at);
        let (service, path) = text.split_at(path_at);
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
        if !path.bytes().all(plain) {
            return Err(NotAnEndpoint);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self(Some((service.parse()?, format!("{slash}{path}")))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_paths_are_told_apart() {
        for (text, service, path) in [
            ("http://127.0.0.1:9/callback", "http://127.0.0.1:9", "/callback"),
            ("https://app.example.com", "https://app.example.com", "/"),
            ("https://app.example.com/", "https://app.example.com", "/"),
            ("https://app.example.com?a=b", "https://app.example.com", "/?a=b"),
            ("https://[::1]:8443/a/b?c=/d", "https://[::1]:8443", "/a/b?c=/d"),
        ] {
            let url: HttpUrl = text.parse().unwrap();
            assert_eq!(url.endpoint().unwrap().to_string(), service, "{text}");
            assert_eq!(url.path(), path, "{text}");
            assert_eq!(url.to_string().parse(), Ok(url), "{text}");
        }
        let nowhere: HttpUrl = "".parse().unwrap();
        assert!(
            nowhere.is_empty() && nowhere.endpoint().is_none() && nowhere.to_string().is_empty()
        );
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "app.example.com/path",
            "ftp://app.example.com/path",
            "https:///path",
            "https://app.example.com/a b",
            "https://app.example.com/a#b",
            "https://app.example.com/\u{e9}",
            "https://name:word@app.example.com/",
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(NotAnEndpoint), "{text}");
        }
    }
}

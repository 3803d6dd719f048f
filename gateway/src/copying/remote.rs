//! The source that is a running server: its operators' port, asked over HTTP.
//!
//! In: an address and the secret. Out: what it answers. Bounded: a call waits 30 s for the next byte, or until whoever asks
//! has better to do, and takes no more than it asked for. Never: checks what it gets; who takes it does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openim_config::Secret;
use openim_storage::embedded::Epochs;
use openim_storage::embedded::copy::{
    About, PART_BYTES, PART_BYTES_MAX, Part, Source, SourceError,
};

use super::{AHEAD, FENCED, GONE, PART};
use crate::tls::SPEAKS_TLS;
use crate::visit::{Line, Patience, Place, Trust};

const SILENCE_MAX: Duration = Duration::from_secs(30);
/// An answer that is a text.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// See the module.
pub struct Remote {
    /// As it was given, for what is told.
    url: String,
    secret: Secret,
    /// Under which name it is told that we go on.
    follow: Option<String>,
    /// Why it is fenced, when it answered last.
    fenced: Option<String>,
    line: Line,
    patience: Patience,
}

impl Remote {
    /// The server whose operators' port is at `url`, which is like `http://10.0.0.1:10002` or, where browsers trust its certificate,
    /// `https://im.example.com:10002`.
    ///
    /// # Errors
    /// One line of what is wrong with it.
    pub fn new(url: &str, secret: Secret, follow: Option<String>) -> Result<Self, String> {
        Self::trusting(Trust::public(), url, secret, follow)
    }

    /// The same, where a server with TLS must be one of these.
    pub(crate) fn trusting(
        trust: Trust,
        url: &str,
        secret: Secret,
        follow: Option<String>,
    ) -> Result<Self, String> {
        Self::at(Place::of_another(url, trust)?, secret, follow)
    }

    /// The server whose operators' port is there.
    ///
    /// # Errors
    /// One line of what the system refuses.
    pub(crate) fn at(place: Place, secret: Secret, follow: Option<String>) -> Result<Self, String> {
        let plain = |name: String| name.chars().filter(|c| c.is_ascii_graphic()).collect();
        let follow = follow.map(plain).map(|name: String| name.replace(['&', '=', '#'], "_"));
        let url = place.url();
        let line = Line::to(place).map_err(|cause| format!("{url}: cannot be asked ({cause})"))?;
        let patience = Patience { silence_max: SILENCE_MAX, hurries: Arc::new(|| false) };
        Ok(Self { url, secret, follow, fenced: None, line, patience })
    }

    /// From now on a server that is silent is waited for only as long as this says no.
    #[must_use]
    pub fn until(self, hurries: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let patience = Patience { hurries: Arc::new(hurries), ..self.patience };
        Self { patience, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Which epoch another server was promoted with in the place of this one, if so when it answered last.
    #[must_use]
    pub fn fenced(&self) -> Option<&str> {
        self.fenced.as_deref()
    }

    /// What there is, if it answers within this time, whatever else there is to do.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn about_within(&mut self, time: Duration) -> Result<About, SourceError> {
        let patience = Patience { silence_max: time, hurries: Arc::new(|| false) };
        let patience = std::mem::replace(&mut self.patience, patience);
        let about = self.about();
        self.line.close();
        self.patience = patience;
        about
    }

    /// Asks, and puts what comes into `into` (cleared first), `bytes_max` at most; the header [`PART`].
    fn get(
        &mut self,
        path: &str,
        bytes_max: u64,
        into: &mut Vec<u8>,
    ) -> Result<String, SourceError> {
        self.call("GET", path, bytes_max, into)
    }

    fn call(
        &mut self,
        method: &str,
        path: &str,
        bytes_max: u64,
        into: &mut Vec<u8>,
    ) -> Result<String, SourceError> {
        // Not asked once more by itself: it may have ended and begun again, and be another one.
        let (status, part) = self.ask(method, path, bytes_max, into).map_err(|cause| {
            SourceError::Away(format!("{}: cannot be reached ({cause})", self.url))
        })?;
        if status == 200 {
            return Ok(part);
        }
        let text = String::from_utf8_lossy(into).trim().to_owned();
        let number = || text.parse().unwrap_or(0);
        Err(match status {
            GONE => SourceError::Gone { first: number() },
            AHEAD => SourceError::Ahead { durable: number() },
            401 | 403 => SourceError::Refused(format!("{}: {text}", self.url)),
            400 if text.starts_with(SPEAKS_TLS) => {
                SourceError::Away(format!("{}: it speaks TLS there; ask it by https://", self.url))
            }
            404 => SourceError::Refused(format!(
                "{}: nothing to copy is there: it is no openim of this version with the embedded engine",
                self.url
            )),
            _ => SourceError::Away(format!("{}: {status} {text}", self.url)),
        })
    }

    /// Asks what is no copy.
    ///
    /// # Errors
    /// [`SourceError`].
    pub(crate) fn text(&mut self, path: &str) -> Result<String, SourceError> {
        let mut text = Vec::new();
        self.get(path, TEXT_BYTES_MAX, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Tells a server that it was replaced; `Ok` when it has noted that.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn fence(&mut self, epochs: &Epochs) -> Result<(), SourceError> {
        let path = format!("/copy/fence?epochs={}", epochs.word());
        self.call("POST", &path, TEXT_BYTES_MAX, &mut Vec::new()).map(drop)
    }

    fn ask(
        &mut self,
        method: &str,
        path: &str,
        bytes_max: u64,
        into: &mut Vec<u8>,
    ) -> io::Result<(u16, String)> {
        let secret = format!("Bearer {}", self.secret.expose());
        let most = |status| if status == 200 { bytes_max } else { TEXT_BYTES_MAX };
        let shown = [("authorization", secret.as_str())];
        let head = self.line.ask((method, path), &shown, &self.patience, most, into)?;
        let header = |name| head.header(name).map(str::to_owned);
        self.fenced = header(FENCED);
        Ok((head.status, header(PART).unwrap_or_default()))
    }
}

impl Source for Remote {
    fn about(&mut self) -> Result<About, SourceError> {
        // One that was kept while an index was opened, say, may have been closed, and is no reason to ask again.
        self.line.close();
        let mut text = Vec::new();
        self.get("/copy/about", TEXT_BYTES_MAX, &mut text)?;
        let about = String::from_utf8_lossy(&text).parse();
        about.map_err(|what| SourceError::Refused(format!("{}: {what}", self.url)))
    }

    fn log(
        &mut self,
        from: u64,
        bytes_max: u64,
        wait_ms: u64,
        into: &mut Vec<u8>,
    ) -> Result<Part, SourceError> {
        let follow = self.follow.as_ref().map(|name| format!("&follow={name}"));
        let follow = follow.unwrap_or_default();
        let path = format!("/copy/log?from={from}&max={bytes_max}&wait={wait_ms}{follow}");
        let part = self.get(&path, bytes_max.min(PART_BYTES_MAX), into)?;
        part.parse().map_err(|what| SourceError::Refused(format!("{}: {what}", self.url)))
    }

    fn base(&mut self, through: u64, from: u64, into: &mut Vec<u8>) -> Result<(), SourceError> {
        let path = format!("/copy/base?through={through}&from={from}");
        self.get(&path, PART_BYTES, into).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};

    use super::*;
    use crate::visit::LOOK_EVERY;

    /// A server that is cut off keeps nobody from being promoted, or from ending.
    #[test]
    fn a_silent_server_is_left_when_there_is_better_to_do() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let looks = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let looked = Arc::clone(&looks);
        let mut remote = Remote::new(&url, Secret::default(), None).unwrap();
        remote.patience.silence_max = Duration::MAX;
        let hurries = move || looked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        let mut remote = remote.until(hurries);
        let told = remote.about().unwrap_err().to_string();
        assert!(told.contains("it does not answer"), "{told}");
        assert_eq!(looks.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    /// A server that has a moment to answer in is heard, though there is better to do.
    #[test]
    fn a_slow_server_is_heard_within_its_time() {
        let slow = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", slow.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut link, _) = slow.accept().unwrap();
            let mut asked = BufReader::new(link.try_clone().unwrap()).lines();
            assert!(asked.any(|line| line.unwrap().is_empty()), "a whole head");
            std::thread::sleep(2 * LOOK_EVERY);
            let refusal =
                "HTTP/1.1 401 No\r\ncontent-length: 2\r\nopenim-fenced: epoch 7\r\n\r\nno";
            link.write_all(refusal.as_bytes()).unwrap();
        });
        let remote = Remote::new(&url, Secret::default(), None).unwrap();
        let mut remote = remote.until(|| true);
        let told = remote.about_within(SILENCE_MAX).unwrap_err().to_string();
        assert!(told.contains("no") && remote.fenced() == Some("epoch 7"), "{told}");
        server.join().unwrap();
        assert!((remote.patience.hurries)() && !remote.line.is_open());
    }

    #[test]
    fn an_address_that_is_none_is_told() {
        let remote = |url: &str| Remote::new(url, Secret::default(), Some("a b&c".to_owned()));
        assert_eq!(remote("http://127.0.0.1:10002/").unwrap().url(), "http://127.0.0.1:10002");
        assert_eq!(remote("a:1").unwrap().follow.as_deref(), Some("ab_c"));
        assert_eq!(remote("https://host:1").unwrap().url(), "https://host:1");
        for url in ["", "host", "ftp://host:1", "http://host:1/path"] {
            assert!(remote(url).is_err_and(|what| what.contains("admin.listen")), "{url}");
        }
    }
}

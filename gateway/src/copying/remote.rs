//! The source that is a running server: its operators' port, asked over HTTP.
//!
//! In: an address and the secret. Out: what it answers. Bounded: a call waits 30 s for the next byte, or until whoever asks
//! has better to do, and takes no more than it asked for. Never: checks what it gets; who takes it does.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_config::Secret;
use openim_storage::embedded::Epochs;
use openim_storage::embedded::copy::{
    About, PART_BYTES, PART_BYTES_MAX, Part, Source, SourceError,
};

use super::{AHEAD, FENCED, GONE, PART};

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often it is looked meanwhile whether there is better to do.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// An answer's head.
const HEAD_BYTES_MAX: u64 = 16 * 1024;
/// An answer that is a text.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// See the module.
pub struct Remote {
    /// As it was given, for what is told.
    url: String,
    host: String,
    secret: Secret,
    /// Under which name it is told that we go on.
    follow: Option<String>,
    /// Why it is fenced, when it answered last.
    fenced: Option<String>,
    link: Option<BufReader<Patient>>,
    silence_max: Duration,
    hurries: Hurries,
}

/// Whether a server that is silent is not waited for any longer.
type Hurries = Arc<dyn Fn() -> bool + Send + Sync>;

/// What comes from a server, waited for in small steps.
struct Patient {
    link: TcpStream,
    silence_max: Duration,
    hurries: Hurries,
}

impl io::Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        loop {
            match self.link.read(into) {
                Err(cause) if is_silence(&cause) => {
                    if began.elapsed() >= self.silence_max || (self.hurries)() {
                        return Err(io::Error::other("it does not answer"));
                    }
                }
                read => return read,
            }
        }
    }
}

fn is_silence(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Remote {
    /// The server whose operators' port is at `url`, which is like `http://10.0.0.1:10002`.
    ///
    /// # Errors
    /// One line of what is wrong with it.
    pub fn new(url: &str, secret: Secret, follow: Option<String>) -> Result<Self, String> {
        let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        if host.contains('/') || !host.contains(':') {
            return Err(format!(
                "{url}: an operators' port is like http://10.0.0.1:10002 (admin.listen of the server)"
            ));
        }
        let plain = |name: String| name.chars().filter(|c| c.is_ascii_graphic()).collect();
        let follow = follow.map(plain).map(|name: String| name.replace(['&', '=', '#'], "_"));
        Ok(Self {
            url: format!("http://{host}"),
            host: host.to_owned(),
            secret,
            follow,
            fenced: None,
            link: None,
            silence_max: SILENCE_MAX,
            hurries: Arc::new(|| false),
        })
    }

    /// From now on a server that is silent is waited for only as long as this says no.
    #[must_use]
    pub fn until(self, hurries: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { hurries: Arc::new(hurries), ..self }
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
        let hurries = std::mem::replace(&mut self.hurries, Arc::new(|| false));
        let silence_max = std::mem::replace(&mut self.silence_max, time);
        // A connection goes by what held when it was made.
        self.link = None;
        let about = self.about();
        self.link = None;
        (self.hurries, self.silence_max) = (hurries, silence_max);
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
        into.clear();
        let mut link = match self.link.take() {
            Some(link) => link,
            None => BufReader::with_capacity(64 * 1024, self.connect()?),
        };
        let (host, secret) = (&self.host, self.secret.expose());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {secret}\r\n\r\n"
        );
        link.get_mut().link.write_all(head.as_bytes())?;
        let head = read_head(&mut link)?;
        let most = if head.status == 200 { bytes_max } else { TEXT_BYTES_MAX };
        if head.bytes > most {
            return Err(io::Error::other(format!("it answers with {} bytes", head.bytes)));
        }
        into.resize(head.bytes as usize, 0);
        link.read_exact(into)?;
        if !head.closes {
            self.link = Some(link);
        }
        self.fenced = head.fenced;
        Ok((head.status, head.part))
    }

    fn connect(&self) -> io::Result<Patient> {
        let mut failed = io::Error::other("the name has no address");
        for address in self.host.to_socket_addrs()?.collect::<Vec<SocketAddr>>() {
            match TcpStream::connect_timeout(&address, CONNECT_TIME_MAX.min(self.silence_max)) {
                Ok(link) => {
                    link.set_nodelay(true)?;
                    link.set_read_timeout(Some(LOOK_EVERY))?;
                    link.set_write_timeout(Some(SILENCE_MAX))?;
                    let (silence_max, hurries) = (self.silence_max, Arc::clone(&self.hurries));
                    return Ok(Patient { link, silence_max, hurries });
                }
                Err(cause) => failed = cause,
            }
        }
        Err(failed)
    }
}

impl Source for Remote {
    fn about(&mut self) -> Result<About, SourceError> {
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

/// What an answer's head says.
struct Head {
    status: u16,
    bytes: u64,
    part: String,
    fenced: Option<String>,
    closes: bool,
}

fn read_head(link: &mut BufReader<Patient>) -> io::Result<Head> {
    let malformed = || io::Error::other("it does not answer as an operators' port");
    let mut head = link.take(HEAD_BYTES_MAX);
    let mut line = String::new();
    head.read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.filter(|_| line.starts_with("HTTP/1.1 ")).ok_or_else(malformed)?;
    let (mut bytes, mut part, mut closes) = (None, String::new(), false);
    let mut fenced = None;
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(malformed());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => bytes = value.trim().parse().ok(),
            "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
            PART => value.trim().clone_into(&mut part),
            FENCED => fenced = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(Head { status, bytes: bytes.ok_or_else(malformed)?, part, fenced, closes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that is cut off keeps nobody from being promoted, or from ending.
    #[test]
    fn a_silent_server_is_left_when_there_is_better_to_do() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let looks = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let looked = Arc::clone(&looks);
        let remote = Remote::new(&url, Secret::default(), None).unwrap();
        let hurries = move || looked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        let mut remote = Remote { silence_max: Duration::MAX, ..remote }.until(hurries);
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
        assert!((remote.hurries)() && remote.link.is_none());
    }

    #[test]
    fn an_address_that_is_none_is_told() {
        let remote = |url: &str| Remote::new(url, Secret::default(), Some("a b&c".to_owned()));
        assert_eq!(remote("http://127.0.0.1:10002/").unwrap().url(), "http://127.0.0.1:10002");
        assert_eq!(remote("a:1").unwrap().follow.as_deref(), Some("ab_c"));
        for url in ["", "host", "https://host:1", "http://host:1/path"] {
            assert!(remote(url).is_err_and(|what| what.contains("admin.listen")), "{url}");
        }
    }
}

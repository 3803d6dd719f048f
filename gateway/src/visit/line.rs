//! A server that is asked again and again on one connection, by who has a thread for it.
//!
//! In: a place, and what is asked. Out: heads and bodies. Bounded: a wait for the next byte ends after a time, or when whoever
//! asks has better to do; a body has no more bytes than were asked for. Never: asks once more by itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use hyper::header::{CONNECTION, HeaderMap};
use hyper::{Request, Response};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Connection, Full, Place, Sender, begin, not_understood};

/// How often it is looked meanwhile whether there is better to do.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Read at once, and no head is longer.
const READ_BYTES: usize = 64 * 1024;

/// Whether a server that is silent is not waited for any longer.
pub(crate) type Hurries = Arc<dyn Fn() -> bool + Send + Sync>;

/// See the module.
pub(crate) struct Line {
    place: Place,
    runtime: Background,
    /// Kept from the last answer.
    link: Option<(Sender, Pin<Box<Connection>>)>,
}

/// How long a silence is waited for.
#[derive(Clone)]
pub(crate) struct Patience {
    pub(crate) silence_max: Duration,
    pub(crate) hurries: Hurries,
}

/// Status and head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: HeaderMap,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Patience {
    /// The next thing that comes.
    async fn wait<T>(&self, coming: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut coming = std::pin::pin!(coming);
        let began = Instant::now();
        loop {
            match timeout(LOOK_EVERY.min(self.silence_max), &mut coming).await {
                Ok(came) => return came,
                Err(_) if began.elapsed() >= self.silence_max || (self.hurries)() => {
                    return Err(io::Error::other("it does not answer"));
                }
                Err(_) => {}
            }
        }
    }
}

impl Line {
    /// To a place; nothing is connected yet.
    ///
    /// # Errors
    /// The system gives no descriptors.
    pub(crate) fn to(place: Place) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { place, runtime: Background(Some(runtime)), link: None })
    }

    /// Whether the next question needs no new connection.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// The next question has a connection of its own.
    pub(crate) fn close(&mut self) {
        self.link = None;
    }

    /// Asks, and puts the body of the answer into `into` (cleared first), which has as many bytes at most as are good for its
    /// status.
    pub(crate) fn ask(
        &mut self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        patience: &Patience,
        bytes_max: impl Fn(u16) -> u64,
        into: &mut Vec<u8>,
    ) -> io::Result<Head> {
        into.clear();
        let request = self.place.request(method, path, headers, b"", false)?;
        let link = self.link.take();
        let (place, runtime) = (&self.place, self.runtime.0.as_ref());
        let runtime = runtime.ok_or(io::ErrorKind::NotConnected)?;
        let (head, link) = runtime.block_on(async {
            let (mut sender, mut connection) = match link {
                Some(link) => link,
                None => {
                    let begun = async { begin(place.open().await?, READ_BYTES).await };
                    let (sender, connection) = patience.wait(begun).await?;
                    (sender, Box::pin(connection))
                }
            };
            let mut has_ended = false;
            let head = {
                let mut answer =
                    std::pin::pin!(whole(&mut sender, request, patience, bytes_max, into));
                tokio::select! {
                    biased;
                    head = &mut answer => head?,
                    // Its error is the answer's as well.
                    _ = &mut connection => {
                        has_ended = true;
                        answer.await?
                    }
                }
            };
            let closes = head.header(CONNECTION.as_str());
            let closes = closes.is_some_and(|word| word.eq_ignore_ascii_case("close"));
            let kept = (!has_ended && !closes).then_some((sender, connection));
            Ok::<_, io::Error>((head, kept))
        })?;
        self.link = link;
        Ok(head)
    }
}

async fn whole(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    patience: &Patience,
    bytes_max: impl Fn(u16) -> u64,
    into: &mut Vec<u8>,
) -> io::Result<Head> {
    let asked = async {
        sender.ready().await.map_err(io::Error::other)?;
        sender.send_request(request).await.map_err(not_understood)
    };
    let (head, mut body) = Response::into_parts(patience.wait(asked).await?);
    let status = head.status.as_u16();
    let most = bytes_max(status);
    let too_much = |bytes: u64| io::Error::other(format!("it answers with {bytes} bytes"));
    if let Some(bytes) = body.size_hint().exact() {
        if bytes > most {
            return Err(too_much(bytes));
        }
        into.reserve_exact(usize::try_from(bytes).unwrap_or(0));
    }
    loop {
        let next = async { Ok(body.frame().await) };
        let Some(frame) = patience.wait(next).await? else { break };
        let frame =
            frame.map_err(|cause| io::Error::other(format!("its answer breaks off: {cause}")))?;
        let Some(piece) = frame.data_ref() else { continue };
        if (into.len() + piece.len()) as u64 > most {
            return Err(too_much((into.len() + piece.len()) as u64));
        }
        into.extend_from_slice(piece);
    }
    Ok(Head { status, headers: head.headers })
}

/// A runtime whose end nobody waits for: a look-up of a name cannot be ended.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

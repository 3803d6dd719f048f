//! How far a standby is, for whoever asks its operators' port.
//!
//! In: what the follower has reached, and what stands in its way. Out: lines and figures. Never: waits for the follower.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::watched::{Figure, Watched};

/// It has met the other server, and has what it needs to go on.
const FOLLOWING: &str = "following";

/// See the module.
#[derive(Debug)]
pub(super) struct Status {
    of: String,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    /// Everything before is durable here.
    at: u64,
    /// The other server's log was durable up to here when it answered last.
    durable: u64,
    /// When it did, if it has.
    heard: Option<Instant>,
    /// When nothing was known to lack last.
    level: Instant,
    /// Bytes of base and log that were taken so far, while it takes them.
    taken: Option<u64>,
    /// Why nothing comes now.
    trouble: Option<String>,
    /// By what the other server is fenced.
    fenced: Option<String>,
    /// What whoever started this was told last.
    told: Option<String>,
}

impl Status {
    pub(super) fn new(of: &str) -> Arc<Self> {
        let now = Mutex::new(Now {
            at: 0,
            durable: 0,
            heard: None,
            level: Instant::now(),
            taken: None,
            trouble: None,
            fenced: None,
            told: None,
        });
        Arc::new(Self { of: of.to_owned(), now })
    }

    /// Base and log are taken: so many bytes so far.
    pub(super) fn taking(&self, bytes: u64) {
        self.now.lock().taken = Some(bytes);
    }

    /// All up to `at` is here, of a log that is durable up to `durable`.
    pub(super) fn reached(&self, at: u64, durable: u64) {
        let mut now = self.now.lock();
        (now.at, now.durable, now.taken, now.heard) = (at, durable, None, Some(Instant::now()));
        // A fenced one gets nothing more: it has no more of what counts.
        if at >= durable && now.fenced.is_none() {
            now.level = Instant::now();
        }
    }

    /// Whether nothing was known to lack when the other server answered last.
    pub(super) fn is_level(&self) -> bool {
        let now = self.now.lock();
        now.at >= now.durable
    }

    /// What is here ends at `at`; the other server was not asked yet.
    pub(super) fn opened(&self, at: u64) {
        let mut now = self.now.lock();
        (now.at, now.taken) = (at, None);
    }

    /// Whether the other server is fenced, and by what: it said so when it answered last.
    pub(super) fn fenced(&self, why: Option<&str>) {
        let mut now = self.now.lock();
        if let Some(why) = why.filter(|_| now.fenced.is_none()) {
            tracing::warn!("{}", self.is_fenced(why));
        }
        now.fenced = why.map(str::to_owned);
    }

    fn is_fenced(&self, why: &str) -> String {
        let of = &self.of;
        format!(
            "{of} is fenced ({why}), and gets nothing new: start this one as a standby of the new server (--of)"
        )
    }

    /// How far this one is behind the other server, as far as is known, for who promotes it.
    pub(super) fn distance(&self) -> String {
        let (now, of) = (self.now.lock(), &self.of);
        let seconds = now.level.elapsed().as_secs_f64();
        let lacks = now.durable.saturating_sub(now.at);
        match now.heard {
            None => {
                format!("{of} has not answered this process: how much it had more is not known")
            }
            Some(_) if now.fenced.is_some() => {
                format!(
                    "{of} is fenced: what the server has that was promoted in its place is not here"
                )
            }
            Some(_) if lacks > 0 => {
                format!(
                    "{of} had {lacks} bytes more, at least, and nothing more {seconds:.1} s before"
                )
            }
            Some(_) => format!("{of} had nothing more {seconds:.1} s before"),
        }
    }

    /// What whoever started this is to be told now, until it follows: each once.
    pub(super) fn news(&self) -> Option<String> {
        let mut now = self.now.lock();
        let word = match (&now.trouble, now.taken, now.heard) {
            _ if now.told.as_deref() == Some(FOLLOWING) => return None,
            (Some(why), ..) => format!("waiting: {why}"),
            (None, Some(_), _) => "taking base and log".to_owned(),
            (None, None, Some(_)) => FOLLOWING.to_owned(),
            (None, None, None) => return None,
        };
        let is_new = now.told.as_ref() != Some(&word);
        is_new.then(|| now.told.insert(word).clone())
    }

    /// Nothing comes now, for this reason; told once as long as it stays the same.
    pub(super) fn met(&self, why: &str) {
        let mut now = self.now.lock();
        if now.trouble.as_deref() != Some(why) {
            tracing::warn!("the standby gets nothing: {why}");
            now.trouble = Some(why.to_owned());
        }
    }

    /// It comes again.
    pub(super) fn over(&self) {
        if self.now.lock().trouble.take().is_some() {
            tracing::info!("the standby follows again");
        }
    }
}

impl Watched for Status {
    /// Whoever looks for a server to send clients to is told that this is none.
    fn missing(&self) -> Vec<String> {
        let now = self.now.lock();
        let of = &self.of;
        let line = match now.taken {
            Some(bytes) => format!("standby of {of}: taking base and log, {bytes} bytes so far"),
            None => format!(
                "standby of {of}: followed up to {}, {:.1} s behind",
                now.at,
                now.level.elapsed().as_secs_f64()
            ),
        };
        let fenced = now.fenced.as_ref().map(|why| self.is_fenced(why));
        [line].into_iter().chain(fenced).chain(now.trouble.clone()).collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let now = self.now.lock();
        show(Figure::StandbyFollowed, now.at as f64);
        show(Figure::StandbyLacks, now.durable.saturating_sub(now.at) as f64);
        show(Figure::StandbyBehind, now.level.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_and_what_stands_in_its_way() {
        let status = Status::new("http://a:1");
        status.taking(7);
        assert!(status.missing()[0].contains("taking base and log, 7 bytes"));
        status.reached(90, 100);
        status.met("away");
        let lines = status.missing();
        assert!(lines[0].contains("standby of http://a:1: followed up to 90"), "{lines:?}");
        assert_eq!(lines[1], "away");
        status.over();
        assert_eq!(status.missing().len(), 1);
        let mut figures = Vec::new();
        status.figures(&mut |figure, value| figures.push((figure, value)));
        assert_eq!(figures[..2], [(Figure::StandbyFollowed, 90.0), (Figure::StandbyLacks, 10.0)]);
    }

    #[test]
    fn whoever_started_it_is_told_that_it_follows_when_it_does() {
        let status = Status::new("http://a:1");
        assert_eq!(status.news(), None);
        status.met("away");
        assert_eq!(status.news().as_deref(), Some("waiting: away"));
        assert_eq!(status.news(), None);
        assert!(status.distance().contains("is not known"));
        status.over();
        status.taking(7);
        assert_eq!(status.news().as_deref(), Some("taking base and log"));
        status.reached(90, 100);
        assert_eq!(status.news().as_deref(), Some("following"));
        assert!(status.distance().contains("http://a:1 had 10 bytes more"));
        status.met("away");
        assert_eq!(status.news(), None, "that is told at the operators' port");
        status.over();
        status.reached(100, 100);
        assert!(status.distance().contains("had nothing more 0."));
    }

    #[test]
    fn who_follows_a_fenced_server_is_behind() {
        let status = Status::new("http://a:1");
        status.reached(100, 100);
        let level = status.now.lock().level;
        status.fenced(Some("epoch 1"));
        status.reached(100, 100);
        assert_eq!(status.now.lock().level, level);
        let lines = status.missing();
        assert!(lines[1].contains("http://a:1 is fenced (epoch 1)"), "{lines:?}");
        assert!(status.distance().contains("is fenced"));
        status.fenced(None);
        assert_eq!(status.missing().len(), 1);
    }
}

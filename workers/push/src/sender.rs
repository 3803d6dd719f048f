//! Sends jobs: each service has its own queue, pace and failures, so one that stalls holds up nobody else.
//!
//! In: [`Job`]s. Out: requests, counts ([`Counts`]), lines for the operator, devices that are gone. A job is tried again behind a
//! growing pause, half of it by chance, as often as [`Options::tries`] says; before each try it is asked whether there is still
//! somebody to tell. Bounded: [`Options::waiting_max`] jobs of a service. Whoever offers one more waits for room where the
//! service takes what it is given, and loses the job, counted, where it does not.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::client::Clients;
use crate::rate::Rate;
use crate::vendor::Verdict;
use crate::{Device, Notice, Place, Service, Vendor};

/// A service's trouble is told that often at most.
const TELL_EVERY_MS: i64 = 60_000;

/// An answer that comes later.
pub type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is handed in: time, chance, and what is known of users.
pub trait World: Send + Sync {
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
    /// Any number.
    fn chance(&self) -> u32;
    /// Whether there is still somebody to tell: no mobile terminal has got the message since.
    fn still_away(&self, notice: &Arc<Notice>) -> Answering<bool>;
    /// A device has the app no more: its token is to be forgotten.
    fn gone(&self, uid: &str, device: &Device);
    /// A line for the operator.
    fn complain(&self, line: String);
}

/// Bounds.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Requests to a service in a second.
    pub per_second: u32,
    /// How long a service may take to answer.
    pub timeout: Duration,
    /// Tries of a job.
    pub tries: u32,
    /// The first pause between two; each is five times as long as the one before, half of it by chance.
    pub pause: Duration,
    /// None is longer.
    pub pause_max: Duration,
    /// Of older messages nobody is told.
    pub max_age: Duration,
    /// Jobs of a service that wait or are under way.
    pub waiting_max: usize,
    /// Requests to a service under way at once.
    pub under_way_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            per_second: 1000,
            timeout: Duration::from_secs(5),
            tries: 5,
            pause: Duration::from_secs(2),
            pause_max: Duration::from_secs(300),
            max_age: Duration::from_secs(3600),
            waiting_max: 10_000,
            under_way_max: 256,
        }
    }
}

/// A notice on its way to a service.
#[derive(Debug)]
pub struct Job {
    /// By which.
    pub service: Service,
    /// What.
    pub notice: Arc<Notice>,
    /// To which device, where the service wants one; all that it may want to know, where it does not.
    pub devices: Vec<Device>,
    /// Held until it is done with.
    pub place: Place,
}

/// What came of an offer.
#[derive(Debug)]
pub enum Offered {
    /// It is on its way, or nobody has such a service.
    Taken,
    /// There is no room now: come again.
    Full(Job),
    /// There is no room, and the service takes nothing: it is lost, and counted.
    Lost,
}

macro_rules! counts {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// What became of the jobs of one service.
        #[derive(Debug, Default)]
        pub struct Counts {
            $($(#[$meta])* pub $name: AtomicU64,)*
        }

        impl Counts {
            /// All of them by name.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*].into_iter()
            }
        }
    };
}

counts! {
    /// The service took them.
    sent,
    /// Tries that failed and were followed by another.
    retried,
    /// Dropped: a mobile terminal got the message meanwhile.
    read,
    /// Dropped: the message is too old.
    old,
    /// Dropped: every try failed.
    failed,
    /// Dropped: the service took our credentials for none.
    credentials,
    /// Dropped: the service refuses such a notice, or such a token.
    refused,
    /// Dropped: the device has the app no more.
    gone,
    /// Dropped: too many wait for a service that takes nothing.
    full,
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What is kept of one service.
struct Channel {
    vendor: Vendor,
    counts: Counts,
    rate: Mutex<Rate>,
    rooms: Arc<Semaphore>,
    under_way: Semaphore,
    /// Its last answer was none, or told us to come later.
    fails: AtomicBool,
    told_ms: AtomicI64,
}

struct Shared {
    channels: Vec<Channel>,
    clients: Clients,
    options: Options,
    world: Arc<dyn World>,
}

/// See the module.
#[derive(Clone)]
pub struct Sender(Arc<Shared>);

impl Sender {
    /// Of these services; jobs run on the runtime where they are offered.
    #[must_use]
    pub fn new(vendors: Vec<Vendor>, options: Options, world: Arc<dyn World>) -> Self {
        let channel = |vendor| Channel {
            vendor,
            counts: Counts::default(),
            rate: Mutex::new(Rate::new(options.per_second)),
            rooms: Arc::new(Semaphore::new(options.waiting_max)),
            under_way: Semaphore::new(options.under_way_max),
            fails: AtomicBool::new(false),
            told_ms: AtomicI64::new(i64::MIN),
        };
        let channels = vendors.into_iter().map(channel).collect();
        Self(Arc::new(Shared { channels, clients: Clients::new(options.timeout), options, world }))
    }

    /// The services that there are.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        self.0.channels.iter().map(|channel| channel.vendor.service())
    }

    /// What became of the jobs of a service, and how many wait or are under way.
    pub fn counts(&self) -> impl Iterator<Item = (Service, &Counts, usize)> {
        let waiting_max = self.0.options.waiting_max;
        self.0.channels.iter().map(move |channel| {
            let waiting = waiting_max - channel.rooms.available_permits();
            (channel.vendor.service(), &channel.counts, waiting)
        })
    }

    /// Takes a job on, within a runtime.
    pub fn offer(&self, job: Job) -> Offered {
        let services = self.0.channels.iter().map(|channel| channel.vendor.service());
        let Some(index) = services.into_iter().position(|service| service == job.service) else {
            return Offered::Taken;
        };
        let channel = &self.0.channels[index];
        let Ok(room) = Arc::clone(&channel.rooms).try_acquire_owned() else {
            if !channel.fails.load(Ordering::Relaxed) {
                return Offered::Full(job);
            }
            one_more(&channel.counts.full);
            return Offered::Lost;
        };
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move { shared.run(index, job, room).await });
        Offered::Taken
    }
}

impl Shared {
    async fn run(&self, index: usize, job: Job, _room: OwnedSemaphorePermit) {
        let Channel { vendor, counts, .. } = &self.channels[index];
        let channel = &self.channels[index];
        let mut last = String::new();
        for number in 1..=self.options.tries {
            self.pace(channel).await;
            let Ok(_permit) = channel.under_way.acquire().await else { return };
            let now_ms = self.world.now_ms();
            let age_ms = now_ms.saturating_sub(job.notice.sent_ms);
            if age_ms > i64::try_from(self.options.max_age.as_millis()).unwrap_or(i64::MAX) {
                return one_more(&counts.old);
            }
            if number > 1 && !self.world.still_away(&job.notice).await {
                return one_more(&counts.read);
            }
            let now_s = now_ms.div_euclid(1000);
            let told = vendor.tell(&self.clients, &job.notice, &job.devices, now_s).await;
            channel.fails.store(matches!(told, Verdict::Later(..)), Ordering::Relaxed);
            match told {
                Verdict::Sent => return one_more(&counts.sent),
                Verdict::Gone => {
                    job.devices.iter().for_each(|device| self.world.gone(&job.notice.uid, device));
                    return one_more(&counts.gone);
                }
                Verdict::Unknown(why) => {
                    let key = vendor.service().key();
                    self.tell(channel, || {
                        format!(
                            "{key}: the service does not accept it, so nothing is pushed: {why}"
                        )
                    });
                    return one_more(&counts.credentials);
                }
                Verdict::Refused(why) => {
                    self.tell(channel, || format!("a notice was refused: {why}"));
                    return one_more(&counts.refused);
                }
                Verdict::Later(why, after_s) => {
                    if let Some(after_s) = after_s {
                        let for_ms = i64::try_from(after_s).unwrap_or(0).saturating_mul(1000);
                        channel.rate.lock().pause(now_ms, for_ms);
                    }
                    last = why;
                }
            }
            drop(_permit);
            if number < self.options.tries {
                one_more(&counts.retried);
                sleep(self.pause(number)).await;
            }
        }
        let tries = self.options.tries;
        self.tell(channel, || format!("a notice was given up after {tries} tries: {last}"));
        one_more(&counts.failed);
    }

    /// Waits for its turn.
    async fn pace(&self, channel: &Channel) {
        let wait_ms = channel.rate.lock().take(self.world.now_ms());
        if wait_ms > 0 {
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// How long to wait behind a try.
    fn pause(&self, number: u32) -> Duration {
        let Options { pause, pause_max, .. } = self.options;
        let whole = pause.saturating_mul(5_u32.saturating_pow(number - 1)).min(pause_max);
        whole / 2 + (whole / 2).mul_f64(f64::from(self.world.chance()) / f64::from(u32::MAX))
    }

    /// Tells of a service's trouble, once a minute.
    fn tell(&self, channel: &Channel, line: impl FnOnce() -> String) {
        let now_ms = self.world.now_ms();
        let told_ms = channel.told_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(told_ms) < TELL_EVERY_MS {
            return;
        }
        channel.told_ms.store(now_ms, Ordering::Relaxed);
        let name = channel.vendor.service().name();
        self.world.complain(format!("offline push by {name}: {}", line()));
    }
}

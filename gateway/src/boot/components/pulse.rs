//! Whether components answer, also while nobody needs them: what `/readyz` says of each.
//!
//! In: a cheap question to each, one at a time, every [`PAUSE`]. Out: a line of each that is away: where, by which key, why,
//! for how long. Never: another client, or a try to mend anything; calls find out for themselves when it is back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use openim_config::Config;
use openim_storage::port::{History as _, StoreError};
use openim_workers::commit::LogStatus;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Components;
use super::reach::{Place, Trouble, known};
use crate::role::Role;
use crate::watched::{Figure, Watched};

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_secs(2);
/// Questions in a row that nobody has answered, when a component is away: one connection may have died.
const MISSES: u32 = 2;

/// A question that changes nothing but that this process is known to run.
type Answer = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// A component, as it answers.
#[derive(Debug)]
struct Pulse {
    place: Place,
    /// Whether this process cannot do without it what it is for.
    needed: bool,
    heard: Mutex<Heard>,
}

/// What was heard of it last.
#[derive(Debug, Default)]
struct Heard {
    misses: u32,
    /// When the first of these was asked for.
    since: Option<Instant>,
    why: String,
}

/// Whoever drops it ends the questions.
pub(in crate::boot) type Asking = watch::Sender<()>;

/// Kafka, of a process that takes sends: whoever hands them to it knows first.
#[derive(Debug)]
struct TakesSends {
    place: Place,
    sends: Arc<LogStatus>,
}

/// Asks all components of a process with these roles from now on, and gives who tells of each.
pub(in crate::boot) fn listen(
    config: &Config,
    roles: &[Role],
    on: &Components,
    sends: &Arc<LogStatus>,
) -> (Vec<Arc<dyn Watched>>, Asking) {
    let (asking, stopped) = watch::channel(());
    let has = |role| roles.contains(&role);
    // What has clients is ready when it is worth coming to; what a transfer beside it lacks keeps nobody out.
    let transfer_alone = !has(Role::Gateway) && !has(Role::Api);
    let mut told: Vec<Arc<dyn Watched>> = Vec::new();
    let mut begin = |place, needed, ask: Box<dyn FnMut() -> Answer + Send>| {
        let pulse = Arc::new(Pulse { place, needed, heard: Mutex::default() });
        told.push(Arc::clone(&pulse) as _);
        drop(on.runtime.begin(pulse.follow(ask, stopped.clone())));
    };
    let directory = Arc::clone(&on.mysql.directory);
    let mysql = move || -> Answer {
        let directory = Arc::clone(&directory);
        Box::pin(async move { directory.check().await })
    };
    begin(Place::mysql(config), has(Role::Api), Box::new(mysql));
    let history = on.history.clone();
    let mongo = move || -> Answer {
        let history = history.clone();
        Box::pin(async move { history.retained_ms().await.map(drop) })
    };
    begin(Place::mongo(config), transfer_alone, Box::new(mongo));
    // Who does not sign is not seen to run by those that start.
    if let Some(standing) = &on.standing {
        let signing = standing.signing();
        let redis = move || -> Answer {
            let signing = signing.clone();
            Box::pin(async move { signing.sign().await })
        };
        begin(Place::redis(config), false, Box::new(redis));
    }
    let register = on.register.clone();
    let etcd = move || -> Answer {
        let register = register.clone();
        Box::pin(async move { register.check().await })
    };
    begin(Place::etcd(config), false, Box::new(etcd));
    // Who takes sends asks it by itself (`fronts/topics.rs`).
    if !transfer_alone {
        sends.told_elsewhere.store(true, Ordering::Release);
        told.push(Arc::new(TakesSends { place: Place::kafka(config), sends: Arc::clone(sends) }));
    } else {
        let kafka = on.kafka.clone();
        let kafka = move || -> Answer {
            let kafka = kafka.clone();
            Box::pin(async move { kafka.check().await })
        };
        begin(Place::kafka(config), true, Box::new(kafka));
    }
    (told, asking)
}

impl Pulse {
    async fn follow(
        self: Arc<Self>,
        mut ask: Box<dyn FnMut() -> Answer + Send>,
        mut stopped: watch::Receiver<()>,
    ) {
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                () = sleep(PAUSE) => {}
            }
            let asked = Instant::now();
            let answer = ask().await;
            self.hear(asked, answer);
        }
    }

    fn hear(&self, asked: Instant, answer: Result<(), StoreError>) {
        let mut heard = self.heard.lock();
        match answer {
            Ok(()) => {
                let was_away = heard.misses >= MISSES;
                *heard = Heard::default();
                drop(heard);
                if was_away {
                    tracing::info!("{} answers again", self.place.name);
                }
            }
            Err(error) => {
                heard.misses = heard.misses.saturating_add(1);
                heard.since.get_or_insert(asked);
                heard.why = self.place.told(&self.place.failed(&error));
                let (misses, why) = (heard.misses, heard.why.clone());
                drop(heard);
                if misses == MISSES {
                    tracing::warn!("{why}");
                }
            }
        }
    }

    fn away(&self) -> Option<String> {
        let heard = self.heard.lock();
        let since = heard.since.filter(|_| heard.misses >= MISSES)?;
        Some(lasting(&heard.why, since.elapsed()))
    }
}

fn lasting(why: &str, lasts: Duration) -> String {
    format!("{why} (for {} s)", lasts.as_secs())
}

impl Watched for Pulse {
    fn missing(&self) -> Vec<String> {
        self.away().filter(|_| self.needed).into_iter().collect()
    }

    fn troubles(&self) -> Vec<String> {
        self.away().filter(|_| !self.needed).into_iter().collect()
    }

    fn figures(&self, _: &mut dyn FnMut(Figure, f64)) {}
}

impl Watched for TakesSends {
    fn missing(&self) -> Vec<String> {
        let trouble = &self.sends.trouble;
        let (Some(why), Some(lasts)) = (trouble.why(), trouble.lasts()) else { return Vec::new() };
        // What was being done there, and where, is the beginning of the reason.
        let begin = format!("{}: ", self.place.address);
        let cause = why.split_once(&begin).map_or(&why[..], |(_, cause)| cause);
        vec![lasting(&self.place.told(&Trouble::Away(known(cause))), lasts)]
    }

    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, _: &mut dyn FnMut(Figure, f64)) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_sends_tells_of_kafka_as_of_all_components() {
        let (place, sends) = (Place::kafka(&Config::default()), Arc::new(LogStatus::default()));
        let of_kafka = TakesSends { place: place.clone(), sends: Arc::clone(&sends) };
        assert_eq!(of_kafka.missing(), Vec::<String>::new());
        let address = &place.address;
        sends.trouble.met(&format!("asking Kafka at {address}: no answer in time"));
        let told = format!(
            "Kafka cannot be reached at {address} (kafka.ws2mschat.addr): no answer in time; start it, or correct the key (for 0 s)"
        );
        assert_eq!(of_kafka.missing(), [told]);
        sends.trouble.over();
        assert_eq!(of_kafka.missing(), Vec::<String>::new());
    }

    #[test]
    fn a_component_is_away_when_two_in_a_row_were_not_answered() {
        let place = Place::mysql(&Config::default());
        let pulse = Pulse { place, needed: true, heard: Mutex::default() };
        let error =
            || Err(StoreError::Unavailable { what: "asking".to_owned(), cause: "refused".into() });
        for answer in [error(), Ok(()), error()] {
            pulse.hear(Instant::now(), answer);
            assert_eq!((pulse.missing(), pulse.troubles()), (vec![], vec![]));
        }
        pulse.hear(Instant::now(), error());
        let [why] = &pulse.missing()[..] else { panic!("it is away") };
        assert!(
            why.starts_with("MySQL cannot be reached at ") && why.ends_with(" (for 0 s)"),
            "{why}"
        );
        assert!(why.contains("(mysql.dbAddress): refused"), "{why}");
        pulse.hear(Instant::now(), Ok(()));
        assert_eq!(pulse.missing(), Vec::<String>::new());
    }
}

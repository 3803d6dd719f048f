//! Reaching a component: trying for a while, and saying once what cannot be reached, where, and by which key.

use std::future::Future;
use std::time::Duration;

use anyhow::anyhow;
use openim_cluster::is_not_let_in;
use openim_config::Config;
use openim_record::Pauses;
use openim_storage::port::StoreError;
use tokio::time::{Instant, sleep};

use super::look::{Finding, Look};

/// Between two tries, at first; each is longer than the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What clients of components say when the account is not let in, perhaps, or it is TLS.
const PERHAPS_NOT_LET_IN: &str = "security.protocol";

/// A component, as its operator knows it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: &'static str,
    /// The setting of its address.
    pub(super) key: &'static str,
    /// The settings of its account.
    pub(super) account: &'static str,
    pub(super) address: String,
    look: Look,
}

/// Why it was not opened.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be there later.
    Away(String),
    /// It is there, and will not do before somebody has changed what the key says.
    Wrong { key: &'static str, why: String },
}

impl Place {
    pub(super) fn etcd(config: &Config) -> Self {
        let account = "etcd.userName, etcd.password";
        let tls = ("etcd.tls", config.etcd.tls);
        Self::at(config, "etcd", "etcd.etcdAddr", account, tls, &config.etcd.address)
    }

    pub(super) fn mysql(config: &Config) -> Self {
        let first = config.mysql.address.get(..1).unwrap_or_default();
        let account = "mysql.dbUserName, mysql.dbPassword";
        let tls = ("mysql.tls", config.mysql.tls);
        let mut place = Self::at(config, "MySQL", "mysql.dbAddress", account, tls, first);
        place.look.greets = true;
        place
    }

    pub(super) fn mongo(config: &Config) -> Self {
        let account = "mongo.dbUserName, mongo.dbPassword, mongo.dbSource";
        let tls = ("mongo.tls", config.mongo.tls);
        Self::at(config, "MongoDB", "mongo.dbAddress", account, tls, &config.mongo.address)
    }

    pub(super) fn redis(config: &Config) -> Self {
        let account = "redis.userName, redis.dbPassWord";
        let tls = ("redis.tls", config.redis.tls);
        Self::at(config, "Redis", "redis.dbAddress", account, tls, &config.redis.address)
    }

    pub(super) fn kafka(config: &Config) -> Self {
        let account = "kafka.userName, kafka.password, kafka.saslMechanism";
        let tls = ("kafka.tls", config.kafka.tls);
        let brokers = &config.kafka.ws2mschat.address;
        Self::at(config, "Kafka", "kafka.ws2mschat.addr", account, tls, brokers)
    }

    fn at(
        config: &Config,
        name: &'static str,
        key: &'static str,
        account: &'static str,
        (tls_key, tls): (&'static str, bool),
        addresses: &[String],
    ) -> Self {
        let look = Look {
            addresses: addresses.to_vec(),
            address_key: key,
            tls,
            tls_key,
            authorities: config.cluster.tls_ca_file.clone(),
            greets: false,
        };
        Self { name, key, account, address: addresses.join(", "), look }
    }

    /// A failed call to it.
    pub(super) fn failed(&self, error: &StoreError) -> Trouble {
        match error {
            StoreError::Unavailable { cause, .. } => {
                Trouble::Away(known(&openim_cluster::whole(&**cause)))
            }
            other => Trouble::Wrong { key: self.key, why: one_line(other) },
        }
    }

    /// The line of a trouble, for whoever can end it, after a look at whether TLS is in the way of a component that seems
    /// away.
    async fn explained(&self, trouble: &Trouble) -> String {
        match trouble {
            Trouble::Away(why) if !is_not_let_in(why) => {}
            _ => return self.told(trouble),
        }
        match self.look.find().await {
            Some(Finding { key, why }) => self.told(&Trouble::Wrong { key, why }),
            None => match (trouble, self.look.listens().await) {
                (Trouble::Away(why), true) => self.told_of_another(why),
                _ => self.told(trouble),
            },
        }
    }

    /// The line of a trouble, as it is known.
    pub(super) fn told(&self, trouble: &Trouble) -> String {
        let Self { name, key, account, address, .. } = self;
        match trouble {
            Trouble::Away(why) if is_not_let_in(why) || why.contains(PERHAPS_NOT_LET_IN) => {
                format!(
                    "{name} at {address} does not let us in ({account}): {why}; correct the account"
                )
            }
            Trouble::Away(why) => {
                format!(
                    "{name} cannot be reached at {address} ({key}): {why}; start it, or correct the key"
                )
            }
            Trouble::Wrong { key, why } => {
                format!("{name} at {address} will not do ({key}): {why}")
            }
        }
    }

    /// The line of something that listens there and does not do as this component does.
    fn told_of_another(&self, why: &str) -> String {
        let Self { name, key, address, .. } = self;
        format!(
            "{name} does not answer at {address} ({key}), where something listens: {why}; see whether it is {name} and well, or \
             correct the key"
        )
    }

    /// Opens it, and tries again for so long while it is away. The last try begins when that time is over, whatever those
    /// before took: what has come up within it is reached.
    ///
    /// # Errors
    /// The line of what stands in the way.
    pub(super) async fn reach<T, F>(
        &self,
        within: Duration,
        mut open: impl FnMut() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let until = Instant::now() + within;
        let mut pauses = Pauses::new(FIRST_PAUSE, PAUSE_MAX);
        let mut missed = false;
        loop {
            let is_last = Instant::now() >= until;
            let trouble = match open().await {
                Ok(opened) => {
                    if missed {
                        tracing::info!(address = self.address, "{} is there now", self.name);
                    }
                    return Ok(opened);
                }
                Err(trouble) => trouble,
            };
            if is_last || matches!(trouble, Trouble::Wrong { .. }) {
                return Err(anyhow!(self.explained(&trouble).await));
            }
            if !missed {
                missed = true;
                let seconds = within.as_secs();
                let line = self.explained(&trouble).await;
                tracing::warn!("{line}; trying again for {seconds} s (cluster.startSeconds)");
            }
            let pause = jittered(pauses.failed());
            sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }
}

/// What is known of a cause, in a few words.
pub(super) fn known(cause: &str) -> String {
    openim_cluster::short(cause)
}

/// Processes that were started together do not ask together.
fn jittered(pause: Duration) -> Duration {
    // Without chance it is only less kind to the component.
    let chance = getrandom::u32().unwrap_or_default() % 512;
    pause.mul_f64(0.5 + f64::from(chance) / 512.0)
}

/// A cause in one line: clients of components give whole paragraphs.
fn one_line(cause: &impl std::fmt::Display) -> String {
    const CHARS_MAX: usize = 300;
    let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future)
    }

    fn place() -> Place {
        let tls = ("etcd.tls", false);
        // Nothing is asked there: it is no address.
        Place::at(&Config::default(), "etcd", "etcd.etcdAddr", "etcd.userName", tls, &["h".into()])
    }

    #[test]
    fn what_is_away_is_tried_again_until_it_is_there() {
        let left = Cell::new(3);
        let opened = run(place().reach(Duration::from_secs(600), || {
            left.set(left.get() - 1);
            let there = left.get() == 0;
            async move { there.then_some(7).ok_or_else(|| Trouble::Away("refused".to_owned())) }
        }));
        assert_eq!(opened.expect("there"), 7);
    }

    /// Pauses grow, and the time is no multiple of them.
    #[test]
    fn what_is_there_when_the_time_is_over_is_reached() {
        const WITHIN: Duration = Duration::from_millis(450);
        let began = Instant::now();
        let opened = run(place().reach(WITHIN, || async {
            let there = began.elapsed() >= WITHIN;
            there.then_some(7).ok_or_else(|| Trouble::Away("refused".to_owned()))
        }));
        assert_eq!(opened.expect("there"), 7);
    }

    /// As one whose machine drops what is sent to it.
    #[test]
    fn a_try_that_was_begun_within_the_time_is_not_the_last() {
        const WITHIN: Duration = Duration::from_millis(100);
        let tries = Cell::new(0);
        let opened = run(place().reach(WITHIN, || {
            tries.set(tries.get() + 1);
            let first = tries.get() == 1;
            async move {
                if first {
                    sleep(2 * WITHIN).await;
                    return Err(Trouble::Away("no answer".to_owned()));
                }
                Ok(7)
            }
        }));
        assert_eq!(opened.expect("there"), 7);
    }

    #[test]
    fn a_port_on_which_something_else_listens_is_told_as_such() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = other.local_addr().expect("bound").to_string();
        let tls = ("mongo.tls", false);
        let at = Place::at(
            &Config::default(),
            "MongoDB",
            "mongo.dbAddress",
            "mongo.dbUserName",
            tls,
            std::slice::from_ref(&address),
        );
        let told = run(at.explained(&Trouble::Away("no answer in time".to_owned())));
        assert!(told.contains("where something listens") && !told.contains("start it"), "{told}");
        assert!(told.contains(&address) && told.contains("mongo.dbAddress"), "{told}");
        drop(other);
        let told = run(at.explained(&Trouble::Away("the connection is refused".to_owned())));
        assert!(told.contains("start it"), "{told}");
    }

    #[test]
    fn what_stays_away_is_told_with_address_and_key() {
        let error = run(place()
            .reach(Duration::ZERO, || async { Err::<(), _>(Trouble::Away("refused".to_owned())) }));
        let told = error.expect_err("away").to_string();
        assert_eq!(
            told,
            "etcd cannot be reached at h (etcd.etcdAddr): refused; start it, or correct the key"
        );
    }

    #[test]
    fn an_account_that_is_not_let_in_is_told_by_its_keys() {
        let told = place().told(&Trouble::Away("Access denied for user".to_owned()));
        assert!(told.contains("(etcd.userName)") && !told.contains("start it"), "{told}");
    }

    #[test]
    fn what_will_not_do_is_not_tried_again() {
        let tries = Cell::new(0);
        let error = run(place().reach(Duration::from_secs(600), || {
            tries.set(tries.get() + 1);
            async {
                Err::<(), _>(Trouble::Wrong { key: "etcd.etcdSchema", why: "taken".to_owned() })
            }
        }));
        let told = error.expect_err("wrong").to_string();
        assert!(told.contains("etcd.etcdSchema") && told.contains("taken"), "{told}");
        assert_eq!(tries.get(), 1);
    }

    #[test]
    fn a_cause_is_one_line_of_bounded_length() {
        assert_eq!(one_line(&"a\n   b\t c"), "a b c");
        assert_eq!(one_line(&"é".repeat(500)).chars().count(), 301);
    }
}

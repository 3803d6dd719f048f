//! Whether this process and the others of its cluster use the same etcd and the same Redis: two whose data may be lost at
//! any time, so that nothing that was written there once could tell.
//!
//! Each process is on two rolls for as long as it runs, one in each. In: both rolls. Out: this process is on them; or one
//! line, where others that run are on one of them alone. Never: an answer before this process is on both, so that of two
//! that start at the same time one sees the other.

use std::collections::BTreeSet;
use std::time::Duration;

use openim_cluster::Runtime;
use openim_cluster::etcd::{Member, Register, Registered};
use openim_cluster::redis::{Redis, Roll};
use openim_config::Config;
use openim_record::Process;
use openim_storage::port::StoreError;
use tokio::time::{Instant, sleep};

use super::reach::Place;

/// The name of the roll in etcd.
const ROLL: &str = "run";
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// A process stands in Redis for as long as in etcd, and for so long at least: it signs there every two seconds.
const STANDS_MIN: Duration = Duration::from_secs(6);
/// How much longer than that those before are waited for.
const LONGER: Duration = Duration::from_secs(8);

/// A process on both rolls.
pub(in crate::boot) struct Standing {
    runtime: Runtime,
    signing: Signing,
    registered: Registered,
}

/// What keeps it on the roll in Redis, where it is to sign every few seconds.
#[derive(Clone)]
pub(super) struct Signing {
    roll: Roll,
    process: Process,
    stands: Duration,
}

impl Signing {
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub(super) async fn sign(&self) -> Result<(), StoreError> {
        self.roll.sign(self.process, self.stands).await
    }
}

impl Standing {
    pub(super) fn signing(&self) -> Signing {
        self.signing.clone()
    }

    /// Leaves both rolls. Where it is not heard of, that ends by itself.
    pub(in crate::boot) fn leave(self) {
        drop(self.registered);
        let Signing { roll, process, .. } = self.signing;
        drop(self.runtime.begin(async move { drop(roll.leave(process).await) }));
    }
}

/// Both rolls.
pub(super) struct Rolls<'a> {
    pub(super) config: &'a Config,
    pub(super) register: &'a Register,
    pub(super) redis: &'a Redis,
}

/// Both, as they were read, without the process itself.
#[derive(Clone, Debug, Default)]
struct Seen {
    etcd: BTreeSet<[u8; 16]>,
    redis: BTreeSet<[u8; 16]>,
}

impl Rolls<'_> {
    /// Puts a process on both, where the others are on both.
    ///
    /// # Errors
    /// The line of which component is another one.
    pub(super) async fn join(
        &self,
        runtime: &Runtime,
        process: Process,
    ) -> Result<Standing, String> {
        let until = self.until();
        let stands = self.lease().max(STANDS_MIN);
        let signing = Signing { roll: Roll::new(self.redis.clone()), process, stands };
        let before = patiently(until, async || self.look(process).await).await?;
        let sign = async || signing.sign().await.map_err(|error| self.failed_redis(&error));
        patiently(until, sign).await?;
        let member = Member { process, address: "-".to_owned(), fronts: 0 };
        let registered = self.register.register(ROLL, &member);
        let standing = Standing { runtime: runtime.clone(), signing, registered };
        while !standing.registered.stands() && Instant::now() < until {
            sleep(PAUSE / 10).await;
        }
        match self.agree(process, before, until).await {
            Ok(()) => Ok(standing),
            Err(why) => {
                standing.leave();
                // So that it is heard of before the process ends.
                sleep(PAUSE).await;
                Err(why)
            }
        }
    }

    /// Whether the others are on both.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub(super) async fn check(&self) -> Result<(), String> {
        let nobody = Process([0; 16]);
        let until = self.until();
        let before = patiently(until, async || self.look(nobody).await).await?;
        self.agree(nobody, before, until).await
    }

    /// Longer than who is dead stands on either.
    fn until(&self) -> Instant {
        Instant::now() + self.lease() + LONGER
    }

    const fn lease(&self) -> Duration {
        Duration::from_secs(self.config.cluster.lease_seconds)
    }

    async fn agree(&self, own: Process, before: Seen, until: Instant) -> Result<(), String> {
        let old: BTreeSet<_> = before.etcd.union(&before.redis).copied().collect();
        loop {
            // Read before the looks: what they take is not held against anybody.
            let is_last = Instant::now() >= until;
            match self.look(own).await {
                Ok(seen) if seen.is_one(&old) => return Ok(()),
                Ok(seen) if is_last => return Err(self.apart(&seen)),
                Err(why) if is_last => return Err(why),
                Ok(_) | Err(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn look(&self, own: Process) -> Result<Seen, String> {
        let roll = Roll::new(self.redis.clone());
        let (etcd, redis) = tokio::join!(self.register.here(ROLL), roll.read());
        let failed = |error: StoreError| {
            let place = Place::etcd(self.config);
            place.told(&place.failed(&error))
        };
        let etcd = etcd.map_err(failed)?;
        let redis = redis.map_err(|error| self.failed_redis(&error))?;
        let others = |all: Vec<Process>| {
            all.into_iter().filter(|process| *process != own).map(|process| process.0).collect()
        };
        Ok(Seen { etcd: others(etcd), redis: others(redis) })
    }

    fn failed_redis(&self, error: &StoreError) -> String {
        let place = Place::redis(self.config);
        place.told(&place.failed(error))
    }

    fn apart(&self, seen: &Seen) -> String {
        let (etcd, redis) = (Place::etcd(self.config), Place::redis(self.config));
        let (only_etcd, only_redis) =
            (seen.etcd.difference(&seen.redis).count(), seen.redis.difference(&seen.etcd).count());
        let line = |other: &Place, of: &Place, count: usize| {
            let Place { name, address, key, .. } = other;
            format!(
                "{name} at {address} will not do ({key}): {count} of the cluster's processes run, as {} at {} says ({}), and \
                 are not known there; correct the address that leads elsewhere than theirs, or stop them first to go over \
                 to another one",
                of.name, of.address, of.key
            )
        };
        match only_etcd >= only_redis {
            true => line(&redis, &etcd, only_etcd),
            false => line(&etcd, &redis, only_redis),
        }
    }
}

/// Does something with components that were there a moment ago, and again while one is away.
async fn patiently<T>(
    until: Instant,
    act: impl AsyncFn() -> Result<T, String>,
) -> Result<T, String> {
    loop {
        let is_last = Instant::now() >= until;
        match act().await {
            Err(_) if !is_last => sleep(PAUSE).await,
            done => return done,
        }
    }
}

impl Seen {
    /// Whether both are rolls of the same cluster, for one that came behind `old`: nobody is on one of them alone; or
    /// somebody is on both, and who is not came later and has yet to write, or to be refused.
    fn is_one(&self, old: &BTreeSet<[u8; 16]>) -> bool {
        let mut apart = self.etcd.symmetric_difference(&self.redis).peekable();
        let somebody = !self.etcd.is_disjoint(&self.redis);
        apart.peek().is_none() || (somebody && apart.all(|process| !old.contains(process)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<const N: usize>(of: [u8; N]) -> BTreeSet<[u8; 16]> {
        of.into_iter().map(|number| [number; 16]).collect()
    }

    #[test]
    fn rolls_are_one_where_those_before_are_on_both() {
        for (old, etcd, redis, is_one) in [
            // The first process, and one behind others.
            (set([]), set([]), set([]), true),
            (set([1, 2]), set([1, 2]), set([1, 2]), true),
            // Others run, and are on one alone: its Redis, or its etcd, is another.
            (set([1]), set([1]), set([]), false),
            (set([1]), set([]), set([1]), false),
            // Also where somebody else came to that one.
            (set([1, 2]), set([1, 2]), set([2]), false),
            (set([1]), set([1, 2]), set([2]), false),
            // All start at once, and one of them uses another Redis: who sees nobody on both is that one.
            (set([]), set([1, 2]), set([1]), true),
            (set([]), set([1, 2]), set([]), false),
            (set([]), set([1]), set([2]), false),
        ] {
            let seen = Seen { etcd, redis };
            assert_eq!(seen.is_one(&old), is_one, "{seen:?}, and before {old:?}");
        }
    }
}

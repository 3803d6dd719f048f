//! A lease on etcd: what the entry of a process stands by.
//!
//! In: a register. Out: when the time of the lease is over. One answer that is late or lost ends nothing, nor does an
//! etcd that is started again: a lease outlives both.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::Status;

use super::wire::{self, Caller};
use super::{Pause, Register};

/// Beats in the time of a lease, so that one has more than one chance.
const BEATS: u32 = 3;

/// Given back when it is dropped, so that others need not wait for its end.
pub(super) struct Lease {
    register: Register,
    caller: Caller,
    id: i64,
    /// What a beat gives it.
    time: Duration,
    /// It has not run out before then: etcd counts from when it takes a beat, here it is from when that was sent.
    until: Instant,
}

impl Lease {
    pub(super) async fn take(register: &Register) -> Result<Self, Status> {
        let caller = register.caller().await?;
        let ttl = i64::try_from(register.options.lease.as_secs().max(2)).unwrap_or(i64::MAX);
        let sent = Instant::now();
        let granted = caller.ask::<_, wire::LeaseResponse>(
            "/etcdserverpb.Lease/LeaseGrant",
            wire::LeaseGrantRequest { ttl },
        );
        let granted = register.in_time(granted).await?;
        let time = seconds(granted.ttl);
        let register = register.clone();
        Ok(Self { register, caller, id: granted.id, time, until: sent + time })
    }

    /// Writes an entry that is there as long as the lease is.
    pub(super) async fn put(&self, key: &[u8], value: &str) -> Result<(), Status> {
        let put = wire::PutRequest { key: key.to_vec(), value: value.into(), lease: self.id };
        let put = self.caller.ask::<_, wire::PutResponse>("/etcdserverpb.KV/Put", put);
        self.register.in_time(put).await.map(drop)
    }

    /// Keeps it alive, and tells of each beat that was taken when it was begun; comes back when it has run out, or may have.
    pub(super) async fn keep(&mut self, each: impl Fn(std::time::Instant)) -> Status {
        loop {
            sleep(self.time / BEATS).await;
            let began = Instant::now();
            if let Err(ended) = self.beat().await {
                return ended;
            }
            each(began.into_std());
        }
    }

    /// Asks again until there is an answer, or the time is over.
    async fn beat(&mut self) -> Result<(), Status> {
        let (mut wait, until) = (Pause::default(), self.until);
        let mut last = Status::deadline_exceeded("no answer in the time of the lease");
        loop {
            let sent = Instant::now();
            match timeout_at(until, self.ask()).await {
                Ok(Ok(ttl)) if ttl <= 0 => {
                    return Err(Status::not_found("the lease has run out"));
                }
                Ok(Ok(ttl)) => {
                    self.time = seconds(ttl);
                    self.until = sent + self.time;
                    return Ok(());
                }
                Ok(Err(error)) => last = error,
                Err(_) => return Err(last),
            }
            // An etcd that was started again does not know its tokens any more.
            let again = async {
                wait.pass().await;
                self.register.caller().await
            };
            match timeout_at(until, again).await {
                Ok(Ok(caller)) => self.caller = caller,
                Ok(Err(error)) => last = error,
                Err(_) => return Err(last),
            }
        }
    }

    /// One beat: the seconds that it gives, 0 for a lease that is not there any more.
    async fn ask(&self) -> Result<i64, Status> {
        let beat = async {
            let request = tokio_stream::once(wire::LeaseRequest { id: self.id });
            let path = "/etcdserverpb.Lease/LeaseKeepAlive";
            let mut answers = self.caller.follow::<_, wire::LeaseResponse>(path, request).await?;
            let answer = answers.message().await?;
            answer.map(|kept| kept.ttl).ok_or_else(|| Status::unavailable("no answer"))
        };
        // A connection that takes calls and answers none must not use all the time up.
        let late = |_| Err(Status::deadline_exceeded("no answer in time"));
        timeout(self.time / BEATS, self.register.in_time(beat)).await.unwrap_or_else(late)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (caller, id) = (self.caller.clone(), self.id);
        let limit = self.register.options.call_timeout;
        drop(self.register.runtime.begin(async move {
            let path = "/etcdserverpb.Lease/LeaseRevoke";
            let revoked =
                caller.ask::<_, wire::LeaseRevokeResponse>(path, wire::LeaseRequest { id });
            // Else it runs out by itself.
            drop(timeout(limit, revoked).await);
        }));
    }
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(ttl.try_into().unwrap_or(0))
}

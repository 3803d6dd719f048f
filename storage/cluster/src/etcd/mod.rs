//! etcd: which processes of the cluster are alive, and whose the prefix is.
//!
//! In: the address of this process. Out: the addresses of the others, whenever they change. A process is there while it
//! keeps a lease; while etcd is away the last list stands, for a cluster whose other parts are well goes on.

mod lease;
mod wire;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openim_record::{Pauses, Process, spread};
use openim_storage::guard::{Change, Spell};
use openim_storage::port::StoreError;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::Status;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::Runtime;
use crate::process::{hex, unhex};
use lease::Lease;
use wire::{Caller, KeyValue};

/// How often a server is asked for a sign of life at most: one that is asked more often than every 5 s closes the
/// connection.
const ASKED_EVERY: Duration = Duration::from_secs(6);

/// Settings of a register on etcd.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port` of each server, `https://` with TLS.
    pub endpoints: Vec<String>,
    /// Authorities that their certificates are checked against, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// What all keys begin with, without a slash at the end.
    pub prefix: String,
    /// Name and password, where the servers want one.
    pub user: Option<(String, String)>,
    /// How long a process is there without a sign of life, be it its own or etcd's fault; at least 2 s.
    pub lease: Duration,
    /// How long a call takes at most.
    pub call_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            authorities: None,
            prefix: "/openim".to_owned(),
            user: None,
            lease: Duration::from_secs(10),
            call_timeout: Duration::from_secs(3),
        }
    }
}

/// A process that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub process: Process,
    /// Where it listens, `host:port`.
    pub address: String,
    /// How many fronts it has: one for each of its shards.
    pub fronts: u16,
}

impl Member {
    /// Its fronts by their names: the process' own with the number of the shard as its last two bytes.
    pub fn each_front(&self) -> impl Iterator<Item = Process> + use<> {
        let process = self.process;
        (0..self.fronts).map(move |shard| process.front(shard))
    }

    /// What stands in its entry.
    fn value(&self) -> String {
        format!("{} {}", self.address, self.fronts)
    }

    /// `None` for what no process has written.
    fn read(process: Process, value: &[u8]) -> Option<Self> {
        let (address, fronts) = std::str::from_utf8(value).ok()?.rsplit_once(' ')?;
        Some(Self { process, address: address.to_owned(), fronts: fronts.parse().ok()? })
    }
}

/// Those of one role, in the order of their ids.
pub type Members = Arc<[Member]>;

/// The register of a cluster's processes.
#[derive(Clone)]
pub struct Register {
    runtime: Runtime,
    options: Arc<Options>,
    channel: Channel,
    /// With the token by which they answered last: to get one costs them more than to answer.
    checked: Arc<Mutex<Option<Caller>>>,
    /// Whether it is told that the register does not do what it should: an entry, and who else is there, are one.
    away: Arc<Spell>,
}

/// A process that is in the register for as long as this is kept.
#[must_use = "dropped, the process leaves the register"]
pub struct Registered {
    /// Whether etcd has it now; whoever keeps it there ends with the last of these.
    stands: watch::Receiver<bool>,
}

impl Registered {
    /// Whether the entry stands, as far as is known: it does while etcd is away for less than the lease.
    #[must_use]
    pub fn stands(&self) -> bool {
        *self.stands.borrow()
    }
}

impl Register {
    /// Opens a way to the servers. Nothing is asked yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: an endpoint is no address.
    pub fn open(runtime: &Runtime, options: Options) -> Result<Self, StoreError> {
        let mut endpoints = Vec::new();
        for address in &options.endpoints {
            let rejected = |error: tonic::transport::Error| {
                let what = format!("etcd at {address}");
                StoreError::Rejected { what, cause: error.into() }
            };
            let mut endpoint = Endpoint::from_shared(address.clone()).map_err(rejected)?;
            if let Some(pem) = &options.authorities {
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                endpoint = endpoint.tls_config(tls).map_err(rejected)?;
            }
            // A connection that died without a word shows within these two.
            let quiet = options.call_timeout;
            endpoints.push(
                endpoint
                    .connect_timeout(options.call_timeout)
                    .http2_keep_alive_interval(quiet.max(ASKED_EVERY))
                    .keep_alive_timeout(quiet)
                    .keep_alive_while_idle(false),
            );
        }
        if endpoints.is_empty() {
            let cause = "no address is given".into();
            return Err(StoreError::Rejected { what: "etcd".to_owned(), cause });
        }
        // The client's own threads turn the connections.
        let channel = runtime.inside(|| Channel::balance_list(endpoints.into_iter()));
        let (options, checked, away) = (Arc::new(options), Arc::default(), Arc::default());
        Ok(Self { runtime: runtime.clone(), options, channel, checked, away })
    }

    /// Makes the prefix this cluster's, or finds that it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: it is another cluster's. [`StoreError::Unavailable`].
    pub async fn claim(&self, cluster: &str) -> Result<(), StoreError> {
        self.claimed(cluster, true).await.map(drop)
    }

    /// Whether the prefix is this cluster's already; `false`: nobody's. Nothing is written.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn is_claimed(&self, cluster: &str) -> Result<bool, StoreError> {
        self.claimed(cluster, false).await
    }

    async fn claimed(&self, cluster: &str, claim: bool) -> Result<bool, StoreError> {
        let (own, cluster) = (self.clone(), cluster.to_owned());
        let claimed = self.runtime.begin(async move { own.claim_now(&cluster, claim).await });
        claimed.answer().await.unwrap_or_else(|| Err(self.error("claiming", ended())))
    }

    /// Asks whether the servers answer, and most of them are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn check(&self) -> Result<(), StoreError> {
        let own = self.clone();
        let asked = self.runtime.begin(async move { own.check_now().await });
        let answer = asked.answer().await.unwrap_or_else(|| Err(ended()));
        answer.map_err(|error| self.error("asking", error))
    }

    /// Puts a process of a role into the register and keeps it there, also when etcd was away or lost it.
    pub fn register(&self, role: &str, member: &Member) -> Registered {
        let (told, stands) = watch::channel(false);
        let own = self.clone();
        let key = self.key(&format!("{role}/{}", hex(member.process)));
        let value = member.value();
        drop(self.runtime.begin(async move {
            let mut wait = Pause::default();
            loop {
                let kept = own.keep(&key, &value, &told, &mut wait);
                let gone = tokio::select! {
                    kept = kept => kept,
                    () = told.closed() => Ok(()),
                };
                let Err(error) = gone else { return };
                told.send_if_modified(std::mem::take);
                own.failed(&error, "etcd does not keep this process");
                wait.pass().await;
            }
        }));
        Registered { stands }
    }

    /// The processes of a role, now and whenever they change; nobody before the first answer, which is a change though
    /// nobody is there. Looking ends when all receivers are gone.
    #[must_use]
    pub fn watch(&self, role: &str) -> watch::Receiver<Members> {
        let (told, members) = watch::channel(Members::default());
        let (own, prefix) = (self.clone(), self.key(&format!("{role}/")));
        drop(self.runtime.begin(async move {
            let mut wait = Pause::default();
            loop {
                let gone = tokio::select! {
                    gone = own.look(&prefix, &told, &mut wait) => gone,
                    () = told.closed() => return,
                };
                own.failed(&gone, "etcd does not tell who is there");
                wait.pass().await;
            }
        }));
        members
    }

    /// The processes of a role now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn here(&self, role: &str) -> Result<Vec<Process>, StoreError> {
        let (own, prefix) = (self.clone(), self.key(&format!("{role}/")));
        let asked = self.runtime.begin(async move {
            let caller = own.caller().await?;
            let (here, _) = own.range(&caller, &prefix).await?;
            Ok(members(&prefix, &here).iter().map(|member| member.process).collect())
        });
        let answer = asked.answer().await.unwrap_or_else(|| Err(ended()));
        answer.map_err(|error: Status| self.error("asking who is there", error))
    }

    // --- on the runtime's threads ---------------------------------------------------------------

    /// Whether it was this cluster's before.
    async fn claim_now(&self, cluster: &str, claim: bool) -> Result<bool, StoreError> {
        let key = self.key("cluster");
        let put = wire::PutRequest { key: key.clone(), value: cluster.into(), lease: 0 };
        let request = wire::PutIfAbsentRequest {
            compare: vec![wire::IsAbsent { key: key.clone(), version: Some(0) }],
            success: claim.then_some(wire::PutOperation { put: Some(put) }).into_iter().collect(),
            failure: vec![wire::RangeOperation {
                range: Some(wire::RangeRequest { key, range_end: Vec::new() }),
            }],
        };
        let doing = "claiming";
        let caller = self.caller().await.map_err(|error| self.error(doing, error))?;
        let asked = caller.ask::<_, wire::PutIfAbsentResponse>("/etcdserverpb.KV/Txn", request);
        let found = self.in_time(asked).await.map_err(|error| self.error(doing, error))?;
        if found.succeeded {
            return Ok(false);
        }
        let ranges = found.responses.into_iter().filter_map(|response| response.range);
        let owner = ranges.flat_map(|range| range.kvs).next().map(|kv| kv.value);
        if owner.as_deref() == Some(cluster.as_bytes()) {
            return Ok(true);
        }
        let whose = String::from_utf8_lossy(&owner.unwrap_or_default()).into_owned();
        let what = format!("etcd prefix {} of cluster {cluster}", self.options.prefix);
        Err(StoreError::Conflict { what, cause: format!("it is that of cluster {whose}").into() })
    }

    async fn check_now(&self) -> Result<(), Status> {
        let known = self.checked().take();
        let caller = match known {
            Some(caller) => caller,
            None => self.caller().await?,
        };
        let range = wire::RangeRequest { key: self.key("cluster"), range_end: Vec::new() };
        let path = "/etcdserverpb.KV/Range";
        self.in_time(caller.ask::<_, wire::RangeResponse>(path, range)).await?;
        *self.checked() = Some(caller);
        Ok(())
    }

    fn checked(&self) -> MutexGuard<'_, Option<Caller>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease, writes the entry and keeps it; comes back when that fails, or the lease has run out.
    async fn keep(
        &self,
        key: &[u8],
        value: &str,
        told: &watch::Sender<bool>,
        wait: &mut Pause,
    ) -> Result<(), Status> {
        let mut lease = Lease::take(self).await?;
        lease.put(key, value).await?;
        told.send_replace(true);
        wait.start_over();
        Err(lease.keep(|began| self.answered(began)).await)
    }

    /// Told once, whatever fails of it, until all has been well for a while.
    fn failed(&self, error: &Status, what: &str) {
        match self.away.failed(Instant::now()) {
            Change::Begun => tracing::warn!(error = said(error), "{what}; it is tried again"),
            _ => tracing::debug!(error = said(error), "{what}"),
        }
    }

    /// A call that had begun then is answered.
    fn answered(&self, began: Instant) {
        if self.away.answered(began) == Change::Over {
            tracing::info!("etcd keeps this process, and tells who is there, again");
        }
    }

    /// Reads who is there, then follows; comes back when that fails.
    async fn look(&self, prefix: &[u8], told: &watch::Sender<Members>, wait: &mut Pause) -> Status {
        let looked = async {
            let caller = self.caller().await?;
            let (mut here, revision) = self.range(&caller, prefix).await?;
            told.send_replace(members(prefix, &here));
            wait.start_over();
            let create = wire::WatchCreate {
                key: prefix.to_vec(),
                range_end: behind(prefix),
                start_revision: revision + 1,
                progress_notify: true,
            };
            let question = tokio_stream::once(wire::WatchRequest { create: Some(create) })
                .chain(tokio_stream::pending());
            let path = "/etcdserverpb.Watch/Watch";
            let followed = caller.follow::<_, wire::WatchResponse>(path, question);
            let mut answers = self.in_time(followed).await?;
            while let Some(answer) = answers.message().await? {
                if answer.canceled {
                    return Err(Status::aborted(answer.cancel_reason));
                }
                for event in answer.events {
                    let Some(KeyValue { key, value }) = event.kv else { continue };
                    match event.kind {
                        0 => drop(here.insert(key, value)),
                        _ => drop(here.remove(&key)),
                    }
                }
                tell(told, prefix, &here);
            }
            Err::<(), Status>(Status::unavailable("the watch has ended"))
        };
        looked.await.err().unwrap_or_else(|| Status::unavailable("the watch has ended"))
    }

    /// All that begins so, and the revision at which it was so.
    async fn range(
        &self,
        caller: &Caller,
        prefix: &[u8],
    ) -> Result<(BTreeMap<Vec<u8>, Vec<u8>>, i64), Status> {
        let range = wire::RangeRequest { key: prefix.to_vec(), range_end: behind(prefix) };
        let path = "/etcdserverpb.KV/Range";
        let found = self.in_time(caller.ask::<_, wire::RangeResponse>(path, range)).await?;
        let here = found.kvs.into_iter().map(|KeyValue { key, value }| (key, value)).collect();
        Ok((here, found.header.map_or(0, |header| header.revision)))
    }

    async fn caller(&self) -> Result<Caller, Status> {
        let mut caller = Caller { channel: self.channel.clone(), token: None };
        if let Some((name, password)) = self.options.user.clone() {
            let request = wire::AuthenticateRequest { name, password };
            let path = "/etcdserverpb.Auth/Authenticate";
            let asked = caller.ask::<_, wire::AuthenticateResponse>(path, request);
            caller.token = Some(wire::token(&self.in_time(asked).await?.token)?);
        }
        Ok(caller)
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let late = |_| Err(Status::deadline_exceeded("no answer in time"));
        tokio::time::timeout(self.options.call_timeout, call).await.unwrap_or_else(late)
    }

    fn key(&self, name: &str) -> Vec<u8> {
        format!("{}/{name}", self.options.prefix).into_bytes()
    }

    fn error(&self, doing: &str, cause: Status) -> StoreError {
        let what = format!("{doing} in etcd at {}", self.options.endpoints.join(", "));
        StoreError::Unavailable { what, cause: said(&cause).into() }
    }
}

/// How long a failed call is not tried again: twice as long each time, up to a bound, and never all processes at once.
struct Pause(Pauses);

impl Default for Pause {
    fn default() -> Self {
        Self(Pauses::new(Duration::from_millis(100), Duration::from_millis(3_200)))
    }
}

impl Pause {
    const fn start_over(&mut self) {
        self.0.start_over();
    }

    async fn pass(&mut self) {
        // Chance enough, without a source of it: the keys of a fresh hasher.
        let chance = RandomState::new().build_hasher().finish() as u16;
        tokio::time::sleep(spread(self.0.failed(), chance)).await;
    }
}

/// Says who is there, if that has changed.
fn tell(told: &watch::Sender<Members>, prefix: &[u8], here: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let members = members(prefix, here);
    told.send_if_modified(|before| {
        let changed = *before != members;
        *before = members;
        changed
    });
}

/// What is no process' entry is not looked at.
fn members(prefix: &[u8], here: &BTreeMap<Vec<u8>, Vec<u8>>) -> Members {
    let member =
        |(key, value): (&Vec<u8>, &Vec<u8>)| Member::read(unhex(key.strip_prefix(prefix)?)?, value);
    here.iter().filter_map(member).collect()
}

/// The first key behind all that begin with `prefix`, whose last byte is not the highest.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// What a call has failed of: that a connection was, says nothing.
fn said(status: &Status) -> String {
    let mut said = status.message().to_owned();
    if let Some(cause) = status.source() {
        said = format!("{said}: {}", crate::whole(cause));
    }
    crate::short(&said)
}

fn ended() -> Status {
    Status::cancelled("the runtime has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_as_it_was_written_and_has_a_front_a_shard() {
        let member =
            Member { process: Process([7; 16]), address: "[::1]:80".to_owned(), fronts: 258 };
        assert_eq!(Member::read(member.process, member.value().as_bytes()), Some(member.clone()));
        for wrong in ["", "a:1", "a:1 ", "a:1 x", "a:1 65536"] {
            assert_eq!(Member::read(member.process, wrong.as_bytes()), None, "{wrong}");
        }
        let fronts: Vec<Process> = member.each_front().collect();
        assert_eq!(fronts.len(), 258);
        let last = fronts.last().map(|front| (front.0[13], front.0[14], front.0[15]));
        assert_eq!(last, Some((7, 1, 1)));
    }

    #[test]
    fn a_range_ends_behind_its_prefix() {
        assert_eq!(behind(b"/a/gateway/"), b"/a/gateway0");
    }
}

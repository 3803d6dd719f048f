//! What a cluster is made of: names and components that are the same in all of its processes, or messages are acknowledged
//! that nobody reads.
//!
//! The first process writes it down in MongoDB and in MySQL; the others compare. So a process with one wrong name, one of
//! these databases included, meets the claim in one of the two at least. In: settings, what the two have. Out: the claim, or
//! one line of what differs, by its key. Never: a claim that is changed but by `openim adopt-log`.
//!
//! Invariant: a claim is settled when both have it, and only then. What lacks a settled one is another database, or has
//! lost its data.

use std::collections::BTreeMap;

use anyhow::Context as _;
use openim_cluster::mongo::MongoHistory;
use openim_cluster::mysql::MysqlClaim;
use openim_config::Config;
use openim_storage::port::StoreError;
use serde::{Deserialize, Serialize};

use super::reach::{Place, Trouble};

/// How often the two are looked at while other processes write the same claim.
const TRIES: usize = 20;
/// The setting that leads to the log; its value in a claim is the name that Kafka has given itself.
const LOG: &str = "kafka.ws2mschat.addr";
/// What all settings of the log begin with.
const OF_LOG: &str = "kafka.";

/// What a process may find that is not as it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::boot) enum Meant {
    /// Nothing.
    Start,
    /// Another log.
    Adopt,
}

/// A claim, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The same wherever it is kept; no other cluster has it.
    id: String,
    cluster: String,
    settled: bool,
    /// What the process that wrote it had, by the key.
    settings: BTreeMap<String, String>,
}

/// What this process has.
#[derive(Clone, Debug)]
pub(super) struct Own {
    cluster: String,
    settings: BTreeMap<String, String>,
}

impl Own {
    /// Without the log, which has to be asked.
    pub(super) fn of(config: &Config) -> Self {
        let Config { cluster, etcd, mysql, mongo, kafka, .. } = config;
        let groups = &kafka.consumer_groups;
        let settings = [
            ("etcd.etcdSchema", etcd.schema.trim_matches('/')),
            ("mysql.dbDatabaseName", &*mysql.database),
            ("mongo.dbDatabase", mongo.database.first().map_or("", String::as_str)),
            ("kafka.ws2mschat.topic", &*kafka.ws2mschat.topic),
            ("kafka.ms2pschat.topic", &*kafka.ms2pschat.topic),
            ("kafka.consumergroupid.msgToMongo", &*groups.history),
            ("kafka.consumergroupid.msgToMySql", &*groups.archive),
            ("kafka.consumergroupid.msgToPush", &*groups.push),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Self { cluster: cluster.name.clone(), settings }
    }

    /// With the name that Kafka has given itself; one without a name is not told from others.
    pub(super) fn with_log(mut self, id: Option<String>) -> Self {
        self.settings.extend(id.map(|id| (LOG.to_owned(), id)));
        self
    }

    fn claim(&self) -> anyhow::Result<Claim> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).context("the system gives no random numbers")?;
        let id = format!("{:032x}", u128::from_be_bytes(id));
        let (cluster, settings) = (self.cluster.clone(), self.settings.clone());
        Ok(Claim { id, cluster, settled: false, settings })
    }

    /// What of a claim is not as this process has it, a piece each; of what one of the two does not know, nothing.
    fn differences(&self, meant: Meant, claim: &Claim) -> Vec<String> {
        let may_differ = |key: &str| meant == Meant::Adopt && key.starts_with(OF_LOG);
        let both = self.settings.iter().filter_map(|(key, own)| {
            let there = claim.settings.get(key)?;
            (there != own && !may_differ(key)).then_some((key, own, there))
        });
        let told = |(key, own, there): (&String, &String, &String)| match key.as_str() {
            LOG => format!("{key} leads to the Kafka that calls itself {own:?}, not to {there:?}"),
            key => format!("{key} is {own:?}, not {there:?}"),
        };
        both.map(told).collect()
    }
}

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said: Vec<_> =
            self.settings.iter().map(|(key, value)| format!("{key} {value}")).collect();
        f.write_str(&said.join(", "))
    }
}

/// What one of the two has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) place: &'a Place,
    /// The setting of its name.
    name_key: &'static str,
    claim: Option<&'a Claim>,
}

impl<'a> Found<'a> {
    pub(super) fn in_mongo(place: &'a Place, claim: Option<&'a Claim>) -> Self {
        Self { place, name_key: "mongo.dbDatabase", claim }
    }

    pub(super) fn in_mysql(place: &'a Place, claim: Option<&'a Claim>) -> Self {
        Self { place, name_key: "mysql.dbDatabaseName", claim }
    }

    fn wrong(&self, why: String) -> String {
        let Place { name, key, address, .. } = self.place;
        format!("{name} at {address} will not do ({key}, {}): {why}", self.name_key)
    }
}

/// Whether both have the claim for good; of one of them alone it is not known.
///
/// # Errors
/// The line of what differs, and what to do.
pub(super) fn judge(own: &Own, meant: Meant, found: &[Found<'_>]) -> Result<bool, String> {
    let cluster = &own.cluster;
    let claims = || found.iter().filter_map(|of| Some((of, of.claim?)));
    for (of, claim) in claims() {
        let differences = own.differences(meant, claim);
        if claim.cluster == *cluster && !differences.is_empty() {
            let log = ["kafka.ws2mschat.addr", "kafka.ws2mschat.topic"];
            let of_log = differences.iter().any(|it| log.iter().any(|key| it.starts_with(key)));
            let adopt = "; openim adopt-log goes over to another log on purpose";
            return Err(format!(
                "the cluster {cluster} is made otherwise, as {} keeps it: {}; set it as the cluster has it{}",
                of.place.name,
                differences.join(", "),
                if of_log { adopt } else { "" },
            ));
        }
    }
    if let Some((of, claim)) = claims().find(|(_, claim)| claim.cluster != *cluster) {
        let theirs = &claim.cluster;
        return Err(of.wrong(format!(
            "it belongs to the cluster {theirs:?}, not to {cluster:?} (cluster.name)"
        )));
    }
    let [one, other] = found else { return Ok(false) };
    match (one.claim, other.claim) {
        (Some(a), Some(b)) if a.id != b.id => Err(other.wrong(format!(
            "it belongs to another cluster of the name {cluster} than {} at {}; correct the address that leads elsewhere \
             than those of the cluster's other processes",
            one.place.name, one.place.address
        ))),
        (Some(a), Some(b)) => Ok(a.settled && b.settled),
        (Some(claim), None) if claim.settled => Err(other.wrong(lost(cluster, one))),
        (None, Some(claim)) if claim.settled => Err(one.wrong(lost(cluster, other))),
        _ => Ok(false),
    }
}

fn lost(cluster: &str, by: &Found<'_>) -> String {
    format!(
        "it has nothing of the cluster {cluster}, whose data {} at {} has: correct the address, or put its data back",
        by.place.name, by.place.address
    )
}

/// One that keeps a claim.
pub(super) trait Keeper {
    async fn read(&self) -> Result<Option<String>, StoreError>;
    /// If there is none; gives what is there then.
    async fn put(&self, claim: String) -> Result<String, StoreError>;
    /// If it is this one; gives what is there then.
    async fn replace(&self, this: String, by: String) -> Result<String, StoreError>;
}

impl Keeper for MongoHistory {
    async fn read(&self) -> Result<Option<String>, StoreError> {
        self.claim().await
    }

    async fn put(&self, claim: String) -> Result<String, StoreError> {
        self.put_claim(claim).await
    }

    async fn replace(&self, this: String, by: String) -> Result<String, StoreError> {
        self.replace_claim(this, by).await
    }
}

impl Keeper for MysqlClaim {
    async fn read(&self) -> Result<Option<String>, StoreError> {
        self.read().await
    }

    async fn put(&self, claim: String) -> Result<String, StoreError> {
        self.put(claim).await
    }

    async fn replace(&self, this: String, by: String) -> Result<String, StoreError> {
        self.replace(this, by).await
    }
}

/// The two that keep it, where they are, and what this process has.
pub(super) struct Claiming<'a, A, B> {
    pub(super) own: &'a Own,
    pub(super) meant: Meant,
    pub(super) mongo: (&'a Place, &'a A),
    pub(super) mysql: (&'a Place, &'a B),
}

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// One of the two does not answer.
    Away(String),
    /// It is not for this process, or cannot be read.
    Wrong(String),
}

impl Unsettled {
    pub(super) fn into_line(self) -> anyhow::Error {
        match self {
            Self::Away(line) | Self::Wrong(line) => anyhow::anyhow!(line),
        }
    }
}

impl<A: Keeper, B: Keeper> Claiming<'_, A, B> {
    /// Finds the claim, or makes it; whether this process has made it.
    pub(super) async fn settle(&self) -> Result<bool, Unsettled> {
        let ((at_mongo, mongo), (at_mysql, mysql)) = (self.mongo, self.mysql);
        let mut made = None;
        for _ in 0..TRIES {
            let mut one = read(at_mongo, mongo).await?;
            let other = read(at_mysql, mysql).await?;
            if one.is_none() {
                // Others may have put it in both since.
                one = read(at_mongo, mongo).await?;
            }
            let found = [
                Found::in_mongo(at_mongo, one.as_ref()),
                Found::in_mysql(at_mysql, other.as_ref()),
            ];
            if judge(self.own, self.meant, &found).map_err(Unsettled::Wrong)? {
                let own = one.map(|claim| claim.id);
                return Ok(made.is_some() && own == made);
            }
            let claim = match one.or(other) {
                Some(claim) => claim,
                None => {
                    let new = self.own.claim().map_err(|why| Unsettled::Wrong(why.to_string()))?;
                    made = Some(new.id.clone());
                    new
                }
            };
            let open = Claim { settled: false, ..claim };
            let there = at(at_mongo, mongo.put(open.text()).await)?;
            let there = Claim { settled: false, ..there };
            if at(at_mysql, mysql.put(there.text()).await)?.id == there.id {
                let settled = Claim { settled: true, ..there.clone() };
                at(at_mongo, mongo.replace(there.text(), settled.text()).await)?;
                at(at_mysql, mysql.replace(there.text(), settled.text()).await)?;
            }
        }
        Err(Unsettled::Away("other processes change the cluster's claim all the time".to_owned()))
    }

    /// Has the claim name the log of this process. To be done again where it fails.
    pub(super) async fn move_log(&self) -> Result<(), Unsettled> {
        move_log(self.own, self.mongo.0, self.mongo.1).await?;
        move_log(self.own, self.mysql.0, self.mysql.1).await
    }

    /// What of the claim a move of the log changes.
    pub(super) async fn moves(&self) -> Result<Vec<String>, Unsettled> {
        let found =
            [read(self.mongo.0, self.mongo.1).await?, read(self.mysql.0, self.mysql.1).await?];
        let differs = found.iter().flatten().map(|it| self.own.differences(Meant::Start, it));
        Ok(differs.max_by_key(Vec::len).unwrap_or_default())
    }
}

async fn move_log(own: &Own, place: &Place, keeper: &impl Keeper) -> Result<(), Unsettled> {
    for _ in 0..TRIES {
        let Some(claim) = read(place, keeper).await? else { return Ok(()) };
        let mut moved = claim.clone();
        let of_log = own.settings.iter().filter(|(key, _)| key.starts_with(OF_LOG));
        moved.settings.extend(of_log.map(|(key, value)| (key.clone(), value.clone())));
        if moved == claim || at(place, keeper.replace(claim.text(), moved.text()).await)? == moved {
            return Ok(());
        }
    }
    Err(Unsettled::Away("other processes change the cluster's claim all the time".to_owned()))
}

async fn read(place: &Place, keeper: &impl Keeper) -> Result<Option<Claim>, Unsettled> {
    let text = keeper.read().await.map_err(|error| away(place, &error))?;
    text.map(|text| parsed(place, &text)).transpose()
}

fn at(place: &Place, there: Result<String, StoreError>) -> Result<Claim, Unsettled> {
    parsed(place, &there.map_err(|error| away(place, &error))?)
}

fn away(place: &Place, error: &StoreError) -> Unsettled {
    let trouble = place.failed(error);
    let line = place.told(&trouble);
    match trouble {
        Trouble::Away(_) => Unsettled::Away(line),
        Trouble::Wrong { .. } => Unsettled::Wrong(line),
    }
}

fn parsed(place: &Place, text: &str) -> Result<Claim, Unsettled> {
    Claim::read(place, text).map_err(Unsettled::Wrong)
}

impl Claim {
    /// # Errors
    /// The line of why it is none.
    pub(super) fn read(place: &Place, text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|why| {
            let Place { name, address, .. } = place;
            format!("{name} at {address}: what the cluster is made of cannot be read there: {why}; run a later version")
        })
    }

    /// The same for the same claim.
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

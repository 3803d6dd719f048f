//! From candidates to notices: who has got the message, who does not want to be told, by which services the others are.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openim_push::{Device, Job, Notice, Offered, Service};
use openim_record::{Seq, UserId};
use openim_storage::port::StoreError;

use super::reading::{Candidate, Written};
use super::{BATCH, LOOK, Push};
use crate::driver::{Core, Told};
use std::sync::atomic::Ordering;

/// Somebody with a link is given so long to pull, and a home to number what the log has.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names of who wrote are kept for so long, and so many.
const NAMES_KEPT: Duration = Duration::from_secs(60);
const NAMES_MAX: usize = 4096;

/// What comes of a candidate.
enum Next {
    /// A mobile terminal has it.
    Reached,
    /// It is not clear yet.
    Again,
    /// The inbox has it not.
    Absent,
    /// To be told: the seq, and how many are unread.
    Tell(Seq, Option<u32>),
}

impl Push {
    /// Sees to a batch of candidates.
    pub(super) async fn tell(&mut self, batch: Vec<Candidate>, now_ms: i64) {
        debug_assert!(batch.len() <= 2 * BATCH, "a batch is bounded");
        self.status.asked.add(batch.len() as u64);
        let told = self.ask(&batch).await;
        let max_ms = i64::try_from(self.given.max_age.as_millis()).unwrap_or(i64::MAX);
        for (candidate, told) in batch.into_iter().zip(told) {
            if now_ms.saturating_sub(candidate.message.append_ms) > max_ms {
                self.status.old.add(1);
                continue;
            }
            match self.next(&candidate, told).await {
                Next::Reached => self.status.reached.add(1),
                Next::Absent => self.status.absent.add(1),
                Next::Again => self.waiting.add(Instant::now(), candidate),
                Next::Tell(seq, badge) => {
                    if let Err(cause) = self.notify(&candidate, seq, badge).await {
                        tracing::debug!(%cause, "who is told cannot be read now");
                        self.waiting.add(Instant::now(), candidate);
                    }
                }
            }
        }
    }

    /// What the homes tell of each; `None` where they did not answer.
    async fn ask(&self, batch: &[Candidate]) -> Vec<Option<Told>> {
        let mut told = vec![None; batch.len()];
        let mut by_shard = vec![<(Vec<usize>, Vec<_>)>::default(); self.given.ways.len()];
        for (at, candidate) in batch.iter().enumerate() {
            let home = self.given.ways.home(candidate.uid.as_str());
            if let Some((places, asked)) = by_shard.get_mut(home) {
                places.push(at);
                asked.push((candidate.uid.clone(), candidate.message.position));
            }
        }
        for (shard, (places, asked)) in by_shard.into_iter().enumerate() {
            if asked.is_empty() {
                continue;
            }
            let question = async move |core: Rc<Core>| core.told_of(&asked).await;
            let answers = self.given.ways.at(shard, question).await.unwrap_or_default();
            for (at, answer) in places.into_iter().zip(answers) {
                if let Some(slot) = told.get_mut(at) {
                    *slot = answer;
                }
            }
        }
        told
    }

    async fn next(&self, candidate: &Candidate, told: Option<Told>) -> Next {
        let waited = candidate.since.elapsed() >= PATIENCE;
        // Also without an answer: until the message is too old.
        let Some(told) = told else { return Next::Again };
        let seq = match told.seq {
            Some(seq) => Ok(Some(seq)),
            None => self.stored_seq(candidate, &told).await,
        };
        match seq {
            Err(_) => Next::Again,
            Ok(None) if waited => Next::Absent,
            Ok(None) => Next::Again,
            Ok(Some(seq)) if told.got >= seq => Next::Reached,
            Ok(Some(_)) if told.linked && !waited => Next::Again,
            Ok(Some(seq)) => {
                let before = seq.0.saturating_sub(1);
                let counted = match told.seq {
                    Some(_) => told.counted.0.min(before),
                    // It was stored before anybody asked.
                    None => before,
                };
                Next::Tell(seq, u32::try_from(told.newest.0.saturating_sub(counted)).ok())
            }
        }
    }

    /// The number of a message in the inbox, from the store: found by halving, for an inbox is in log order.
    async fn stored_seq(
        &self,
        candidate: &Candidate,
        told: &Told,
    ) -> Result<Option<Seq>, StoreError> {
        let position = candidate.message.position;
        if told.unstored_from.is_some_and(|first| first < position) {
            return Ok(None);
        }
        let (mut low, mut high) = (told.stored.0.0, told.stored.1.0 + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = Seq(middle);
            let range = self.given.history.range(&candidate.uid, at, at, 1).await?;
            let Some(entry) = range.entries.first() else { return Ok(None) };
            match entry.position.cmp(&position) {
                std::cmp::Ordering::Equal => return Ok(Some(entry.seq)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// Hands notices for one user to the services that reach them.
    async fn notify(
        &mut self,
        candidate: &Candidate,
        seq: Seq,
        badge: Option<u32>,
    ) -> Result<(), StoreError> {
        let (uid, message) = (&candidate.uid, &candidate.message);
        let conversation = match &message.group {
            Some(group) => format!("group_{group}"),
            None => format!("single_{}", message.from),
        };
        let option = self.given.preferences.get(uid, &[conversation]).await?;
        if option.first().is_some_and(|option| *option != 0) {
            self.status.unwanted.add(1);
            return Ok(());
        }
        let devices = self.given.preferences.devices(uid).await?;
        let devices: Vec<Device> = devices
            .into_iter()
            .map(|of| Device { platform: of.platform, vendor: of.vendor, token: of.token })
            .collect();
        let targets = self.targets(&devices);
        if targets.is_empty() {
            self.status.unreachable.add(1);
            return Ok(());
        }
        let notice = Notice {
            id: message.key.0,
            uid: uid.as_str().to_owned(),
            title: self.name_of(message).await?,
            text: message.text.clone(),
            badge,
            chat_type: message.chat_type,
            from: message.from.clone(),
            to: message.group.clone().unwrap_or_else(|| uid.as_str().to_owned()),
            seq: seq.0,
            sent_ms: message.append_ms,
        };
        let notice = Arc::new(notice.fitting());
        for (service, devices) in targets {
            let place = self.places.hold(message.position.0);
            let notice = Arc::clone(&notice);
            self.offer(Job { service, notice, devices, place }).await;
        }
        Ok(())
    }

    /// By which services somebody with these devices is told, and with which of them.
    fn targets(&self, devices: &[Device]) -> Vec<(Service, Vec<Device>)> {
        let mut targets = Vec::new();
        for service in self.sender.services() {
            match service.vendor() {
                Some(vendor) => {
                    let own = devices.iter().filter(|device| device.vendor == vendor);
                    targets.extend(own.map(|device| (service, vec![device.clone()])));
                }
                None => targets.push((service, devices.to_vec())),
            }
        }
        targets
    }

    /// Hands a job over, when there is room.
    async fn offer(&self, mut job: Job) {
        while !self.stop.load(Ordering::Acquire) {
            match self.sender.offer(job) {
                Offered::Taken | Offered::Lost => return,
                Offered::Full(back) => job = back,
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Who wrote, by the name of their profile.
    async fn name_of(&mut self, message: &Written) -> Result<String, StoreError> {
        if self.named_since.elapsed() >= NAMES_KEPT || self.names.len() >= NAMES_MAX {
            self.names.clear();
            self.named_since = Instant::now();
        }
        if let Some(name) = self.names.get(&message.from) {
            return Ok(name.clone());
        }
        let uid = UserId::new(&message.from);
        let user = self.given.directory.users(std::slice::from_ref(&uid)).await?.pop().flatten();
        let name = user.map(|user| user.name).unwrap_or_default();
        let name = [&name, &message.nick_name, &message.from]
            .into_iter()
            .find(|name| !name.is_empty())
            .cloned()
            .unwrap_or_default();
        self.names.insert(message.from.clone(), name.clone());
        Ok(name)
    }
}

//! Bringing librdkafka to where partitions are to go on.

use openim_record::LogPartition;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::owned::{Bring, Owned};
use super::super::rebalance::both;
use super::Consumer;

impl Consumer {
    /// Brings librdkafka to where partitions are to go on.
    pub(super) fn bring(&mut self) {
        if !self.away {
            return;
        }
        let place = |owned: &Owned| owned.next.map_or(Offset::Beginning, Offset::Offset);
        let (mut seek, mut assign) = (Vec::new(), Vec::new());
        for (at, owned) in self.here.iter_mut().filter(|(_, owned)| owned.is_away()) {
            match owned.bring {
                Bring::Assign => assign.push((at, Some(place(owned)))),
                Bring::Seek | Bring::Nothing => seek.push((at, Some(place(owned)))),
            }
        }
        let done = [self.assign(assign), self.seek(seek)];
        self.away = done.contains(&false);
    }

    /// Whether all are there.
    fn seek(&mut self, places: Vec<(LogPartition, Option<Offset>)>) -> bool {
        if places.is_empty() {
            return true;
        }
        let list = self.list(places);
        let timeout = self.kafka.shared.options.call_timeout;
        let sought = self.client.resume(&list);
        let sought = match sought.and_then(|()| self.client.seek_partitions(list, timeout)) {
            Ok(sought) => sought,
            Err(error) => {
                tracing::debug!(%error, "partitions are not where they should go on");
                return false;
            }
        };
        for one in sought.elements() {
            let at = self.kafka.shared.at(one.topic(), one.partition());
            let Some(owned) = at.and_then(|at| self.here.get_mut(at)) else { continue };
            match one.error() {
                Ok(()) => owned.brought(),
                // It seeks only in what it fetches, and has given this one up.
                Err(_) => owned.bring = Bring::Assign,
            }
        }
        sought.elements().iter().all(|one| one.error().is_ok())
    }

    /// As [`Self::seek`], of those that librdkafka does not fetch.
    fn assign(&mut self, places: Vec<(LogPartition, Option<Offset>)>) -> bool {
        if places.is_empty() {
            return true;
        }
        let list = self.list(places.iter().copied());
        let had = self.client.assignment().map(|had| both(&list, &had));
        let left = had.and_then(|had| match had.count() {
            0 => Ok(()),
            _ => self.client.incremental_unassign(&had),
        });
        // A pause outlives the stay in which it was asked for.
        let free = left.and_then(|()| self.client.resume(&list));
        let done = free.and_then(|()| self.client.incremental_assign(&list));
        if let Err(error) = &done {
            tracing::debug!(%error, "partitions are not begun");
        }
        for (at, _) in places {
            if let Some(owned) = self.here.get_mut(at) {
                owned.fetched = done.is_ok();
                if done.is_ok() {
                    owned.brought();
                }
            }
        }
        done.is_ok()
    }

    pub(super) fn list(
        &self,
        places: impl IntoIterator<Item = (LogPartition, Option<Offset>)>,
    ) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (at, offset) in places {
            let topic = self.kafka.shared.topic(at.topic);
            let mut one = list.add_partition(topic, at.partition.0.into());
            if let Some(Err(error)) = offset.map(|offset| one.set_offset(offset)) {
                tracing::debug!(%error, "an offset that is none");
            }
        }
        list
    }
}

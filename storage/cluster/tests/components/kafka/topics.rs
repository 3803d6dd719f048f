//! Topics that are there already, and contradict.

use openim_cluster::kafka::Options;
use openim_record::LogPartition;
use openim_storage::port::{StoreError, wait};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Place, admin};

/// The records below an offset are deleted, as time does it.
pub(super) fn forget(place: &Place, at: LogPartition, below: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.options.chat, at.partition.0.into(), Offset::Offset(below))
        .expect("an offset");
    let admin = admin(&place.options);
    let gone = place
        .runtime
        .begin(async move { admin.delete_records(&list, &AdminOptions::new()).await.map(drop) });
    wait(gone.answer()).expect("it runs").expect("Kafka answers");
}

/// Makes the topic of sends as somebody else did.
fn make(place: &Place, partitions: i32, settings: &[(&'static str, &'static str)]) {
    let (name, settings) = (place.options.chat.clone(), settings.to_vec());
    let admin = admin(&place.options);
    let made = place.runtime.begin(async move {
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let made = admin.create_topics([&topic], &AdminOptions::new()).await?;
        made.into_iter().for_each(|made| drop(made.expect("it is made")));
        Ok::<_, rdkafka::error::KafkaError>(())
    });
    wait(made.answer()).expect("it runs").expect("Kafka answers");
}

const TIMED: (&str, &str) = ("message.timestamp.type", "LogAppendTime");

#[test]
fn topics_that_contradict_are_refused_by_name_and_key() {
    for (partitions, settings, key) in [
        (3, vec![TIMED], "partitions"),
        (2, vec![], "message.timestamp.type"),
        (2, vec![TIMED, ("retention.ms", "3600000")], "retention.ms"),
        (2, vec![TIMED, ("cleanup.policy", "compact")], "cleanup.policy"),
    ] {
        let Some(place) = Place::bare(2) else { return };
        make(&place, partitions, &settings);
        let refused = wait(place.kafka().ensure_topics()).expect_err(key);
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(&place.options.chat) && text.contains(key), "{text}");
    }
}

#[test]
fn topics_that_are_there_are_taken_as_they_are() {
    let Some(place) = Place::new(2) else { return };
    for _ in 0..2 {
        assert_eq!(wait(place.kafka().ensure_topics()).expect("they fit").len(), 1);
    }
    let other = Options { partitions: 4, ..place.options.clone() };
    let refused = wait(place.open(other).ensure_topics()).expect_err("refused");
    assert!(refused.to_string().contains("it has 2"), "{refused}");
}

//! What the archiver keeps.

use std::sync::Arc;

use openim_host::{ArchiveOptions, ArchiveParts, Running, start_archive};
use openim_record::{Message, Position};
use openim_storage::port::{Archive as _, Archived, wait};

use crate::support::{Place, content, strangers, until};

pub(crate) fn archiver(place: &Place) -> Running {
    start_archive(ArchiveParts {
        runtime: place.runtime.clone(),
        kafka: place.kafka.clone(),
        archive: place.mysql.archive.clone(),
        group: format!("{}-mysql", place.name),
        options: ArchiveOptions::default(),
    })
    .expect("a thread")
}

/// Contents of all that is archived, sorted, with their send times.
pub(crate) fn archived(place: &Place) -> Vec<(String, i64)> {
    let archive = Arc::clone(&place.mysql.archive);
    let (mut all, mut from) = (Vec::new(), Some(Position(0)));
    while let Some(next) = from {
        let mut each = |archived: Archived<'_>| {
            let message = Message::decode(archived.record).expect("a message");
            all.push((message.content.to_owned(), message.send_time_ns / 1_000_000));
        };
        from = wait(archive.scan(next, 2, &mut each)).expect("MySQL answers");
    }
    all.sort_unstable();
    all
}

#[test]
fn what_is_sent_is_archived_once_with_the_time_of_the_log() {
    let Some(place) = Place::new() else { return };
    let [alice, bob] = strangers();
    let first = archiver(&place);
    let mut expected = Vec::new();
    for id in ["m1", "m2", "m1", "m3"] {
        let landed = place.send(&alice, &bob, id);
        let content = content(&alice, &bob, id);
        if !expected.iter().any(|(before, _)| *before == content) {
            expected.push((content, landed.append_ms));
        }
    }
    let landed = place.send_to_group(&bob, "g1", "m4");
    expected.push((content(&bob, "g1", "m4"), landed.append_ms));
    expected.sort_unstable();
    until("they are archived", || archived(&place).len() == 4);
    assert_eq!(archived(&place), expected);
    first.stop();
    let landed = place.send(&bob, &alice, "m5");
    expected.push((content(&bob, &alice, "m5"), landed.append_ms));
    expected.sort_unstable();
    let second = archiver(&place);
    until("another goes on", || archived(&place).len() == 5);
    assert_eq!(archived(&place), expected);
    assert!(second.status().stopped.is_empty());
    second.stop();
}

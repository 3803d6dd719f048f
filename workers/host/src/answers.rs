//! What owners are told of what they have asked.

use std::collections::BTreeMap;
use std::time::Instant;

use openim_cluster::mongo::contradiction;
use openim_record::LogPartition;
use openim_storage::port::StoreError;
use openim_transfer::{Life, LoadedPartition, NotStored};

use crate::asking::{ask, stand_still};
use crate::calls::{Answer, Loaded};
use crate::held::{Held, Key};
use crate::transfer::Shared;
use crate::troubles::Component;

/// Tells the owner that asked, if it is there and in that life, and begins what it asks then.
pub(crate) fn answered(
    all: &mut BTreeMap<LogPartition, Held>,
    shared: &mut Shared,
    answer: Answer,
    began: Instant,
) {
    let Some((key, life)) = who_asked(&answer) else { return };
    note(shared, &answer, began);
    let Some(held) = all.get_mut(&key.at).filter(|held| held.key == key) else { return };
    if matches!(answer, Answer::Partition(..)) {
        held.loading = false;
    }
    if held.life == life && !held.is_stopped() {
        tell(held, shared, answer);
    }
    ask(held, shared);
}

const fn who_asked(answer: &Answer) -> Option<(Key, Life)> {
    match answer {
        Answer::Partition(key, life, _)
        | Answer::Users(key, life, ..)
        | Answer::Group(key, life, _)
        | Answer::Stored(key, life, _)
        | Answer::Checkpointed(key, life, _)
        | Answer::Saw(key, life, ..)
        | Answer::Reached(key, life, ..)
        | Answer::Settled(key, life, ..) => Some((*key, *life)),
        Answer::Versions(_) | Answer::Checkpoints(_) | Answer::Asked(..) | Answer::Buried => None,
    }
}

/// Notes whether the component has answered.
fn note(shared: &mut Shared, answer: &Answer, began: Instant) {
    let (component, error) = match answer {
        Answer::Partition(.., Err((component, error))) => (*component, Some(error)),
        Answer::Partition(.., Ok(_)) => (Component::History, None),
        Answer::Users(.., result) => (Component::History, result.as_ref().err()),
        Answer::Stored(.., result) | Answer::Checkpointed(.., result) => {
            (Component::Stores, result.as_ref().err())
        }
        Answer::Group(.., result) => (Component::Directory, result.as_ref().err()),
        Answer::Saw(.., result) => {
            shared.looks = shared.looks.saturating_sub(1);
            if result.is_err() {
                shared.blind_until = Instant::now() + shared.troubles.pause(Component::Presence);
            }
            (Component::Presence, result.as_ref().err())
        }
        Answer::Reached(..)
        | Answer::Settled(..)
        | Answer::Versions(_)
        | Answer::Checkpoints(_)
        | Answer::Asked(..)
        | Answer::Buried => return,
    };
    match error {
        None => shared.troubles.answered(component, began),
        // A refusal is an answer too: the store is there.
        Some(refused @ StoreError::Conflict { .. }) => {
            shared.counts.failures += 1;
            tracing::info!(%refused, "a partition is loaded again");
        }
        Some(error) => {
            shared.counts.failures += 1;
            shared.troubles.failed(component, error, began);
        }
    }
}

fn tell(held: &mut Held, shared: &mut Shared, answer: Answer) {
    match answer {
        Answer::Partition(_, life, result) => loaded(held, life, result),
        Answer::Users(_, life, users, result) => match result {
            Ok(loaded) => held.owner.users_loaded(life, loaded, &mut held.asks),
            Err(error) => {
                held.owner.users_failed(life, &users);
                stand_still_if_corrupt(held, &error);
            }
        },
        Answer::Group(_, life, result) => match result {
            Ok(group) => held.owner.group_loaded(life, group, &mut held.asks),
            Err(_) => held.owner.group_failed(life),
        },
        Answer::Stored(_, life, result) => {
            shared.counts.stores += u64::from(result.is_ok());
            let result = result.map_err(|error| not_stored(held, &error));
            held.owner.stored(life, result, &mut held.asks);
        }
        Answer::Checkpointed(_, life, result) => {
            if result.is_ok() {
                shared.counts.checkpoints += 1;
                held.loads = 0;
            }
            let result = result.map_err(|error| not_stored(held, &error));
            held.owner.checkpointed(life, result, &mut held.asks);
        }
        Answer::Saw(_, life, stage, sight) => {
            // Known no earlier than what was seen.
            shared.gateways.follow();
            let fronts = shared.gateways.fronts();
            held.owner.saw(life, stage, sight.ok().as_ref(), fronts, &mut held.asks);
        }
        Answer::Reached(_, life, stage, front, reached) => {
            let reached = reached.unwrap_or_default();
            held.owner.reached(life, stage, front, &reached, &mut held.asks);
        }
        Answer::Settled(_, life, stage, process) => {
            held.owner.settled(life, stage, process, &mut held.asks);
        }
        Answer::Versions(_) | Answer::Checkpoints(_) | Answer::Asked(..) | Answer::Buried => {}
    }
}

fn loaded(held: &mut Held, life: Life, result: Result<Loaded, (Component, StoreError)>) {
    match result {
        Ok((stored, log)) => {
            held.generation = Some(stored.generation);
            let (checkpoint, pages) = (stored.checkpoint, stored.pages);
            let partition = LoadedPartition { checkpoint, pages, log };
            held.owner.loaded(life, partition, &mut held.asks);
        }
        Err((_, error)) => {
            held.owner.store_changed(&mut held.asks);
            stand_still_if_corrupt(held, &error);
        }
    }
}

fn not_stored(held: &mut Held, error: &StoreError) -> NotStored {
    stand_still_if_corrupt(held, error);
    match contradiction(error) {
        Some(contradiction) => NotStored::Contradiction(contradiction.clone()),
        None => NotStored::Unknown,
    }
}

/// What cannot be relied upon is not asked again.
fn stand_still_if_corrupt(held: &mut Held, error: &StoreError) {
    if matches!(error, StoreError::Corrupt { .. }) {
        stand_still(held, error.to_string());
    }
}

//! Begins what an owner asks.

use std::time::Instant;

use openim_record::{LogPartition, Position, Process, Topic, UserId};
use openim_transfer::{Alarm, Life, TopicRecord};

use crate::asks::Ask;
use crate::calls::{Answer, in_another_log};
use crate::held::Held;
use crate::pause::pause;
use crate::relays::{Handed, To, What};
use crate::transfer::Shared;
use crate::troubles::Component;
use openim_delivery::Told;

/// Begins all that the owner has asked; what it is answered at once, it may ask for more.
pub(crate) fn ask(held: &mut Held, shared: &mut Shared) {
    while !held.asks.0.is_empty() {
        for ask in std::mem::take(&mut held.asks.0) {
            begin(held, shared, ask);
        }
    }
}

fn begin(held: &mut Held, shared: &mut Shared, ask: Ask) {
    match ask {
        Ask::Partition(life) => load(held, shared, life),
        Ask::Alarm(alarm) => {
            let why = match &alarm {
                Alarm::NotInLog(misfit) => {
                    held.refused = Some(misfit.next());
                    in_another_log(shared.relays.kafka(), held.key.at, misfit)
                }
                Alarm::Contradicted(_) | Alarm::Newer { .. } => {
                    held.refused = None;
                    alarm.to_string()
                }
            };
            stand_still(held, why);
        }
        Ask::DeadLetter(at, record) => set_aside(held, shared, at, record),
        // What an owner asked for before it began another life it asks for no more.
        ask if life_of(&ask) == Some(held.life) => begin_now(held, shared, ask),
        _ => {}
    }
}

/// Which life asks; `None`: whichever it is.
const fn life_of(ask: &Ask) -> Option<Life> {
    match ask {
        Ask::Users(life, ..)
        | Ask::Group(life, ..)
        | Ask::Relay(life, ..)
        | Ask::Store(life, ..)
        | Ask::Settle(life, ..)
        | Ask::Look(life, ..)
        | Ask::Deliver(life, ..)
        | Ask::Notice(life, ..)
        | Ask::Checkpoint(life, ..) => Some(*life),
        Ask::Partition(_) | Ask::DeadLetter(..) | Ask::Alarm(_) => None,
    }
}

fn begin_now(held: &mut Held, shared: &mut Shared, ask: Ask) {
    let (key, life) = (held.key, held.life);
    match ask {
        Ask::Users(_, users) => {
            let from = held.owner.checkpoint().unwrap_or_default();
            let rest = shared.troubles.pause(Component::History);
            shared.calls.load_users(key, life, from, users, rest);
        }
        Ask::Group(_, group) => {
            let rest = shared.troubles.pause(Component::Directory);
            shared.calls.load_group(key, life, group, rest);
        }
        Ask::Store(_, batch) => {
            let Some(generation) = held.generation else { return };
            shared.calls.store(key, life, generation, batch);
        }
        Ask::Checkpoint(_, was, checkpoint, page) => {
            let Some(generation) = held.generation else { return };
            shared.calls.checkpoint(key, life, generation, was, (checkpoint, page));
        }
        Ask::Look(_, stage, users) => return look(held, shared, stage, users),
        Ask::Relay(_, to, record) => {
            let what = What::Relay(held.relayed.next());
            let to = To::Log(LogPartition { topic: Topic::Chat, partition: to });
            return shared.relays.hand_out(Handed { key, life, what, to, record });
        }
        Ask::Notice(_, stage, record) => {
            let (what, to) = (What::Notice(stage), To::Notice(who(&record)));
            return shared.relays.hand_out(Handed { key, life, what, to, record });
        }
        Ask::Deliver(_, stage, front, deliveries) => {
            shared.counts.deliveries += deliveries.len() as u64;
            let answer = move |reached| Answer::Reached(key, life, stage, front, reached);
            let done = shared.calls.answering(answer);
            shared.gateways.lanes.tell(front, Told::Deliver(deliveries), done);
        }
        Ask::Settle(_, stage, process, settled) => {
            shared.counts.settled += settled.len() as u64;
            let done = shared.calls.answering(move |_| Answer::Settled(key, life, stage, process));
            shared.gateways.lanes.tell(process, Told::Settle(settled), done);
        }
        Ask::Partition(_) | Ask::DeadLetter(..) | Ask::Alarm(_) => return,
    }
    shared.open += 1;
}

/// Keeps what is no record for whoever looks into it.
fn set_aside(held: &Held, shared: &mut Shared, at: Position, record: Box<[u8]>) {
    let LogPartition { topic, partition } = held.key.at;
    tracing::error!(
        ?topic, partition = partition.0, %at, bytes = record.len(),
        "what lies in the log is no record; it is set aside"
    );
    shared.counts.dead_letters += 1;
    match shared.calls.bury(held.key, at, held.newest_ms, record) {
        true => shared.open += 1,
        false => shared.counts.dead_letters_lost += 1,
    }
}

/// The partition does nothing any more until somebody has looked.
pub(crate) fn stand_still(held: &mut Held, alarm: String) {
    let (topic, partition) = (held.key.at.topic, held.key.at.partition.0);
    tracing::error!(?topic, partition, alarm, "the partition stands still");
    held.alarm = Some(alarm);
}

/// The owner begins another life, behind a pause that is longer each time until a checkpoint is written.
fn load(held: &mut Held, shared: &mut Shared, life: Life) {
    shared.relays.forget(held.key, Some(life));
    held.begin_life(life);
    held.to_load = Some((life, Instant::now() + pause(held.loads)));
    if held.loads > 0 {
        shared.counts.loads_again += 1;
    }
    held.loads = held.loads.saturating_add(1);
}

fn look(held: &mut Held, shared: &mut Shared, stage: u64, users: Vec<UserId>) {
    let fronts: Vec<Process> = shared.gateways.fronts().to_vec();
    // While presence fails, one look at a time finds out when it is back; all others are told at once that it is away.
    let tried = shared.looks > 0 && shared.troubles.is_met(Component::Presence);
    if tried || Instant::now() < shared.blind_until {
        held.owner.saw(held.life, stage, None, &fronts, &mut held.asks);
        return;
    }
    shared.open += 1;
    shared.looks += 1;
    shared.calls.look(held.key, held.life, stage, users, fronts);
}

/// Who is to be notified: that decides where it lies.
fn who(record: &[u8]) -> UserId {
    match TopicRecord::decode(record) {
        Ok(TopicRecord::Notice(notice)) => UserId::new(notice.uid),
        Ok(_) | Err(_) => UserId::new(""),
    }
}

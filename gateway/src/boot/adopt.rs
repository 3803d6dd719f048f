//! `openim adopt-log`: what of a cluster's log was lost for good is left behind.
//!
//! In: settings, which partitions, whether it is meant. Out: a line for each reader that cannot go on, and where it would;
//! with the word of the operator it does. Never: without that word a change.

use std::time::{Duration, UNIX_EPOCH};

use openim_config::Config;
use openim_host::{Adopting, Adoption};
use openim_record::{LogPartition, place};
use openim_storage::port::wait;

use super::components;
use crate::console;
use crate::line::timestamp;

/// Tells what there is to adopt, and adopts it where `confirmed`. Whether nothing is left to be done.
///
/// # Errors
/// One line of what stands in the way.
pub fn adopt(config: &Config, only: &[LogPartition], confirmed: bool) -> anyhow::Result<bool> {
    let partitions = components::partitions(config);
    if let Some(none) = only.iter().find(|at| at.partition.0 >= partitions) {
        anyhow::bail!("--partition {none}: there are {partitions} of each topic, counted from 0");
    }
    let on = components::open_to_adopt(config)?;
    let adopting = Adopting {
        kafka: on.kafka.clone(),
        history: on.history.clone(),
        archive: on.mysql.archive.clone(),
        partitions,
    };
    let found = wait(adopting.look(only))?;
    let moves = on.move_log(config, false)?;
    for what in &moves {
        console::print(&format!("the cluster's log is another: {what}\n"))?;
    }
    if found.is_empty() && moves.is_empty() {
        console::print("nothing to adopt: every reader of the log can go on where it is\n")?;
        return Ok(true);
    }
    let (mut left, mut adopted) = (0, 0);
    for adoption in &found {
        console::print(&told(adoption))?;
        if !confirmed || adoption.to.is_none() {
            left += 1;
            continue;
        }
        match wait(adopting.adopt(adoption)) {
            Ok(()) => adopted += 1,
            Err(error) => {
                left += 1;
                console::complain(&format!("{} {}: {error}", adoption.reader, adoption.at));
            }
        }
    }
    console::print(&summary(adopted, left, confirmed))?;
    if moves.is_empty() || left > 0 {
        return Ok(left == 0);
    }
    // Of all partitions, not of those alone that were named.
    let is_moved = confirmed && wait(adopting.look(&[]))?.is_empty();
    if is_moved {
        on.move_log(config, true)?;
    }
    console::print(match is_moved {
        true => "processes whose settings have the log that was before are refused from now on\n",
        false => {
            "the cluster keeps the log that it had: it is another when all of it is adopted with --confirm\n"
        }
    })?;
    Ok(is_moved)
}

/// Who cannot go on, why, what is lost, and where it would go on.
fn told(adoption: &Adoption) -> String {
    let Adoption { at, reader, misfit, time_ms, to, .. } = adoption;
    let read = match time_ms {
        0 => "nothing of it was read".to_owned(),
        ms => format!(
            "read up to records of {}",
            timestamp(UNIX_EPOCH + Duration::from_millis(ms.cast_unsigned()))
        ),
    };
    let goes_on = match to {
        Some(to) => format!("adopted, it goes on at {}", place(*to).1),
        None => "it cannot be adopted once more: logs are counted no further".to_owned(),
    };
    format!("{reader} {at}: {misfit}; {read}; {goes_on}\n")
}

fn summary(adopted: usize, left: usize, confirmed: bool) -> String {
    if !confirmed {
        return format!(
            "{left} to adopt; nothing was changed. What was acknowledged and lay in the lost part of the log, and was \
             not stored, is lost, with the copies on their way between partitions. Inboxes keep what they have and go on \
             behind their newest number: none is given again, none is left out. If the lost log can be had back, \
             bring it back instead. To go on without it: the same command with --confirm\n"
        );
    }
    let rest = match left {
        0 => String::new(),
        left => format!(", {left} not: run it again"),
    };
    format!("{adopted} adopted{rest}; running transfers go on within some seconds\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_says_whether_anything_was_changed() {
        let asked = summary(0, 3, false);
        assert!(
            asked.starts_with("3 to adopt; nothing was changed") && asked.contains("--confirm")
        );
        assert!(summary(3, 0, true).starts_with("3 adopted;"));
        assert!(summary(2, 1, true).contains("1 not: run it again"));
    }
}

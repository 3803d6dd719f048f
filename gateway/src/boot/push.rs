//! Offline push as a part of the process: its thread, its ways to the shards, its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use openim_config::Config;
use openim_record::Placement;
use openim_storage::embedded::Begin;

use super::server::join_within;
use super::workers::{Ports, thread};
use crate::driver::Plan;
use crate::metrics::Sources;
use crate::push::{self, Given, Push};

/// The name of its place in the data directory.
const CURSOR: &str = "push";
/// How long the thread may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Its thread, if there is one.
pub(super) struct Running(Option<(JoinHandle<()>, Arc<AtomicBool>)>);

/// Starts it, if anybody is to be told of anything. It asks the shards, which are started after it.
pub(super) fn start(
    config: &Config,
    ports: &Ports,
    placement: Placement,
    plans: &mut [Plan],
    sources: &Sources,
) -> anyhow::Result<Running> {
    let Some(cursors) = ports.cursors.as_ref().filter(|_| push::is_wanted(config)) else {
        return Ok(Running(None));
    };
    let vendors = push::vendors(&config.push)?;
    let cursor = cursors.open(CURSOR, Begin::End).context("offline push cannot begin")?;
    let (ways, ends) = push::ways(u16::try_from(plans.len()).unwrap_or(u16::MAX), placement);
    for (plan, end) in plans.iter_mut().zip(ends) {
        plan.beside.push(end);
    }
    let given = Given {
        cursor,
        ways,
        preferences: Arc::clone(&ports.preferences),
        directory: Arc::clone(&ports.directory),
        history: Arc::clone(&ports.history),
        clock: Arc::clone(&sources.clock),
        hide_content: config.push.hide_content,
        max_age: Duration::from_secs(config.push.max_age_seconds),
        devices_max: config.push.devices_per_user_max,
    };
    let (push, figures, stop) = Push::new(given, vendors, push::options(&config.push));
    sources.parts.add(Arc::new(figures));
    let thread = thread("push", move || push.run())?;
    Ok(Running(Some((thread, stop))))
}

impl Running {
    /// Ends it; whether it did.
    pub(super) fn end(self) -> bool {
        let Some((thread, stop)) = self.0 else { return true };
        stop.store(true, Ordering::Release);
        join_within(thread, END_WITHIN)
    }
}

//! Events for the app's backend as a part of the process: the place in the log, and the thread.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use openim_config::Config;
use openim_storage::embedded::{Begin, Cursors};

use super::workers::thread;
use crate::events::{CURSOR, Events, EventsStatus, Figures};
use crate::metrics::Sources;
use crate::phase::Stage;

/// Starts the thread, if anybody is to be told. It ends when the process drains; the next run goes on from the place that was
/// noted.
pub(super) fn start(
    config: &Config,
    cursors: Option<&Cursors>,
    sources: &Sources,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let webhook = &config.webhook;
    let Some(cursors) = cursors.filter(|_| !webhook.url.is_empty()) else { return Ok(None) };
    let cursor = cursors.open(CURSOR, Begin::End).context("webhook events cannot begin")?;
    let (status, clock) = (Arc::<EventsStatus>::default(), Arc::clone(&sources.clock));
    sources.parts.add(Arc::new(Figures { status: Arc::clone(&status), clock: Arc::clone(&clock) }));
    let phase = Arc::clone(&sources.phase);
    let stops = move || phase.get() >= Stage::Draining;
    let events = Events::new(cursor, webhook.clone(), clock, (status, Box::new(stops)));
    thread("events", move || events.run()).map(Some)
}

//! SIGHUP: log files are opened anew, and the settings are read again.
//!
//! In: the file that the server was started with, and the environment above it. Out: to each shard, as a
//! message, what may change while it runs ([`Live::take`] is the list); in the log, one line for what
//! changed, one for what waits for a restart, or one for what is wrong, and then all stays as it was.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use openim_config::Config;

use crate::advice;
use crate::audit::Event;
use crate::logging::Logging;
use crate::settings::Live;

/// New settings that may wait for a shard, which looks at every tick.
const WAITING_MAX: usize = 4;
/// How long a shard may let them wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a shard's new settings come from.
pub(crate) type Reloads = Receiver<Live>;

/// A way to each of `shards` shards, and its end there.
pub(crate) fn ways(shards: u16) -> (Vec<Sender<Live>>, Vec<Reloads>) {
    (0..shards).map(|_| crossbeam_channel::bounded(WAITING_MAX)).unzip()
}

/// See the module.
pub(crate) struct Reload<'a> {
    pub(crate) file: Option<PathBuf>,
    /// What the server runs with.
    pub(crate) running: Config,
    pub(crate) shards: Vec<Sender<Live>>,
    pub(crate) logging: &'a Logging,
}

impl Reload<'_> {
    /// Reads again, and hands out what may change.
    pub(crate) fn run(&mut self) {
        self.logging.reopen();
        let loaded = match openim_config::load(self.file.as_deref(), openim_config::environment()) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!("SIGHUP: the settings stay as they were: {error}");
                self.logging.audit().note(Event::new("reload", Some(&error.to_string())));
                return;
            }
        };
        if let Some(stop) = advice::stop(&loaded.config) {
            tracing::error!("SIGHUP: the settings stay as they were: {stop}");
            self.logging.audit().note(Event::new("reload", Some(&stop)));
            return;
        }
        let before = self.running.clone();
        Live::take(&mut self.running, &loaded.config);
        let changed = self.running.differing(&before);
        if !changed.is_empty() {
            self.hand_out();
        }
        let level = self.running.log.level;
        if level != before.log.level {
            self.logging.set_level(level);
        }
        let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
        tracing::info!(changed, "SIGHUP: log files are opened anew, settings are read again");
        self.logging.audit().note(Event::new("reload", None).with("changed", changed));
        let waiting = loaded.config.differing(&self.running);
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!("SIGHUP: these settings take effect with a restart only: {keys}");
        }
    }

    fn hand_out(&self) {
        let live = Live::new(&self.running);
        for (shard, way) in self.shards.iter().enumerate() {
            if way.send_timeout(live.clone(), PATIENCE).is_err() {
                tracing::error!(
                    shard,
                    "SIGHUP: a shard is stuck and keeps its settings; try again"
                );
            }
        }
    }
}

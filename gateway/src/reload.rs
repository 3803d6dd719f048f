//! SIGHUP: log files are opened anew, the certificate and the settings are read again.
//!
//! In: the file that the server was started with, and the environment above it. Out: to each shard, as a
//! message, what may change while it runs ([`Live::take`] is the list); in the log, one line for what
//! changed, one for what waits for a restart, or one for what is wrong, and then all stays as it was. A shard
//! that has not looked yet finds the newest settings only: nothing queues, and nobody waits for it.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use openim_config::Config;

use crate::advice;
use crate::audit::Event;
use crate::certificate::Certificates;
use crate::logging::Logging;
use crate::settings::Live;

/// Where a shard's new settings come from; it looks at every tick.
pub(crate) type Reloads = Receiver<Live>;

/// The way of new settings to one shard. One waits at most, the newest.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    to: Sender<Live>,
    /// Takes back what the shard has not taken.
    back: Receiver<Live>,
}

/// A way to each of `shards` shards, and its end there.
pub(crate) fn ways(shards: u16) -> (Vec<Way>, Vec<Reloads>) {
    let way = |_| {
        let (to, taken) = crossbeam_channel::bounded(1);
        (Way { to, back: taken.clone() }, taken)
    };
    (0..shards).map(way).unzip()
}

impl Way {
    /// Puts the newest settings in the place of those that wait.
    fn put(&self, live: &Live) {
        // Only this end puts: one that finds no room finds it when the place was emptied, by whomever.
        while self.to.try_send(live.clone()).is_err() {
            drop(self.back.try_recv());
        }
    }
}

/// See the module.
pub(crate) struct Reload<'a> {
    pub(crate) file: Option<PathBuf>,
    /// What the server runs with.
    pub(crate) running: Config,
    pub(crate) shards: Vec<Way>,
    pub(crate) logging: &'a Logging,
    /// Looked at as well.
    pub(crate) certificates: Option<Arc<Certificates>>,
}

impl Reload<'_> {
    /// Reads again, and hands out what may change.
    pub(crate) fn run(&mut self) {
        self.logging.reopen();
        self.certificates.iter().for_each(|certificates| certificates.look(true));
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
        self.shards.iter().for_each(|way| way.put(&live));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_looks_late_finds_the_newest_settings_only() {
        let (ways, taken) = ways(1);
        for frames_per_second in 1..=100 {
            let mut config = Config::default();
            config.limits.frames_per_second = frames_per_second;
            ways[0].put(&Live::new(&config));
        }
        assert_eq!(taken[0].try_recv().unwrap().frames_per_second, 100);
        assert!(taken[0].try_recv().is_err());
    }
}

//! SIGHUP: log files are opened anew, the certificate and the settings are read again.
//!
//! In: the file that the server was started with, and the environment above it. Out: to each shard, as a
//! message, what may change while it runs ([`Live::take`] is the list); in the log, one line for what
//! changed, one for what waits for a restart, or one for what is wrong, and then all stays as it was. Never waits for
//! a shard, or for who looks at the certificate.

use std::path::PathBuf;

use openim_config::Config;

use crate::advice;
use crate::audit::Event;
use crate::certificate::Ask;
use crate::logging::Logging;
use crate::newest::{Newer, Newest};
use crate::settings::Live;

/// Where a shard's new settings come from; it looks at every tick.
pub(crate) type Reloads = Newer<Live>;

/// See the module.
pub(crate) struct Reload<'a> {
    pub(crate) file: Option<PathBuf>,
    /// What the server runs with.
    pub(crate) running: Config,
    pub(crate) shards: Newest<Live>,
    pub(crate) logging: &'a Logging,
    /// Who looks at the certificate's files, and is to do so now as well.
    pub(crate) certificates: Option<Ask>,
}

impl Reload<'_> {
    /// Reads again, and hands out what may change.
    pub(crate) fn run(&mut self) {
        self.logging.reopen();
        self.certificates.iter().for_each(Ask::look);
        let mut loaded =
            match openim_config::load(self.file.as_deref(), openim_config::environment()) {
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
        if loaded.config.tls.acme.is_on() && self.running.tls.acme.is_on() {
            // It lies where it lay.
            let tls = &self.running.tls;
            loaded.config.tls.cert_file.clone_from(&tls.cert_file);
            loaded.config.tls.key_file.clone_from(&tls.key_file);
        }
        let before = self.running.clone();
        Live::take(&mut self.running, &loaded.config);
        let changed = self.running.differing(&before);
        if !changed.is_empty() {
            self.shards.put(&Live::new(&self.running));
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
}

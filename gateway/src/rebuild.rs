//! The index of the embedded engine made anew: `openim rebuild-index`, and what a running server says of damage there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::bail;
use openim_storage::embedded::{self, EngineFigures, Mend, Options};

use crate::console;
use crate::watched::{Figure, Watched};

/// Makes the index of a data directory anew, and prints what became of it.
///
/// # Errors
/// When a server has the directory, when there is no data, or when neither a base nor the log gives all of it.
pub fn run(data_dir: &Path) -> anyhow::Result<()> {
    let Some(report) = embedded::rebuild_index(data_dir, &Options::default())? else {
        bail!(
            "{}: no data of openim is here; --data-dir is the server's embedded.dataDir",
            data_dir.display()
        );
    };
    console::print(&format!(
        "{}: the index is made anew; the log ends at {}, and the next start takes what inboxes lack from there\n",
        data_dir.display(),
        report.head
    ))?;
    Ok(())
}

/// What is known of damage in the index and in the base.
pub(crate) struct Mending(pub(crate) Arc<Mend>, pub(crate) Arc<EngineFigures>);

impl std::fmt::Debug for Mending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mending").field(&self.0.trouble()).finish()
    }
}

impl Watched for Mending {
    fn missing(&self) -> Vec<String> {
        let line = |(why, lasts): (String, Duration)| {
            let seconds = lasts.as_secs();
            format!("the index takes nothing for {seconds} s, and is opened again: {why}")
        };
        self.0.given_up().map(line).into_iter().collect()
    }

    fn troubles(&self) -> Vec<String> {
        let line = |why| format!("damaged: {why}; a restart makes the index anew");
        let base = self.1.base_trouble().map(|why| format!("base: {why}"));
        self.0.trouble().map(line).into_iter().chain(base).collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        show(Figure::IndexAway, f64::from(u8::from(self.0.given_up().is_some())));
        let taken_up = self.1.index_taken_up.load(Ordering::Relaxed);
        show(Figure::IndexTakenUp, taken_up as f64);
    }
}

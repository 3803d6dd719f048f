//! `openim promote`: has a standby serve.
//!
//! In: the data directory of a standby that runs. The order is a file there, `promote`, which the standby looks for; it is
//! gone when the server serves, or holds why it will not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use openim_storage::embedded::is_in_use;
use openim_storage::embedded::standby::{Note, Stage};

use crate::console;

/// How long the order may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const ORDER: &str = "serve\n";

/// Has the standby of `data_dir` serve, and waits until it does.
///
/// # Errors
/// One line: no standby runs there, or it does not serve, and why.
pub fn run(data_dir: &Path) -> anyhow::Result<()> {
    let place = data_dir.display();
    match Note::read(data_dir)?.map(|note| note.stage) {
        None => bail!("{place}: no standby's data is here; --data-dir is that of openim standby"),
        Some(Stage::Taking) => bail!("{place}: it has not got all of the other server's data yet"),
        Some(Stage::Promoted | Stage::Serving) => {
            console::print(&format!("{place}: it was promoted already\n"))?;
            return Ok(());
        }
        Some(Stage::Following | Stage::Promoting) => {}
    }
    if !is_in_use(data_dir)? {
        bail!("{place}: no standby runs there: start it (openim standby), then promote it");
    }
    let (file, began) = (order(data_dir), Instant::now());
    fs::write(&file, ORDER).with_context(|| format!("cannot write {}", file.display()))?;
    while began.elapsed() < PATIENCE {
        std::thread::sleep(LOOK_EVERY);
        match fs::read_to_string(&file) {
            Ok(text) if text == ORDER || text.is_empty() => {}
            Ok(why) => {
                drop(fs::remove_file(&file));
                bail!("{place}: not promoted: {}", why.trim());
            }
            Err(_) => {
                let seconds = began.elapsed().as_secs_f64();
                console::print(&format!("{place}: promoted, and serving after {seconds:.1} s\n"))?;
                return Ok(());
            }
        }
    }
    // It would come as a surprise later.
    drop(fs::remove_file(&file));
    bail!("{place}: it does not serve yet; look at its log and at /readyz")
}

fn order(data_dir: &Path) -> PathBuf {
    data_dir.join("promote")
}

/// Whether somebody has given the order.
pub(crate) fn is_ordered(data_dir: &Path) -> bool {
    fs::read_to_string(order(data_dir)).is_ok_and(|text| text == ORDER)
}

/// Says why it is not followed.
pub(crate) fn refuse(data_dir: &Path, why: &str) -> anyhow::Result<()> {
    tracing::warn!("not promoted: {why}");
    let file = order(data_dir);
    fs::write(&file, format!("{why}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// The server serves.
pub(crate) fn done(data_dir: &Path) {
    // Nobody ordered it where there is none.
    drop(fs::remove_file(order(data_dir)));
}

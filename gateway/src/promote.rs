//! `openim promote`: has a standby serve.
//!
//! In: the data directory of a standby that runs. The order is a file there, `promote`, which the standby looks for. It takes it
//! by giving it another name, `promoting`, so an order is taken or withdrawn, never both; that is gone when the server serves.
//! An order that is not followed holds why.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use openim_storage::embedded::standby::{Note, Stage};
use openim_storage::embedded::{holder, is_in_use};

use crate::console;
use crate::signals::{Heard, Signals};

/// How long the order may take.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Of an order that nobody can withdraw any more.
const TAKEN: &str =
    "the order was taken, and it does not serve yet; look at its log and at /readyz";

/// What a standby is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To serve in the place of its server.
    Serve,
    /// To serve, though another one was promoted in the place of that.
    ServeToo,
}

impl Order {
    const ALL: [Self; 2] = [Self::Serve, Self::ServeToo];

    const fn text(self) -> &'static str {
        match self {
            Self::Serve => "serve\n",
            Self::ServeToo => "serve, though another one does\n",
        }
    }
}

/// Has the standby of `data_dir` serve, and waits until it does. `force`: also where another server was promoted already.
///
/// # Errors
/// One line: no standby runs there, or it does not serve, and why.
pub fn run(data_dir: &Path, force: bool) -> anyhow::Result<()> {
    let place = data_dir.display();
    match Note::read(data_dir)?.map(|note| note.stage) {
        None => bail!("{place}: no standby's data is here; --data-dir is that of openim standby"),
        Some(Stage::Taking) => bail!("{place}: it has not got all of the other server's data yet"),
        Some(stage) if is_promoted(stage) => return serves_already(data_dir),
        Some(_) => {}
    }
    if !is_in_use(data_dir)? {
        bail!("{place}: no standby runs there: start it (openim standby), then promote it");
    }
    let interrupted = interrupted()?;
    let order = if force { Order::ServeToo } else { Order::Serve };
    let (file, began) = (path(data_dir), Instant::now());
    // Kept open: what the standby writes into it can be read when its names are gone.
    let mut given =
        give(&file, order).with_context(|| format!("cannot write {}", file.display()))?;
    while began.elapsed() < PATIENCE && !interrupted.load(Ordering::Acquire) {
        std::thread::sleep(LOOK_EVERY);
        if file.exists() {
            let text = read(&mut given).unwrap_or_default();
            if text.is_empty() || text == order.text() {
                continue;
            }
            drop(fs::remove_file(&file));
            bail!("{place}: not promoted: {}", text.trim());
        }
        if accepted(data_dir).exists() {
            continue;
        }
        if !Note::read(data_dir)?.is_some_and(|note| is_promoted(note.stage)) {
            bail!(
                "{place}: not promoted: the standby ended; look at its log, start it, and promote it again"
            );
        }
        let seconds = began.elapsed().as_secs_f64();
        let told = read(&mut given).unwrap_or_default();
        let told = Some(told.trim()).filter(|told| *told != order.text().trim());
        let told = told.map(|told| format!("; {told}")).unwrap_or_default();
        console::print(&format!("{place}: promoted, and serving after {seconds:.1} s{told}\n"))?;
        return Ok(());
    }
    // It would come as a surprise later.
    match fs::remove_file(&file) {
        Ok(()) => bail!(
            "{place}: not promoted, and the order is withdrawn: the standby goes on as one; look at its log and at /readyz"
        ),
        Err(_) => bail!("{place}: {TAKEN}"),
    }
}

/// Says that it was promoted before, and waits for one that is about to serve. Of any other that has the directory it is not known
/// what it does: it may be making its index anew, or be a tool.
fn serves_already(data_dir: &Path) -> anyhow::Result<()> {
    let (place, began) = (data_dir.display(), Instant::now());
    let waits = accepted(data_dir).exists();
    while accepted(data_dir).exists() {
        if began.elapsed() >= PATIENCE {
            bail!("{place}: {TAKEN}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // Asked once, and of nobody who is about to begin: the question has the directory to itself for a moment.
    let Some(holder) = holder(data_dir)? else {
        bail!(
            "{place}: it was promoted already, and nothing serves from it: start it (openim serve --data-dir {place}, with its \
             settings)"
        );
    };
    if !waits {
        bail!(
            "{place}: it was promoted already, and is in use by {holder}; whether that serves is told at /readyz of its settings' \
             operators' port"
        );
    }
    console::print(&format!("{place}: it was promoted already, and serves\n"))
}

/// Told when somebody wants this command to end.
fn interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let (mut signals, told) = (Signals::new()?, Arc::clone(&interrupted));
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        // A terminal that is closed is a reason too.
        while !matches!(signals.next(|| false), Heard::Stop | Heard::Reload) {}
        told.store(true, Ordering::Release);
    })?;
    Ok(interrupted)
}

fn give(file: &Path, order: Order) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut given = options.read(true).write(true).create(true).truncate(true).open(file)?;
    given.write_all(order.text().as_bytes())?;
    Ok(given)
}

fn read(given: &mut File) -> io::Result<String> {
    let mut text = String::new();
    given.rewind()?;
    given.read_to_string(&mut text)?;
    Ok(text)
}

const fn is_promoted(stage: Stage) -> bool {
    matches!(stage, Stage::Promoted | Stage::Serving)
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("promote")
}

/// The order, from when it is taken until the server serves.
fn accepted(data_dir: &Path) -> PathBuf {
    data_dir.join("promoting")
}

/// The order that somebody has given.
pub(crate) fn ordered(data_dir: &Path) -> Option<Order> {
    let text = fs::read_to_string(path(data_dir)).ok()?;
    Order::ALL.into_iter().find(|order| order.text() == text)
}

/// Whether somebody has given the order.
pub(crate) fn is_ordered(data_dir: &Path) -> bool {
    ordered(data_dir).is_some()
}

/// Takes the order; `false` when it was withdrawn.
pub(crate) fn accept(data_dir: &Path) -> anyhow::Result<bool> {
    match fs::rename(path(data_dir), accepted(data_dir)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!("not promoted: the order was withdrawn");
            Ok(false)
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot take {}", path(data_dir).display()))
        }
    }
}

/// Says why it is not followed.
pub(crate) fn refuse(data_dir: &Path, why: &str) -> anyhow::Result<()> {
    tracing::warn!("not promoted: {why}");
    let file = path(data_dir);
    fs::write(&file, format!("{why}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// Says to who gave the order what came of it.
pub(crate) fn tell(data_dir: &Path, what: &str) {
    // It was promoted, whether that can be told or not.
    drop(fs::write(accepted(data_dir), format!("{what}\n")));
}

/// Forgets an order that an earlier process took and did not follow.
pub(crate) fn forget_accepted(data_dir: &Path) -> anyhow::Result<()> {
    let file = accepted(data_dir);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// The server serves.
pub(crate) fn done(data_dir: &Path) {
    // Nobody ordered it where there is none.
    drop(fs::remove_file(path(data_dir)));
    drop(fs::remove_file(accepted(data_dir)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever waits for a server to be there is not told that it is.
    #[test]
    fn promoted_before_is_no_success_where_nothing_serves() {
        for stage in [Stage::Promoted, Stage::Serving] {
            let dir = tempfile::tempdir().unwrap();
            let note = Note { of: "http://127.0.0.1:1".to_owned(), stage };
            fs::write(dir.path().join("standby"), note.to_string()).unwrap();
            let told = run(dir.path(), false).unwrap_err().to_string();
            assert!(told.contains("nothing serves from it"), "{told}");
            // Somebody who has the directory may be a tool.
            fs::write(dir.path().join("lock"), "77\n").unwrap();
            let lock = File::open(dir.path().join("lock")).unwrap();
            lock.lock().unwrap();
            let told = run(dir.path(), false).unwrap_err().to_string();
            assert!(told.contains("in use by process 77"), "{told}");
        }
    }
}

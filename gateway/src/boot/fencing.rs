//! Fencing: a server that was replaced says so, and one that was promoted tells the one that it replaced until it has heard.
//!
//! In: what the engine knows. Out: lines, and calls of the other server's operators' port. Never: waited for by anybody.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openim_config::{Config, Secret};
use openim_storage::embedded::standby::{self, Note};
use openim_storage::embedded::{Epochs, Fence};
use parking_lot::Mutex;

use crate::copying::Remote;
use crate::visit::Trust;
use crate::watched::{Figure, Watched};

/// Pause between two calls.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether another server goes on in the place of this one.
pub(super) struct Fenced(pub(super) Arc<Fence>);

impl std::fmt::Debug for Fenced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Fenced").field(&self.0.closed()).finish()
    }
}

impl Watched for Fenced {
    fn missing(&self) -> Vec<String> {
        let line = |why| format!("fenced: {why}; start this one as its standby (openim standby)");
        self.0.closed().map(line).into_iter().collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        show(Figure::Epoch, self.0.epochs().number() as f64);
        show(Figure::Fenced, f64::from(u8::from(self.0.closed().is_some())));
    }
}

/// That the server that was replaced has not heard of it.
#[derive(Debug)]
struct Untold(Mutex<Option<String>>);

impl Watched for Untold {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        self.0.lock().clone().into_iter().collect()
    }

    fn figures(&self, _: &mut dyn FnMut(Figure, f64)) {}
}

/// Tells the server that this one was promoted over, until it has noted it. Gives the part that says how that goes.
///
/// # Errors
/// When the system gives no thread, the note names no address, or `admin.caFile` nobody.
pub(super) fn tell(
    (config, data_dir): (&Config, &Path),
    note: Note,
    secret: Secret,
    epochs: Epochs,
) -> anyhow::Result<Arc<dyn Watched>> {
    let remote = Trust::another(config, None)
        .and_then(|trust| Remote::trusting(trust, &note.of, secret, None))
        .map_err(anyhow::Error::msg)?;
    let untold = Arc::new(Untold(Mutex::new(Some(line(&note.of, "it is asked")))));
    let (told, dir) = (Arc::clone(&untold), data_dir.to_owned());
    let thread = std::thread::Builder::new().name("fence".to_owned());
    thread.spawn(move || keep_telling(remote, &epochs, &dir, &told))?;
    Ok(untold)
}

fn keep_telling(mut remote: Remote, epochs: &Epochs, dir: &Path, told: &Untold) {
    loop {
        match remote.fence(epochs) {
            Ok(()) => break,
            Err(cause) => *told.0.lock() = Some(line(remote.url(), &cause.to_string())),
        }
        std::thread::sleep(AGAIN);
    }
    tracing::info!(of = remote.url(), "the server that this one was promoted over is fenced");
    *told.0.lock() = None;
    if let Err(cause) = standby::is_told(dir) {
        tracing::warn!(%cause, "it is told again after the next start");
    }
}

fn line(of: &str, why: &str) -> String {
    format!("promoted over {of}, which is not fenced yet: {why}")
}

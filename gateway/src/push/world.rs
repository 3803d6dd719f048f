//! What the services' sender is handed in: the clock, chance, and what the server knows of who is told.

use std::rc::Rc;
use std::sync::Arc;

use openim_push::{Answering, Device, Notice, World};
use openim_record::{Seq, UserId};
use openim_storage::port::{self, DeviceChange, Preferences};
use openim_workers::Clock;

use super::Ways;
use crate::driver::Core;

/// See the module.
pub(super) struct Outside {
    pub(super) clock: Arc<Clock>,
    pub(super) ways: Ways,
    pub(super) preferences: Arc<dyn Preferences>,
    pub(super) devices_max: usize,
}

impl World for Outside {
    fn now_ms(&self) -> i64 {
        self.clock.read().unix_ms()
    }

    fn chance(&self) -> u32 {
        let mut bytes = [0; 4];
        // Without it all come at the same time, which is worse and not wrong.
        let _none = getrandom::fill(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn still_away(&self, notice: &Arc<Notice>) -> Answering<bool> {
        let (ways, notice) = (self.ways.clone(), Arc::clone(notice));
        Box::pin(async move {
            let home = ways.home(&notice.uid);
            let question = async move |core: Rc<Core>| core.has_got(&notice.uid, Seq(notice.seq));
            !ways.at(home, question).await.unwrap_or(false)
        })
    }

    fn gone(&self, uid: &str, device: &Device) {
        let Device { platform, vendor, token } = device.clone();
        let change =
            DeviceChange::Forget(UserId::new(uid), port::Device { platform, vendor, token });
        let (preferences, devices_max) = (Arc::clone(&self.preferences), self.devices_max);
        // It waits for the log, which the thread must not.
        tokio::task::spawn_blocking(move || {
            if let Err(cause) = port::wait(preferences.set_devices(&[change], devices_max)) {
                tracing::warn!(%cause, "a device that has the app no more cannot be forgotten now");
            }
        });
    }

    fn complain(&self, line: String) {
        tracing::error!("{line}");
    }
}

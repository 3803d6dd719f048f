//! The app's own staff.

use anyhow::Context as _;
use openim_config::Config;
use openim_record::UserId;
use openim_storage::port::{Directory, StoreError, User, wait};

/// What stands before the reason why they are not registered.
const NOT_REGISTERED: &str = "manager.appManagerUid: cannot register them";

/// Registers the app's own staff where they are not yet (spec, REST 7.5).
pub(super) fn register_managers(
    config: &Config,
    directory: &dyn Directory,
    now_ms: i64,
) -> anyhow::Result<()> {
    register(config, directory, now_ms).context(NOT_REGISTERED)
}

/// The same in a store that is a component, for as long as a start waits for it.
#[cfg(feature = "cluster")]
pub(super) fn register_managers_on(
    components: &super::components::Components,
    config: &Config,
    directory: &dyn Directory,
    now_ms: i64,
) -> anyhow::Result<()> {
    components.patiently(|| register(config, directory, now_ms)).context(NOT_REGISTERED)
}

fn register(config: &Config, directory: &dyn Directory, now_ms: i64) -> Result<(), StoreError> {
    let manager = |(number, uid): (usize, &String)| User {
        uid: UserId::new(uid),
        name: format!("AppManager{number}"),
        icon: String::new(),
        gender: 0,
        mobile: String::new(),
        birth: String::new(),
        email: String::new(),
        ex: String::new(),
        create_ms: now_ms,
    };
    let managers: Vec<User> = (1..).zip(&config.manager.app_manager_uid).map(manager).collect();
    wait(directory.register(&managers)).map(drop)
}

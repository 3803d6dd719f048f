//! The app's own staff.

use anyhow::Context as _;
use openim_config::Config;
use openim_record::UserId;
use openim_storage::port::{Directory, User, wait};

/// Registers the app's own staff where they are not yet (spec, REST 7.5).
pub(super) fn register_managers(
    config: &Config,
    directory: &dyn Directory,
    now_ms: i64,
) -> anyhow::Result<()> {
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
    wait(directory.register(&managers)).context("manager.appManagerUid: cannot register them")?;
    Ok(())
}

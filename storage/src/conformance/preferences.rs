//! What every store of preferences must do.

use super::Wait as _;
use super::ids::{AWKWARD, paged, uid};
use super::{Backend, Sites};
use crate::port::{Device, DeviceChange, PreferenceChange, Preferences};

/// Runs the suite of [`Preferences`].
///
/// # Panics
/// Where the contract is broken.
pub fn preferences(sites: Sites<'_>) {
    options_are_set_changed_and_removed(sites);
    later_changes_of_a_batch_see_earlier_ones(sites);
    a_user_has_a_bounded_number(sites);
    pages_are_in_byte_order(sites);
}

/// Runs the suite of the devices, for an engine that keeps them.
///
/// # Panics
/// Where the contract is broken.
pub fn devices(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { preferences, .. } = site.open();
    let device = |platform: u8, token: &str| Device {
        platform,
        vendor: "fcm".to_owned(),
        token: token.to_owned(),
    };
    let of = |preferences: &dyn Preferences, user: &str| {
        let devices = preferences.devices(&uid(user)).wait().expect("read");
        devices.into_iter().map(|device| device.token).collect::<Vec<_>>()
    };
    let name =
        |user: &str, platform, token: &str| DeviceChange::Name(uid(user), device(platform, token));
    assert!(of(&*preferences, "a").is_empty());
    let batch = [name("a", 1, "x"), name("a", 2, "y"), name("a", 1, "x"), name("ab", 2, "z")];
    preferences.set_devices(&batch, 3).wait().expect("set");
    assert_eq!(
        (of(&*preferences, "a"), of(&*preferences, "ab")),
        (vec!["y".into(), "x".into()], vec!["z".into()])
    );
    drop(preferences);
    let Backend { preferences, .. } = site.open();
    // Another user has it now, and the oldest of more than there may be goes.
    let batch = [name("ab", 2, "y"), name("a", 2, "p"), name("a", 2, "q"), name("a", 5, "r")];
    preferences.set_devices(&batch, 3).wait().expect("set");
    assert_eq!(of(&*preferences, "a"), ["p", "q", "r"]);
    assert_eq!(of(&*preferences, "ab"), ["z", "y"]);
    // What went may be named for somebody else, who loses nothing by what the first one forgets.
    let batch = [
        name("b", 1, "x"),
        DeviceChange::Forget(uid("a"), device(1, "x")),
        DeviceChange::Forget(uid("a"), device(2, "p")),
        DeviceChange::ForgetAll(uid("a"), 5),
    ];
    preferences.set_devices(&batch, 3).wait().expect("set");
    assert_eq!(
        (of(&*preferences, "a"), of(&*preferences, "b")),
        (vec!["q".into()], vec!["x".into()])
    );
    let batch = [DeviceChange::ForgetAll(uid("ab"), 0), DeviceChange::ForgetAll(uid("nobody"), 0)];
    preferences.set_devices(&batch, 3).wait().expect("set");
    assert!(of(&*preferences, "ab").is_empty());
}

fn change(user: &str, conversation: &str, option: i32) -> PreferenceChange {
    PreferenceChange { user: uid(user), conversation: conversation.to_owned(), option }
}

fn get(preferences: &dyn Preferences, user: &str, conversations: &[&str]) -> Vec<i32> {
    let conversations: Vec<_> = conversations.iter().map(|c| (*c).to_owned()).collect();
    preferences.get(&uid(user), &conversations).wait().expect("read")
}

fn options_are_set_changed_and_removed(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { preferences, .. } = site.open();
    let batch = [change("a", "single_b", 1), change("a", "group_g", 2), change("b", "single_a", 1)];
    assert_eq!(preferences.set(&batch, 9).wait().expect("set"), [true; 3]);
    assert!(preferences.set(&[], 9).wait().expect("set").is_empty());
    let conversations = ["group_g", "single_b", "single_B", "single_b", "single_", ""];
    assert_eq!(get(&*preferences, "a", &conversations), [2, 1, 0, 1, 0, 0]);
    let batch = [change("a", "single_b", 2), change("a", "group_g", 0), change("a", "never", 0)];
    assert_eq!(preferences.set(&batch, 9).wait().expect("set"), [true; 3]);
    drop(preferences);
    let Backend { preferences, .. } = site.open();
    assert_eq!(get(&*preferences, "a", &["single_b", "group_g"]), [2, 0]);
    assert_eq!(get(&*preferences, "b", &["single_a", "single_b"]), [1, 0]);
    let all = preferences.all(&uid("a"), None, 9).wait().expect("read");
    assert_eq!(all, [("single_b".to_owned(), 2)]);
}

fn later_changes_of_a_batch_see_earlier_ones(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { preferences, .. } = site.open();
    let batch = [
        change("a", "x", 1),
        change("a", "y", 1),
        change("a", "x", 0),
        change("a", "y", 1),
        change("a", "z", 1),
        change("a", "z", 0),
        change("a", "y", 2),
    ];
    let set = preferences.set(&batch, 1).wait().expect("set");
    assert_eq!(set, [true, false, true, true, false, true, true]);
    assert_eq!(get(&*preferences, "a", &["x", "y", "z"]), [0, 2, 0]);
}

fn a_user_has_a_bounded_number(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { preferences, .. } = site.open();
    for n in 0..5 {
        let set = preferences.set(&[change("a", &format!("c{n}"), 1)], 3).wait().expect("set");
        assert_eq!(set, [n < 3]);
    }
    // Another user has room of their own; what is set can be changed; what goes makes room.
    let batch = [
        change("b", "c4", 1),
        change("a", "c0", 2),
        change("a", "c1", 0),
        change("a", "c1", 0),
        change("a", "c4", 1),
        change("a", "c1", 1),
    ];
    let set = preferences.set(&batch, 3).wait().expect("set");
    assert_eq!(set, [true, true, true, true, true, false]);
    assert_eq!(get(&*preferences, "a", &["c0", "c1", "c2", "c3", "c4"]), [2, 0, 1, 0, 1]);
    assert_eq!(preferences.set(&[change("c", "c0", 1)], 0).wait().expect("set"), [false]);
}

fn pages_are_in_byte_order(sites: Sites<'_>) {
    let mut site = sites();
    let Backend { preferences, .. } = site.open();
    for user in ["a", "a\0", "ab"] {
        let batch: Vec<_> =
            AWKWARD.into_iter().zip(1..17).rev().map(|(id, n)| change(user, id, n)).collect();
        assert_eq!(
            preferences.set(&batch, AWKWARD.len()).wait().expect("set"),
            [true; AWKWARD.len()]
        );
    }
    let expected: Vec<_> = AWKWARD.iter().map(|id| (*id).to_owned()).zip(1..).collect();
    for rows_max in [1, 3, 16, 100] {
        let page = |after: Option<&String>, rows_max| {
            preferences.all(&uid("a"), after.map(String::as_str), rows_max).wait().expect("read")
        };
        let all = paged(rows_max, page, |(conversation, _)| conversation.clone());
        assert_eq!(all, expected);
    }
    let behind = preferences.all(&uid("a"), Some("a\0a"), 2).wait().expect("read");
    assert_eq!(behind, expected[7..9]);
    assert!(preferences.all(&uid("a"), None, 0).wait().expect("read").is_empty());
    assert!(preferences.all(&uid("b"), None, 9).wait().expect("read").is_empty());
    assert_eq!(get(&*preferences, "ab", &["用户", "用"]), [15, 0]);
}

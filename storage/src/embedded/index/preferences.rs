//! Preferences in the index: one row for each conversation that has an option, and how many there are; a user's devices, and
//! whose each is. Pure.
//!
//! ```text
//! 1 user conversation   option
//! 2 user                number of conversations
//! 3 user                (platform, vendor, token)*, the last named last
//! 4 vendor token        user
//! ```

use openim_record::UserId;

use super::row::{Fields, Row, key, take_id};
use crate::port::Device;

const VERSION: u8 = 1;
/// What the keys of all options begin with.
pub(crate) const OPTION: u8 = 1;
const COUNT: u8 = 2;
const DEVICES: u8 = 3;
const OWNER: u8 = 4;

/// What the keys of a user's options begin with; the conversation's bytes follow.
pub(crate) fn options_key(user: &UserId) -> Vec<u8> {
    key(OPTION, user.as_str(), b"")
}

/// Key of one option.
pub(crate) fn option_key(user: &UserId, conversation: &str) -> Vec<u8> {
    key(OPTION, user.as_str(), conversation.as_bytes())
}

/// Whose option, and of which conversation, by what follows [`OPTION`] in its key.
pub(crate) fn take_option_key(rest: &[u8]) -> Option<(String, String)> {
    let (user, conversation) = take_id(rest)?;
    Some((user.to_owned(), std::str::from_utf8(conversation).ok()?.to_owned()))
}

/// Key of the number of a user's options.
pub(crate) fn count_key(user: &UserId) -> Vec<u8> {
    key(COUNT, user.as_str(), b"")
}

pub(crate) fn encode_option(option: i32) -> Vec<u8> {
    Row::new(VERSION).flag(option).done()
}

pub(crate) fn decode_option(row: &[u8]) -> Option<i32> {
    let mut fields = Fields::of(row, VERSION)?;
    let option = fields.flag()?;
    fields.end(option)
}

pub(crate) fn encode_count(count: u32) -> Vec<u8> {
    Row::new(VERSION).number(count.into()).done()
}

pub(crate) fn decode_count(row: &[u8]) -> Option<u32> {
    let mut fields = Fields::of(row, VERSION)?;
    let count = fields.count()?;
    fields.end(count)
}

/// Key of a user's devices.
pub(crate) fn devices_key(user: &UserId) -> Vec<u8> {
    key(DEVICES, user.as_str(), b"")
}

/// Key of whose a device is.
pub(crate) fn owner_key(device: &Device) -> Vec<u8> {
    key(OWNER, &device.vendor, device.token.as_bytes())
}

pub(crate) fn encode_devices(devices: &[Device]) -> Vec<u8> {
    let one = |row: Row, of: &Device| row.byte(of.platform).text(&of.vendor).text(&of.token);
    devices.iter().fold(Row::new(VERSION), one).done()
}

pub(crate) fn decode_devices(row: &[u8]) -> Option<Vec<Device>> {
    let mut fields = Fields::of(row, VERSION)?;
    let mut devices = Vec::new();
    while !fields.is_over() {
        let (platform, vendor, token) = (fields.byte()?, fields.text()?, fields.text()?);
        devices.push(Device { platform, vendor, token });
    }
    Some(devices)
}

pub(crate) fn encode_owner(user: &UserId) -> Vec<u8> {
    Row::new(VERSION).text(user.as_str()).done()
}

pub(crate) fn decode_owner(row: &[u8]) -> Option<UserId> {
    let mut fields = Fields::of(row, VERSION)?;
    let user = UserId::new(&fields.text()?);
    fields.end(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_back_and_damage_is_noticed() {
        assert_eq!(decode_option(&encode_option(-2)), Some(-2));
        assert_eq!(decode_count(&encode_count(70_000)), Some(70_000));
        assert_eq!(decode_option(&encode_count(1)), None);
        assert_eq!(decode_count(&[]), None);
        let device = |platform| Device { platform, vendor: "v".to_owned(), token: "t".to_owned() };
        let devices = [device(1), device(2)];
        let row = encode_devices(&devices);
        assert_eq!(decode_devices(&row), Some(devices.to_vec()));
        assert_eq!(decode_devices(&row[..row.len() - 1]), None);
        let user = UserId::new("ann");
        assert_eq!(decode_owner(&encode_owner(&user)), Some(user));
    }

    #[test]
    fn an_option_lies_among_its_users_options() {
        let (a, b) = (UserId::new("a"), UserId::new("ab"));
        assert!(option_key(&a, "c").starts_with(&options_key(&a)));
        assert!(!option_key(&b, "c").starts_with(&options_key(&a)));
    }
}

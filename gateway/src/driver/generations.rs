//! Which unit of times each device reads: what is learned from its REST calls.
//!
//! Clients of June 2021 read seconds, those from August on nanoseconds, and both keep the times of receipts,
//! pushes and pulls in one column. On the websocket nothing tells them apart; their REST calls do. In:
//! signs in the calls of users at home here. Out: one unit for a device. Never: outlives the process; the
//! published clients call REST when they log in and after each reconnect.

use openim_protocol::reply::TimeUnit;
use openim_record::UserId;
use openim_shard::Cache;

use super::Core;
use crate::bus::Sign;

/// See the module. At most so many users are remembered; who was not heard for longest is forgotten, which
/// does not change links that are open.
pub(crate) struct Generations {
    heard: Cache<Heard>,
    users_max: usize,
}

/// Four bits a platform; those of 0 are of the last call whatever its platform.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Heard(u32);

const KNOWN: u32 = 1;
const NANOSECONDS: u32 = 2;
const SURE: u32 = 4;

impl Heard {
    const fn of(self, platform: u8) -> u32 {
        (self.0 >> shift(platform)) & 0xf
    }

    const fn unit(self, platform: u8) -> Option<TimeUnit> {
        let bits = match self.of(platform) {
            0 => self.of(0),
            bits => bits,
        };
        match bits {
            0 => None,
            bits if bits & NANOSECONDS != 0 => Some(TimeUnit::Nanoseconds),
            _ => Some(TimeUnit::Seconds),
        }
    }

    fn note(&mut self, platform: u8, sign: Sign) {
        if self.of(platform) & SURE != 0 && !sign.sure {
            return;
        }
        let nanoseconds = if sign.unit == TimeUnit::Nanoseconds { NANOSECONDS } else { 0 };
        let bits = KNOWN | nanoseconds | if sign.sure { SURE } else { 0 };
        self.forget(platform);
        self.0 |= bits << shift(platform);
    }

    const fn forget(&mut self, platform: u8) {
        self.0 &= !(0xf << shift(platform));
    }
}

/// A platform that is none counts as 0.
const fn shift(platform: u8) -> u32 {
    (if platform > 7 { 0 } else { platform as u32 }) * 4
}

impl Generations {
    pub(crate) fn new(users_max: usize) -> Self {
        Self { heard: Cache::new(), users_max: users_max.max(1) }
    }

    /// The unit that a device reads, if it is known: by its own calls, or else by the user's last one.
    pub(crate) fn unit(&self, uid: &str, platform: u8) -> Option<TimeUnit> {
        self.heard.get(uid)?.unit(platform)
    }

    /// Takes a sign in; whether it changes anything.
    pub(crate) fn note(&mut self, uid: &UserId, sign: Sign) -> bool {
        if !self.heard.contains(uid.as_str()) {
            self.heard.insert(uid, Heard::default(), self.users_max, |_, _| true, |_, _| ());
        }
        let Some(heard) = self.heard.get_mut(uid.as_str()) else { return false };
        let before = *heard;
        heard.note(sign.platform, sign);
        heard.note(0, sign);
        *heard != before
    }

    /// The device signs in anew: perhaps with another client.
    pub(crate) fn forget(&mut self, uid: &str, platform: u8) {
        if let Some(heard) = self.heard.get_mut(uid) {
            heard.forget(platform);
            heard.forget(0);
        }
    }

    /// Users remembered.
    pub(crate) fn len(&self) -> usize {
        self.heard.len()
    }
}

impl Core {
    /// The unit of times for a device of a user at home here.
    pub(crate) fn unit_of(&self, uid: &str, platform: u8) -> TimeUnit {
        self.known_unit(uid, platform).unwrap_or(TimeUnit::Seconds)
    }

    /// The same, if it is configured or known.
    pub(crate) fn known_unit(&self, uid: &str, platform: u8) -> Option<TimeUnit> {
        self.settings.wire.time_unit.or_else(|| self.generations.borrow().unit(uid, platform))
    }

    /// Takes in what a call of a user at home here says of the device; its link gets that unit at once.
    pub(crate) fn learn(&self, uid: &UserId, sign: Sign) {
        if self.settings.wire.time_unit.is_some() || !self.generations.borrow_mut().note(uid, sign)
        {
            return;
        }
        let shard = self.shard.borrow();
        for (id, platform) in shard.front().links_of(uid.as_str()) {
            let unit = self.unit_of(uid.as_str(), platform);
            if let Some(link) = self.io.borrow_mut().link(id) {
                link.unit = unit;
            }
        }
    }

    /// A device signs in anew, perhaps with another client. Its link, if it has one, stays as it is.
    pub(crate) fn unlearn(&self, uid: &str, platform: u8) {
        self.generations.borrow_mut().forget(uid, platform);
    }

    /// Users whose generation is remembered here.
    pub(crate) fn generations_len(&self) -> usize {
        self.generations.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeUnit::{Nanoseconds, Seconds};

    fn sign(platform: u8, unit: TimeUnit, sure: bool) -> Sign {
        Sign { platform, unit, sure }
    }

    #[test]
    fn each_platform_has_its_own_unit_and_the_last_call_speaks_for_the_rest() {
        let (mut generations, ann) = (Generations::new(10), UserId::new("ann"));
        assert_eq!(generations.unit("ann", 1), None);
        assert!(generations.note(&ann, sign(1, Seconds, true)));
        assert!(generations.note(&ann, sign(5, Nanoseconds, true)));
        assert!(!generations.note(&ann, sign(5, Nanoseconds, true)));
        let units = [1, 5, 7].map(|platform| generations.unit("ann", platform));
        assert_eq!(units, [Some(Seconds), Some(Nanoseconds), Some(Nanoseconds)]);
        assert_eq!(generations.unit("bob", 1), None);
    }

    #[test]
    fn what_is_sure_holds_until_the_next_login() {
        let (mut generations, ann) = (Generations::new(10), UserId::new("ann"));
        generations.note(&ann, sign(1, Nanoseconds, false));
        assert_eq!(generations.unit("ann", 1), Some(Nanoseconds));
        generations.note(&ann, sign(1, Seconds, true));
        generations.note(&ann, sign(1, Nanoseconds, false));
        assert_eq!(generations.unit("ann", 1), Some(Seconds));
        generations.forget("ann", 1);
        assert_eq!(generations.unit("ann", 1), None);
        generations.note(&ann, sign(1, Nanoseconds, false));
        assert_eq!(generations.unit("ann", 1), Some(Nanoseconds));
    }

    #[test]
    fn users_are_bounded_and_odd_platforms_harmless() {
        let mut generations = Generations::new(10);
        for number in 0..1_000 {
            let uid = UserId::new(&format!("u{number}"));
            generations.note(&uid, sign(250, Seconds, true));
        }
        assert!(generations.len() <= 10, "{}", generations.len());
    }
}

//! The identity of a message: what makes two sends the same send (law L4).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Digest of (sendID, sessionType, recvID, clientMsgID).
///
/// 128 bits of SHA-256: clients choose the ids, so the digest must resist chosen inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey(pub u128);

impl MessageKey {
    /// Largest server message id in bytes (the key column of the original's chat log).
    pub const SERVER_ID_BYTES_MAX: usize = 128;

    /// The key of one send.
    #[must_use]
    pub fn new(send_id: &str, session_type: i32, recv_id: &str, client_msg_id: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [send_id, recv_id] {
            // The length keeps ("ab", "c") apart from ("a", "bc").
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(session_type.to_le_bytes());
        hash.update(client_msg_id.as_bytes());
        let digest = hash.finalize();
        let mut half = [0_u8; 16];
        half.copy_from_slice(&digest[..16]);
        Self(u128::from_le_bytes(half))
    }

    /// Appends the `serverMsgID` of this message to `out`.
    ///
    /// The original's printable `time-uid-number` form is kept (spec, websocket D30), but every part
    /// follows from the key, so that each gateway gives a retried send the same id without asking
    /// anybody. The time part is therefore the constant epoch: it is a shape, not a clock.
    /// The uid is cut to keep the id within [`Self::SERVER_ID_BYTES_MAX`].
    pub fn write_server_id(self, send_id: &str, out: &mut String) {
        const STAMP: &str = "1970-01-01 00:00:00-";
        const NUMBER_BYTES_MAX: usize = 19;
        let room = Self::SERVER_ID_BYTES_MAX - STAMP.len() - 1 - NUMBER_BYTES_MAX;
        out.push_str(STAMP);
        out.push_str(&send_id[..send_id.floor_char_boundary(room)]);
        // 63 bits, non-negative as in the original.
        let number = (self.0 & u128::from(u64::MAX >> 1)) as u64;
        let _infallible = write!(out, "-{number}");
    }

    /// The `serverMsgID` as an owned string; see [`Self::write_server_id`].
    #[must_use]
    pub fn server_id(self, send_id: &str) -> String {
        let mut out = String::with_capacity(Self::SERVER_ID_BYTES_MAX);
        self.write_server_id(send_id, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let base = MessageKey::new("alice", 1, "bob", "m1");
        assert_eq!(base, MessageKey::new("alice", 1, "bob", "m1"));
        for other in [
            MessageKey::new("alic", 1, "ebob", "m1"),
            MessageKey::new("alice", 2, "bob", "m1"),
            MessageKey::new("alice", 1, "bo", "m1"),
            MessageKey::new("alice", 1, "bob", "m2"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_server_id_keeps_its_form_and_bound() {
        let id = MessageKey(u128::MAX).server_id("alice");
        assert_eq!(id, "1970-01-01 00:00:00-alice-9223372036854775807");
        let long = MessageKey(u128::MAX).server_id(&"用".repeat(64));
        assert!(long.len() <= MessageKey::SERVER_ID_BYTES_MAX, "{}", long.len());
    }
}

//! Why a link ends: the websocket close codes, and the texts the server sends with them.
//!
//! Numbers and texts are wire format. In: a reason. Out: the code and text of the close frame.

/// The close codes of RFC 6455 (and its registry) that this server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The exchange is complete.
    Normal = 1000,
    /// The server is going away; the client should reconnect, to any node.
    GoingAway = 1001,
    /// The peer broke the framing rules.
    Protocol = 1002,
    /// A text message or a close reason is not UTF-8.
    InvalidText = 1007,
    /// A rule of this server ended the link: too slow a receiver, or a newer login.
    Policy = 1008,
    /// A message exceeds the size limit.
    TooBig = 1009,
    /// The server failed.
    Internal = 1011,
}

impl CloseCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// Why a link ends: what the client is told, what is counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// A newer link of the same user and platform took over; it gets the kick notice first.
    Replaced,
    /// Its token was superseded by that of a login on platform `by`; it gets the kick notice first.
    Superseded {
        /// 1 to 7.
        by: u8,
    },
    /// Its token was ended by a manager, or its user deleted; it gets the kick notice first.
    LoggedOut,
    /// Its user was banned; it gets the kick notice first.
    Banned,
    /// Its token has expired.
    TokenExpired,
    /// More is waiting for it than `limits.outboxBytesMax`; it pulls by seq after reconnecting.
    OutboxFull,
    /// The socket took nothing for `limits.writeStallSeconds`; it pulls by seq after reconnecting.
    WriteStalled,
    /// A frame or message that had begun was not whole in time.
    Unfinished,
    /// It answered no ping.
    Dead,
    /// The peer closed it, or the connection broke: nobody is told.
    Peer,
    /// The peer broke the framing rules.
    Protocol,
    /// The peer sent text that is not UTF-8.
    InvalidText,
    /// The peer sent a message over the limit.
    TooBig,
    /// The server stops.
    Draining,
    /// The server failed.
    Internal,
}

/// The platform that is named where a manager ended a link: Web, and to links there Windows.
const MANAGERS_PLATFORMS: [u8; 2] = [5, 3];

impl CloseReason {
    /// The names of all, as metrics and logs have them.
    pub const NAMES: [&'static str; 14] = [
        "replaced",
        "superseded",
        "logged_out",
        "banned",
        "token_expired",
        "outbox_full",
        "write_stalled",
        "unfinished",
        "dead",
        "peer",
        "protocol",
        "too_big",
        "drain",
        "internal",
    ];

    /// Its place among the names. Text that is no text breaks the protocol.
    pub const fn index(self) -> usize {
        match self {
            Self::Replaced => 0,
            Self::Superseded { .. } => 1,
            Self::LoggedOut => 2,
            Self::Banned => 3,
            Self::TokenExpired => 4,
            Self::OutboxFull => 5,
            Self::WriteStalled => 6,
            Self::Unfinished => 7,
            Self::Dead => 8,
            Self::Peer => 9,
            Self::Protocol | Self::InvalidText => 10,
            Self::TooBig => 11,
            Self::Draining => 12,
            Self::Internal => 13,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// Whether its peer did not take what waited for it.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::OutboxFull | Self::WriteStalled)
    }

    /// For a link that gets the kick notice: on which platform is who ended it; `own` is the link's.
    #[must_use]
    pub const fn kicked_by(self, own: u8) -> Option<u8> {
        match self {
            Self::Replaced => Some(own),
            Self::Superseded { by } => Some(by),
            // Nobody logged in, but clients of October 2021 take a notice of their own platform, or of none,
            // for a copy of something that they sent themselves.
            Self::LoggedOut | Self::Banned => {
                let [usual, other] = MANAGERS_PLATFORMS;
                Some(if own == usual { other } else { usual })
            }
            _ => None,
        }
    }

    /// The close code a client sees.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Draining => CloseCode::GoingAway,
            Self::Replaced
            | Self::Superseded { .. }
            | Self::LoggedOut
            | Self::Banned
            | Self::TokenExpired
            | Self::OutboxFull
            | Self::WriteStalled
            | Self::Unfinished
            | Self::Dead => CloseCode::Policy,
            Self::Protocol => CloseCode::Protocol,
            Self::InvalidText => CloseCode::InvalidText,
            Self::TooBig => CloseCode::TooBig,
            Self::Internal => CloseCode::Internal,
            Self::Peer => CloseCode::Normal,
        }
    }

    /// The reason text a client sees.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Draining => "server is going away",
            Self::Replaced | Self::Superseded { .. } => "superseded by a newer login",
            Self::LoggedOut => "logged out by the server",
            Self::Banned => "banned",
            Self::TokenExpired => "token expired",
            Self::OutboxFull | Self::WriteStalled => "receiver too slow, pull by seq",
            Self::Unfinished => "message not finished in time",
            Self::Dead => "pings unanswered",
            Self::Protocol => "protocol error",
            Self::InvalidText => "invalid UTF-8",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::Peer => "closed by the peer",
        }
    }
}

/// Whether a peer may put `code` into a close frame.
///
/// 1004, 1005, 1006 and 1015 are reserved for local use; the rest below 3000 must be registered;
/// 3000 to 4999 belong to libraries and applications.
pub const fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    use CloseReason as R;

    const ALL: [CloseReason; 15] = [
        R::Replaced,
        R::Superseded { by: 1 },
        R::LoggedOut,
        R::Banned,
        R::TokenExpired,
        R::OutboxFull,
        R::WriteStalled,
        R::Unfinished,
        R::Dead,
        R::Peer,
        R::Protocol,
        R::InvalidText,
        R::TooBig,
        R::Draining,
        R::Internal,
    ];

    #[test]
    fn every_reason_sends_a_code_that_a_peer_accepts_and_a_text_that_fits() {
        for reason in ALL {
            assert!(may_be_received(reason.code().number()), "{reason:?}");
            assert!(!reason.text().is_empty() && reason.text().len() <= 123, "{reason:?}");
        }
    }

    #[test]
    fn every_name_is_that_of_a_reason() {
        let used: std::collections::BTreeSet<_> = ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(used, R::NAMES.into_iter().collect());
    }

    #[test]
    fn reserved_and_unregistered_codes_are_not_acceptable() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
            assert!(!may_be_received(code), "{code}");
        }
    }
}

//! Why a link ends: the websocket close codes, and the texts the server sends with them.
//!
//! Numbers and texts are wire format. In: a cause. Out: the code and text of the close frame.

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
    /// The server is overloaded; the client should come back later.
    TryAgainLater = 1013,
}

impl CloseCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// Every cause for which the server itself ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// The process drains before it stops.
    Draining,
    /// A newer link of the same uid and platform took over, or the token was superseded.
    Superseded,
    /// A manager ended the link's token, or deleted its user.
    LoggedOut,
    /// The link's user was banned.
    Banned,
    /// The link's token has expired.
    Expired,
    /// The receiver did not take its pending bytes in time; it pulls by seq after reconnecting.
    SlowReceiver,
    /// A frame or message that had begun was not whole in time.
    Unfinished,
    /// Two pings went unanswered.
    Silent,
    /// The peer broke the framing rules.
    Protocol,
    /// The peer sent text that is not UTF-8.
    InvalidText,
    /// The peer sent a message over the limit.
    TooBig,
    /// The server failed.
    Internal,
    /// The server has no room for this link now.
    Overloaded,
}

impl CloseCause {
    /// Every cause, for tables of metrics and tests.
    pub const ALL: [Self; 13] = [
        Self::Draining,
        Self::Superseded,
        Self::LoggedOut,
        Self::Banned,
        Self::Expired,
        Self::SlowReceiver,
        Self::Unfinished,
        Self::Silent,
        Self::Protocol,
        Self::InvalidText,
        Self::TooBig,
        Self::Internal,
        Self::Overloaded,
    ];

    /// The close code a client sees for this cause.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::Draining => CloseCode::GoingAway,
            Self::Superseded
            | Self::LoggedOut
            | Self::Banned
            | Self::Expired
            | Self::SlowReceiver
            | Self::Unfinished
            | Self::Silent => CloseCode::Policy,
            Self::Protocol => CloseCode::Protocol,
            Self::InvalidText => CloseCode::InvalidText,
            Self::TooBig => CloseCode::TooBig,
            Self::Internal => CloseCode::Internal,
            Self::Overloaded => CloseCode::TryAgainLater,
        }
    }

    /// The reason text a client sees for this cause.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Draining => "server is going away",
            Self::Superseded => "superseded by a newer login",
            Self::LoggedOut => "logged out by the server",
            Self::Banned => "banned",
            Self::Expired => "token expired",
            Self::SlowReceiver => "receiver too slow, pull by seq",
            Self::Unfinished => "message not finished in time",
            Self::Silent => "pings unanswered",
            Self::Protocol => "protocol error",
            Self::InvalidText => "invalid UTF-8",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::Overloaded => "overloaded, try again later",
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

    #[test]
    fn every_cause_sends_a_code_that_a_peer_accepts_and_a_text_that_fits() {
        for cause in CloseCause::ALL {
            assert!(may_be_received(cause.code().number()), "{cause:?}");
            assert!(!cause.text().is_empty() && cause.text().len() <= 123, "{cause:?}");
        }
    }

    #[test]
    fn reserved_and_unregistered_codes_are_not_acceptable() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
            assert!(!may_be_received(code), "{code}");
        }
    }
}

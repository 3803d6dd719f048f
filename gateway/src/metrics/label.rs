//! The label values, as types: a value that is not listed cannot be counted.

use openim_protocol::close::CloseReason;
use openim_protocol::errcode::ErrCode;
use openim_record::Pair;
use openim_shard::Became;

/// A label with a fixed set of values.
pub trait Label: Copy {
    /// The label's name.
    const KEY: &'static str;
    /// Every value, in the order of [`Label::index`].
    const VALUES: &'static [&'static str];
    /// The place of this value.
    fn index(self) -> usize;
}

macro_rules! label {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, $key:literal {
            $( $(#[$value_meta:meta])* $value:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$value_meta])* $value, )*
        }

        impl $name {
            /// How many values there are.
            pub const COUNT: usize = [$($text),*].len();
        }

        impl Label for $name {
            const KEY: &'static str = $key;
            const VALUES: &'static [&'static str] = &[$($text),*];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

/// Why a link ended.
impl Label for CloseReason {
    const KEY: &'static str = "reason";
    const VALUES: &'static [&'static str] = &Self::NAMES;

    fn index(self) -> usize {
        Self::index(self)
    }
}

/// Which accounts.
impl Label for Pair {
    const KEY: &'static str = "account";
    const VALUES: &'static [&'static str] = &Self::NAMES;

    fn index(self) -> usize {
        self as usize
    }
}

/// What became of a delivery.
impl Label for Became {
    const KEY: &'static str = "became";
    const VALUES: &'static [&'static str] = &Self::NAMES;

    fn index(self) -> usize {
        self as usize
    }
}

label! {
    /// Whether a link got a delivery at once.
    pub enum Reached, "reached" {
        /// A link of the user at least.
        Pushed = "pushed",
        /// Nobody was there: it waits until it is pulled.
        Waiting = "waiting",
    }
}

label! {
    /// The status a handshake was refused with.
    pub enum RefusedWith, "status" {
        /// Not an upgrade.
        BadRequest = "400",
        /// Bad credentials.
        Unauthorized = "401",
        /// Not GET.
        MethodNotAllowed = "405",
        /// A head over its limit.
        HeadTooLarge = "431",
        /// At a limit, or stopping.
        Unavailable = "503",
    }
}

label! {
    /// How a handshake of TLS came out.
    pub enum TlsHandshake, "kind" {
        /// With a signature of the certificate's key.
        Full = "full",
        /// By a ticket of an earlier one.
        Resumed = "resumed",
    }
}

label! {
    /// Why there was no TLS with a client.
    pub enum TlsFailed, "reason" {
        /// It began without TLS.
        Plain = "plain",
        /// It knows no version or cipher that is spoken here.
        NothingInCommon = "nothing_in_common",
        /// It did not want to go on: most often it does not trust the certificate.
        Refused = "refused",
        /// What it sent is no TLS.
        Malformed = "malformed",
        /// It went away.
        Gone = "gone",
        /// It took too long.
        Slow = "slow",
        /// This server could not begin.
        Unready = "unready",
    }
}

label! {
    /// Why nobody got a token.
    pub enum LoginFailed, "reason" {
        /// The `secret` of the call is wrong.
        Secret = "secret",
        /// Nobody of that uid is registered.
        UnknownUser = "unknown_user",
        /// Somebody of that uid is registered already.
        Registered = "registered",
        /// The body is not what the route wants.
        Malformed = "malformed",
        /// The address has given too many wrong secrets.
        Slowed = "slowed",
        /// The server could not.
        Unavailable = "unavailable",
        /// The user is banned.
        Banned = "banned",
        /// A rule forbids it.
        Forbidden = "forbidden",
    }
}

impl LoginFailed {
    /// Why, by the condition that the client was told.
    pub(crate) fn of(code: Option<ErrCode>) -> LoginFailed {
        match code {
            Some(ErrCode::NotAuthorized) => LoginFailed::Secret,
            Some(ErrCode::UnknownUser) => LoginFailed::UnknownUser,
            Some(ErrCode::AlreadyRegistered) => LoginFailed::Registered,
            Some(ErrCode::Binding) => LoginFailed::Malformed,
            Some(ErrCode::Banned) => LoginFailed::Banned,
            Some(ErrCode::Unavailable) => LoginFailed::Unavailable,
            _ => LoginFailed::Forbidden,
        }
    }
}

label! {
    /// What was waited for too long.
    pub enum Waited, "kind" {
        /// A user's state.
        Load = "load",
        /// An answer of the directory.
        Question = "question",
        /// A change of the directory.
        Change = "change",
        /// Records of an inbox.
        Pull = "pull",
        /// The turn to change a group, or to load it.
        Turn = "turn",
        /// Room in the ring to another shard.
        Room = "room",
        /// An operation at a user's or a group's home, which goes on.
        Call = "call",
    }
}

label! {
    /// What a frame asked for.
    pub enum RequestKind, "kind" {
        /// The newest seq (1001).
        Newest = "newest",
        /// Messages by seq (1002).
        Pull = "pull",
        /// A send (1003).
        Send = "send",
        /// Nothing that could be read, authorised or known.
        Bad = "bad",
    }
}

label! {
    /// What came of asking for a credential of an object store.
    pub enum CredentialOutcome, "outcome" {
        /// There is one.
        Issued = "issued",
        /// The service said no.
        Refused = "refused",
        /// It did not answer in time.
        Unreachable = "unreachable",
        /// It answered what is no answer.
        Malformed = "malformed",
    }
}

label! {
    /// What came of asking the app's backend about a message.
    pub enum CallbackOutcome, "outcome" {
        /// It let it be.
        Allowed = "allowed",
        /// It gave another content.
        Changed = "changed",
        /// It refused it.
        Refused = "refused",
        /// It cannot be reached.
        Unreachable = "unreachable",
        /// It did not answer in time.
        Late = "late",
        /// It answered what is no answer.
        Malformed = "malformed",
        /// So many questions were under way that this one had no place in time.
        NoPlace = "no_place",
    }
}

macro_rules! rest_routes {
    ($( $path:literal, $route:ident, $name:literal, $guard:ident, $handler:path; )*) => {
        label! {
            /// The REST route that was called.
            pub enum RestRoute, "route" {
                $( #[doc = $path] $route = $name, )*
                /// Everything else: preflights, the description, unknown paths.
                Other = "other",
            }
        }
    };
}

crate::routes::routes!(rest_routes);

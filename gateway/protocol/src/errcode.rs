//! Every `errCode` a client can meet: one table with number, class, retry advice and HTTP status.
//!
//! In: a condition by name. Out: its row. Numbers are wire format: they are never reused or
//! renumbered, and retired ones stay listed. The same number can mean two things, because the
//! original's websocket and REST sides numbered theirs apart; [`Entry::surface`] tells them apart.

/// Where a code can appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// In websocket frames only.
    Websocket,
    /// In REST answers only.
    Rest,
    /// In both.
    Both,
    /// Nowhere: listed so that the number is not given away again.
    Retired,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nobody.
    Success,
    /// The client's author: the request itself is wrong.
    Request,
    /// The user: log in again, or ask for permission.
    Access,
    /// Nobody: the request was sound, and a rule or the present state refuses it.
    Rule,
    /// The operator.
    Server,
}

/// What repeating the same request can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same answer again.
    Never,
    /// Success, once a new token has been fetched.
    AfterLogin,
    /// Success, after a pause; sends should keep their `clientMsgID`.
    Later,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number on the wire.
    pub number: i32,
    /// The text where the caller has none of its own.
    pub text: &'static str,
    /// Where it appears.
    pub surface: Surface,
    /// Who has to act.
    pub class: Class,
    /// Whether repeating helps.
    pub retry: Retry,
    /// The status of a REST answer that carries it.
    pub http_status: u16,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $surface:ident, $class:ident, $retry:ident, $http:literal;)*) => {
        /// A condition that is reported to clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrCode { $($(#[$doc])* $name,)* }

        impl ErrCode {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The row of the table.
            #[must_use]
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$name => Entry {
                        number: $number,
                        text: $text,
                        surface: Surface::$surface,
                        class: Class::$class,
                        retry: Retry::$retry,
                        http_status: $http,
                    },)*
                }
            }

            /// The name in this table, for logs and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

codes! {
    /// Done.
    Ok = 0, "", Both, Success, Never, 200;
    /// The stored messages could not be read; nothing is known about the range.
    PullFailed = 1, "messages cannot be read now", Both, Server, Later, 200;
    /// The user database failed.
    Database = 100, "", Rest, Server, Later, 200;
    /// The original's MongoDB code.
    Mongo = 110, "", Retired, Server, Later, 200;
    /// The original's Redis code.
    Redis = 120, "", Retired, Server, Later, 200;
    /// The frame is not a JSON envelope.
    BadFrame = 200, "frame is not a JSON envelope", Websocket, Request, Never, 400;
    /// The token of a `/friend` or `/user` call is not valid.
    ParseToken = 200, "Parse token failed", Rest, Access, AfterLogin, 200;
    /// A required envelope field is missing or empty.
    BadEnvelope = 201, "envelope field missing", Websocket, Request, Never, 400;
    /// The original's code for a token that could not be made.
    CreateToken = 201, "Create token failed", Retired, Server, Later, 200;
    /// The frame's token is not valid, or not the sender's.
    TokenRefused = 202, "token validate err", Websocket, Access, AfterLogin, 400;
    /// A value in `data` has the wrong type or range, or names a kind of session that does not exist.
    DataType = 203, "data has a wrong type", Websocket, Request, Never, 400;
    /// A required value in `data` is missing or empty, or an id is not one.
    DataMissing = 204, "data field missing", Websocket, Request, Never, 400;
    /// The original's configuration key error.
    KeyError = 300, "key error", Retired, Server, Never, 200;
    /// A REST body that cannot be bound to its route.
    Binding = 400, "bad request", Rest, Request, Never, 400;
    /// The token of a `/chat` call is not valid, or not the sender's.
    ChatToken = 400, "token validate err", Rest, Access, AfterLogin, 400;
    /// The `secret` of an `/auth` call is not the server's.
    NotAuthorized = 401, "not authorized", Rest, Access, Never, 400;
    /// The server cannot do it now: overload, a full disk, a store or a peer that does not answer.
    Unavailable = 500, "server cannot process this now", Both, Server, Later, 500;
    /// The uid is taken.
    AlreadyRegistered = 500, "The account is already registered and cannot be registered again", Rest, Rule, Never, 500;
    /// No user has this uid.
    UnknownUser = 500, "user is not registered", Rest, Rule, Never, 500;
    /// Registration failed; 500 is sent in its place.
    Registration = 600, "User registration failed", Retired, Server, Later, 200;
    /// Registered already; 500 is sent in its place, as clients of the original know it.
    Registered = 601, "The account is already registered and cannot be registered again", Retired, Rule, Never, 200;
    /// The original's password error.
    Password = 602, "User password error", Retired, Access, Never, 200;
    /// The original's invalid token.
    InvalidToken = 603, "Invalid token", Retired, Access, AfterLogin, 200;
    /// The original's expired token.
    ExpiredToken = 604, "Expired token", Retired, Access, AfterLogin, 200;
    /// The original's refresh failure.
    RefreshToken = 605, "Failed to refresh token", Retired, Server, Later, 200;
    /// A friend request or friendship could not be recorded.
    AddFriend = 606, "Failed to add friends", Rest, Rule, Never, 200;
    /// There is no friend request to agree to.
    AgreeFriend = 607, "Failed to agree application", Rest, Rule, Never, 200;
    /// The original's blacklist failure.
    AddBlacklist = 608, "Failed to add friends to the blacklist", Retired, Server, Later, 200;
    /// The blacklist could not be read.
    GetBlacklist = 609, "Failed to get blacklist", Rest, Server, Later, 200;
    /// The original's unfriend failure.
    DeleteFriend = 610, "Failed to delete friend", Retired, Server, Later, 200;
    /// The original's application list failure.
    FriendApplications = 611, "Failed to get friend application list", Retired, Server, Later, 200;
    /// The original's friend list failure.
    FriendList = 612, "Failed to get friend list", Retired, Server, Later, 200;
    /// The original's blacklist removal failure.
    RemoveBlacklist = 613, "Failed to remove blacklist", Retired, Server, Later, 200;
    /// The user looked for does not exist, or cannot be read.
    FindUser = 614, "Failed to find user information", Rest, Rule, Never, 200;
    /// Unnamed in the original.
    Unnamed = 615, "", Retired, Server, Never, 200;
    /// A profile could not be changed.
    UpdateUser = 616, "update user some attribute failed", Rest, Server, Later, 200;
    /// A friend's comment could not be changed.
    SetFriendComment = 617, "set friend comment failed", Rest, Server, Later, 200;
    /// `get_user_info` without uids.
    UidListNil = 999, "uidList is nil", Rest, Request, Never, 200;
}

impl ErrCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.entry().number
    }

    /// The text to send where the caller has none of its own.
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.entry().text
    }

    /// The status of a REST answer that carries it.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.entry().http_status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_unambiguous() {
        for pair in ErrCode::ALL.windows(2) {
            assert!(pair[0].number() <= pair[1].number(), "{} is out of order", pair[1].name());
        }
        for (index, code) in ErrCode::ALL.iter().enumerate() {
            for other in &ErrCode::ALL[..index] {
                assert_ne!(code.name(), other.name());
            }
        }
    }

    #[test]
    fn websocket_numbers_are_the_original_ones() {
        let expected = [
            (ErrCode::BadFrame, 200),
            (ErrCode::BadEnvelope, 201),
            (ErrCode::TokenRefused, 202),
            (ErrCode::DataType, 203),
            (ErrCode::DataMissing, 204),
            (ErrCode::Unavailable, 500),
        ];
        for (code, number) in expected {
            assert_eq!(code.number(), number);
        }
        assert_eq!(ErrCode::TokenRefused.text(), "token validate err");
    }
}

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
    /// The token of a `/friend` or `/user` call, or of most `/group` and `/manager` calls, is not valid.
    ParseToken = 200, "Parse token failed", Rest, Access, AfterLogin, 200;
    /// A message of content type 509 whose content does not say who was removed.
    KickTip = 200, "the content of a kick notice is not readable", Both, Request, Never, 200;
    /// A required envelope field is missing or empty.
    BadEnvelope = 201, "envelope field missing", Websocket, Request, Never, 400;
    /// The original's code for a token that could not be made.
    CreateToken = 201, "Create token failed", Retired, Server, Later, 200;
    /// Some users of `/manager/delete_user` could not be deleted.
    DeletePartly = 201, "some uid deleted failed", Rest, Server, Later, 200;
    /// The frame's token is not valid, or not the sender's.
    TokenRefused = 202, "token validate err", Websocket, Access, AfterLogin, 400;
    /// A value in `data` has the wrong type or range, or names a kind of session that does not exist.
    DataType = 203, "data has a wrong type", Websocket, Request, Never, 400;
    /// A message is neither to a user nor to a group. The text is the original's, letter for letter.
    SessionType = 203, "unkonwn sessionType", Both, Request, Never, 200;
    /// A client sends what only the server tells (`policy.clientTips`).
    ServersTip = 203, "only the server sends this content type", Both, Access, Never, 200;
    /// A client tells of a change that has not happened (`policy.clientTips`).
    FalseTip = 203, "what the message tells has not happened", Both, Rule, Never, 200;
    /// A message is more than one record of the log.
    TooLong = 203, "the message is longer than the server takes", Both, Request, Never, 200;
    /// A required value in `data` is missing or empty, or an id is not one.
    DataMissing = 204, "data field missing", Websocket, Request, Never, 400;
    /// The original's configuration key error.
    KeyError = 300, "key error", Retired, Server, Never, 200;
    /// A REST body that cannot be bound to its route.
    Binding = 400, "bad request", Rest, Request, Never, 400;
    /// The token of a `/chat` call is not valid, or not the sender's; or that of a transfer of a group, or of
    /// a call about requests to join, is not valid.
    ChatToken = 400, "token validate err", Rest, Access, AfterLogin, 400;
    /// The token of a manager's message is not valid.
    SendAsToken = 400, "parse token failed", Rest, Access, AfterLogin, 400;
    /// Who is no manager sends a message on behalf of a user.
    SendAsNotManager = 400, "not authorized", Rest, Access, Never, 400;
    /// No credential of the object store can be given.
    StorageCredential = 400, "no credential of the object store is configured", Rest, Server, Later, 200;
    /// The `secret` of an `/auth` call is not the server's.
    NotAuthorized = 401, "not authorized", Rest, Access, Never, 400;
    /// The caller of a `/manager` route is no manager.
    NotManager = 401, "not authorized", Rest, Access, Never, 200;
    /// The `secret` of `/user/get_users_online_status` is not the server's.
    WrongSecret = 401, "secret failed", Rest, Access, Never, 400;
    /// The token of a `/conversation` call, or of a manager's `get_users_online_status`, is not valid.
    RouteToken = 401, "ParseToken failed", Rest, Access, AfterLogin, 400;
    /// The content of a manager's message has a wrong type.
    ContentMismatch = 401, "content has a wrong type", Rest, Request, Never, 400;
    /// The caller of the managers' `get_users_online_status` is none.
    OnlineNotManager = 402, "not authorized", Rest, Access, Never, 400;
    /// The content of a manager's message lacks something.
    ContentInvalid = 403, "content field missing", Rest, Request, Never, 400;
    /// Managers cannot send this content type.
    ContentTypeUnknown = 404, "contentType err", Rest, Request, Never, 400;
    /// Some users of `/friend/import_friend` could not be made friends.
    ImportPartly = 408, "some uid establish failed", Rest, Rule, Never, 200;
    /// The server cannot do it now: overload, a full disk, a store or a peer that does not answer.
    Unavailable = 500, "server cannot process this now", Both, Server, Later, 500;
    /// The uid is taken.
    AlreadyRegistered = 500, "The account is already registered and cannot be registered again", Rest, Rule, Never, 500;
    /// No user has this uid.
    UnknownUser = 500, "user is not registered", Rest, Rule, Never, 500;
    /// A group cannot be given to somebody who is not in it.
    TransferToStranger = 500, "record not found", Rest, Rule, Never, 500;
    /// A group cannot be given to its owner.
    TransferToSelf = 500, "the self", Rest, Rule, Never, 500;
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
    /// There is no such user to ask.
    AddUnknownFriend = 606, "Can't find the user information", Rest, Rule, Never, 200;
    /// The user to import friends for does not exist.
    ImportForUnknown = 606, "this user not exists,cant not add friend", Rest, Rule, Never, 200;
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
    /// The later release's code for an unknown group; each route has its own in its place.
    NoGroup = 618, "There is no such group or the user not in the group", Retired, Rule, Never, 200;
    /// A group could not be made.
    CreateGroup = 619, "create group chat failed", Rest, Rule, Never, 200;
    /// A request to join could not be made.
    JoinGroup = 620, "Failed to apply to join the group", Rest, Rule, Never, 200;
    /// The caller cannot leave the group.
    QuitGroup = 621, "Failed to quit the group", Rest, Rule, Never, 200;
    /// A group could not be changed.
    SetGroupInfo = 622, "Failed to set group info", Rest, Rule, Never, 200;
    /// A list is empty that must not be, or the joined groups could not be read.
    ParamFailed = 700, "param failed", Rest, Request, Never, 200;
    /// The requests to join could not be read.
    GroupApplications = 701, "GetGroupApplicationList failed", Rest, Server, Later, 200;
    /// The later release's code for an expired token; the JSON wire has the codes above.
    Token701 = 701, "token is timed out, please log in again", Retired, Access, AfterLogin, 200;
    /// A request to join could not be answered.
    AnswerApplication = 702, "rpc GroupApplicationResponse failed", Rest, Rule, Never, 200;
    /// The later release's code for a superseded token.
    Token702 = 702, "token has been invalidated", Retired, Access, AfterLogin, 200;
    /// The later release's code for a malformed token.
    Token703 = 703, "that's not even a token", Retired, Access, AfterLogin, 200;
    /// The later release's code for a token that is not valid yet.
    Token704 = 704, "token not active yet", Retired, Access, AfterLogin, 200;
    /// The later release's code for any other token.
    Token705 = 705, "couldn't handle this token", Retired, Access, AfterLogin, 200;
    /// Nobody gets a token for the user (`/manager/ban_user`).
    Banned = 710, "the user is banned", Rest, Access, Never, 400;
    /// The caller's place in the group, or that there is none, does not allow it.
    NoPermission = 800, "no permission", Both, Access, Never, 200;
    /// The receiver has the sender on the blacklist (`policy.blacklistBlocks`).
    Blocked = 800, "the receiver has blocked the sender", Both, Rule, Never, 200;
    /// Sender and receiver are no friends (`policy.friendsOnly`).
    NotFriends = 800, "only friends may write to this user", Both, Rule, Never, 200;
    /// The app's backend refused the message (`messagecallback`), and gave no number of its own.
    ByBackend = 800, "the app does not take this message", Both, Rule, Never, 200;
    /// A client claims to be the system (`policy.refuseSystemFromClients`).
    FromSystem = 800, "messages of the system cannot be sent by clients", Both, Access, Never, 200;
    /// Members of a group could not be read.
    GroupMembers = 900, "db failed", Rest, Server, Later, 200;
    /// `get_user_info` without uids.
    UidListNil = 999, "uidList is nil", Rest, Request, Never, 200;
    /// The later release's code for a wrong format.
    Format = 10001, "", Retired, Request, Never, 200;
    /// Options of conversations could not be read or written.
    ConversationStore = 10002, "conversation options cannot be processed now", Rest, Server, Later, 200;
    /// The user has options for as many conversations as there may be.
    ConversationsFull = 10003, "too many conversations have an option", Rest, Rule, Never, 200;
    /// No more conversations may be without somebody who receives them (`limits.unwantedMax`).
    UnwantedFull = 10003, "too many conversations are not received", Rest, Server, Later, 200;
    /// The later release's code for a server that failed.
    ServerFailed = 10004, "", Retired, Server, Later, 200;
    /// The later release's code for an HTTP failure.
    HttpFailed = 10005, "", Retired, Server, Later, 200;
    /// The later release's code for an I/O failure.
    IoFailed = 10006, "", Retired, Server, Later, 200;
    /// The later release's code for an intended failure.
    Intended = 10007, "", Retired, Rule, Never, 200;
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

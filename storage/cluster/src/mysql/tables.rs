//! The tables, as data: the original's by their names and columns (spec, REST 3.1 and 7.5), and our own.
//!
//! Ids are bytes, which compare byte for byte, blanks at the end and all. What the original kept in too few characters is
//! wider here, so that whatever the embedded engine takes is taken.

/// A user's id: 64 code points of four bytes.
const UID: &str = "VARBINARY(256) NOT NULL";
/// The same, where there may be nobody.
const ANYBODY: &str = "VARBINARY(256)";
/// What a request may write.
const SHORT: &str = "VARCHAR(255)";
/// What nobody bounds but the size of a request.
const TEXT: &str = "MEDIUMTEXT";
const TIME: &str = "DATETIME(3) NOT NULL";
const NUMBER: &str = "INT NOT NULL";
const BIG: &str = "BIGINT NOT NULL";
const SWITCH: &str = "TINYINT NOT NULL DEFAULT 0";

/// A table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Each with its form.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// Columns of the primary key.
    pub(super) primary: &'static [&'static str],
    /// Other keys.
    keys: &'static [&'static str],
}

impl Table {
    /// The statement that makes it where it is not.
    pub(super) fn creation(&self) -> String {
        let columns = self.columns.iter().map(|(name, form)| format!("`{name}` {form}"));
        let primary = format!("PRIMARY KEY ({})", self.primary.join(", "));
        let keys = self.keys.iter().map(|key| (*key).to_owned());
        let parts: Vec<String> = columns.chain([primary]).chain(keys).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS `{}` ({}) ENGINE = InnoDB ROW_FORMAT = DYNAMIC \
             DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin",
            self.name,
            parts.join(", ")
        )
    }
}

/// All of them.
pub(super) const TABLES: [Table; 16] = [
    Table {
        name: "user",
        columns: &[
            ("uid", UID),
            ("name", TEXT),
            ("icon", TEXT),
            ("gender", "INT UNSIGNED"),
            ("mobile", TEXT),
            ("birth", TEXT),
            ("email", TEXT),
            ("ex", TEXT),
            ("create_time", TIME),
        ],
        primary: &["uid"],
        keys: &[],
    },
    Table {
        name: "friend",
        columns: &[
            ("owner_id", UID),
            ("friend_id", UID),
            ("comment", SHORT),
            ("friend_flag", NUMBER),
            ("create_time", TIME),
        ],
        primary: &["owner_id", "friend_id"],
        keys: &["KEY by_friend (friend_id)"],
    },
    Table {
        name: "friend_request",
        columns: &[
            ("req_id", UID),
            ("user_id", UID),
            ("flag", NUMBER),
            ("req_message", SHORT),
            ("create_time", TIME),
            // Whether it was ever agreed to.
            ("agreed", SWITCH),
        ],
        primary: &["user_id", "req_id"],
        keys: &["KEY by_applicant (req_id, user_id)"],
    },
    Table {
        name: "user_black_list",
        columns: &[("owner_id", UID), ("block_id", UID), ("create_time", TIME)],
        primary: &["owner_id", "block_id"],
        keys: &["KEY by_blocked (block_id)"],
    },
    Table {
        name: "chat_log",
        columns: &[
            ("msg_id", "VARBINARY(128) NOT NULL"),
            ("send_id", UID),
            ("session_type", NUMBER),
            ("recv_id", UID),
            ("content_type", NUMBER),
            ("msg_from", NUMBER),
            ("content", "MEDIUMTEXT NOT NULL"),
            ("remark", "VARCHAR(100)"),
            ("sender_platform_id", NUMBER),
            // When the log took it.
            ("send_time", TIME),
            // What the message has besides, so that it can be had back byte for byte.
            ("position", "BIGINT UNSIGNED NOT NULL"),
            ("send_time_ns", BIG),
            ("switches", "TINYINT UNSIGNED NOT NULL"),
            ("origin_platform", "TINYINT UNSIGNED NOT NULL"),
            ("client_msg_id", "MEDIUMTEXT NOT NULL"),
            ("sender_nick_name", "MEDIUMTEXT NOT NULL"),
            ("sender_face_url", "MEDIUMTEXT NOT NULL"),
            ("offline_info", "MEDIUMTEXT NOT NULL"),
        ],
        primary: &["msg_id"],
        keys: &["KEY by_position (position, msg_id)"],
    },
    Table {
        name: "dead_letter",
        columns: &[
            ("digest", "BINARY(32) NOT NULL"),
            ("position", "BIGINT UNSIGNED NOT NULL"),
            ("append_time", TIME),
            ("reason", TEXT),
            ("record", "MEDIUMBLOB NOT NULL"),
        ],
        primary: &["digest"],
        keys: &[],
    },
    // How far the archive has come in each partition of the log.
    Table {
        name: "archive_place",
        columns: &[
            ("topic", "TINYINT UNSIGNED NOT NULL"),
            ("log_partition", "SMALLINT UNSIGNED NOT NULL"),
            ("next", "BIGINT UNSIGNED NOT NULL"),
            ("time_ms", BIG),
        ],
        primary: &["topic", "log_partition"],
        keys: &[],
    },
    Table {
        name: "group",
        columns: &[
            ("group_id", UID),
            ("name", SHORT),
            ("introduction", SHORT),
            ("notification", SHORT),
            ("face_url", SHORT),
            ("ex", TEXT),
            ("create_time", TIME),
            // Of one that has ended: who owned it to the end.
            ("owner", ANYBODY),
            ("members", "INT UNSIGNED NOT NULL DEFAULT 0"),
            ("ended", SWITCH),
            ("version", "BIGINT UNSIGNED NOT NULL DEFAULT 0"),
        ],
        primary: &["group_id"],
        keys: &[],
    },
    Table {
        name: "group_member",
        columns: &[
            ("group_id", UID),
            ("uid", UID),
            ("nickname", TEXT),
            ("user_group_face_url", TEXT),
            ("administrator_level", NUMBER),
            ("join_time", TIME),
        ],
        primary: &["group_id", "uid"],
        keys: &["KEY by_member (uid, group_id, administrator_level)"],
    },
    Table {
        name: "group_request",
        columns: &[
            ("id", "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"),
            ("group_id", UID),
            ("from_user_id", UID),
            ("to_user_id", UID),
            ("flag", NUMBER),
            ("req_msg", SHORT),
            ("handled_msg", SHORT),
            ("create_time", TIME),
            ("from_user_nickname", TEXT),
            ("to_user_nickname", TEXT),
            ("from_user_face_url", TEXT),
            ("to_user_face_url", TEXT),
            ("handled_user", UID),
        ],
        primary: &["id"],
        keys: &[
            "UNIQUE KEY by_applicant (group_id, from_user_id, to_user_id)",
            "KEY by_group (group_id, id)",
        ],
    },
    // Who has gone out of which group a short while ago.
    Table {
        name: "group_departure",
        columns: &[
            ("group_id", UID),
            ("uid", UID),
            ("left_time", TIME),
            // By their own wish.
            ("own", SWITCH),
            // The message by which they have told it.
            ("told", "BINARY(16)"),
        ],
        primary: &["group_id", "uid"],
        keys: &["KEY by_time (left_time)"],
    },
    Table {
        name: "conversation_option",
        columns: &[
            ("user_id", UID),
            ("conversation_id", "VARBINARY(1020) NOT NULL"),
            ("receive_option", NUMBER),
        ],
        primary: &["user_id", "conversation_id"],
        keys: &[],
    },
    Table {
        name: "newest_token",
        columns: &[
            ("user_id", UID),
            ("class", "TINYINT UNSIGNED NOT NULL"),
            ("token_id", "BINARY(16) NOT NULL"),
            ("issued_at", BIG),
            // Of one that never does: NULL.
            ("expires_at", "BIGINT"),
        ],
        primary: &["user_id", "class"],
        keys: &[],
    },
    Table {
        name: "token_access",
        columns: &[
            ("user_id", UID),
            // Unix seconds up to which tokens are ended, of all platforms (0) and each: eight numbers of eight bytes.
            ("ended", "BINARY(64) NOT NULL"),
            ("ban_until", "BIGINT"),
            ("ban_reason", SHORT),
            ("erased", SWITCH),
            ("min_seq", "BIGINT UNSIGNED NOT NULL DEFAULT 0"),
        ],
        primary: &["user_id"],
        keys: &[],
    },
    // A row for each user whose lists have a bound: whoever adds to one locks the row first.
    Table { name: "user_lock", columns: &[("uid", UID)], primary: &["uid"], keys: &[] },
    // One row: what the cluster is made of whose database this is.
    Table {
        name: "openim_cluster",
        columns: &[("id", "TINYINT UNSIGNED NOT NULL"), ("claim", TEXT)],
        primary: &["id"],
        keys: &[],
    },
];

//! What components take as a name: they refuse others in words from which nobody learns which key it is, or take them and
//! do something else.

/// What names may be.
pub(crate) struct Rule {
    pub(crate) holds: fn(&str) -> bool,
    pub(crate) says: &'static str,
}

/// Bytes that Kafka has for the name of a topic, and those of `_group`.
const TOPIC_BYTES_MAX: usize = 249;
const ENDING_BYTES: usize = 6;

/// Taken everywhere.
pub(crate) const ANY: Rule = Rule {
    holds: |name| !name.trim().is_empty() && !name.contains(char::is_control),
    says: "a name without control characters",
};

/// Keys of Redis begin with it, where braces decide on which server of several they lie, and rules about who may use them
/// have wildcards.
pub(crate) const PLAIN: Rule = Rule {
    holds: |name| (1..=64).contains(&name.len()) && name.bytes().all(is_plain),
    says: "a name of at most 64 letters, digits and the characters . _ -",
};

/// The slashes around it do not count.
pub(crate) const PREFIX: Rule = Rule {
    holds: |name| (ANY.holds)(name.trim_matches('/')),
    says: "a name besides slashes: what all keys begin with",
};

pub(crate) const MYSQL: Rule = Rule {
    holds: |name| {
        const OWN: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];
        let takes = |char: char| !char.is_control() && char <= '\u{ffff}';
        (1..=64).contains(&name.chars().count())
            && name.chars().all(takes)
            && name.trim() == name
            && !OWN.contains(&name.to_lowercase().as_str())
    },
    says: "a name of at most 64 characters up to U+FFFF that neither begins nor ends with a space, and is none of MySQL's own databases",
};

pub(crate) const MONGODB: Rule = Rule {
    holds: |name| is_mongodb(name) && !["admin", "local", "config"].contains(&name),
    says: "a name of at most 63 bytes without spaces and / \\ . \" $, and none of MongoDB's own databases",
};

/// Where an account is known; empty where there is none.
pub(crate) const MONGODB_SOURCE: Rule = Rule {
    holds: |name| name.is_empty() || name == "$external" || is_mongodb(name),
    says: "a database, the one that knows the account, without spaces and / \\ . \" $ in its name",
};

pub(crate) const TOPIC: Rule = Rule {
    holds: |name| is_topic(name, TOPIC_BYTES_MAX),
    says: "a name of at most 249 letters, digits and the characters . _ -",
};

pub(crate) const TOPIC_WITH_ENDING: Rule = Rule {
    holds: |name| is_topic(name, TOPIC_BYTES_MAX - ENDING_BYTES),
    says: "a name of at most 243 letters, digits and the characters . _ -",
};

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

fn is_topic(name: &str, bytes_max: usize) -> bool {
    let is_of_paths = name == "." || name == "..";
    (1..=bytes_max).contains(&name.len()) && name.bytes().all(is_plain) && !is_of_paths
}

fn is_mongodb(name: &str) -> bool {
    let takes = |char: char| !char.is_control() && !r#"/\. "$"#.contains(char);
    (1..=63).contains(&name.len()) && name.chars().all(takes)
}

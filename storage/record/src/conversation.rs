//! What the id of a conversation names (spec, REST 7.6).

/// Bytes of the longest id of a user: 64 code points. Nobody has a longer one.
const NAME_BYTES_MAX: usize = 4 * 64;

/// A conversation as one of its users names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation<'a> {
    /// With another user: what that one writes to them.
    With(&'a str),
    /// Of a group: what is written there.
    In(&'a str),
}

impl<'a> Conversation<'a> {
    /// Reads `single_<uid>` and `group_<group id>` as `user` says it; `None` where others write nothing: for any other id, and
    /// for the user's own.
    #[must_use]
    pub fn read(user: &str, id: &'a str) -> Option<Self> {
        let named = |prefix| id.strip_prefix(prefix).filter(|name| is_name(name));
        let with = named("single_").filter(|uid| *uid != user).map(Self::With);
        with.or_else(|| named("group_").map(Self::In))
    }

    /// The user or group whose home decides what is sent there.
    #[must_use]
    pub const fn whose(self) -> &'a str {
        match self {
            Self::With(id) | Self::In(id) => id,
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_a_user_or_a_group_or_nothing() {
        let read = |id| Conversation::read("bob", id);
        assert_eq!(read("single_ann"), Some(Conversation::With("ann")));
        assert_eq!(read("group_single_1"), Some(Conversation::In("single_1")));
        assert_eq!(read("group_bob"), Some(Conversation::In("bob")));
        let nothing =
            ["", "single_", "group_", "single", "Single_ann", "x_single_ann", "single_bob"];
        for id in nothing {
            assert_eq!(read(id), None, "{id}");
        }
        let longest = format!("single_{}", "用".repeat(64));
        assert!(read(&longest).is_some());
        assert_eq!(read(&format!("{longest}{longest}")), None);
    }
}

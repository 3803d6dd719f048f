//! Users and groups of which only the name matters.

use openim_record::{GroupId, UserId};

use crate::port::{Group, User};

/// A user with nothing but this name.
#[must_use]
pub fn user(uid: &str, name: &str) -> User {
    User {
        uid: UserId::new(uid),
        name: name.to_owned(),
        icon: String::new(),
        gender: 0,
        mobile: String::new(),
        birth: String::new(),
        email: String::new(),
        ex: String::new(),
        create_ms: 1,
    }
}

/// A group with nothing in it, as it is handed to a create.
#[must_use]
pub fn group(id: &str) -> Group {
    Group {
        id: GroupId::new(id),
        name: String::new(),
        introduction: String::new(),
        notification: String::new(),
        face_url: String::new(),
        ex: String::new(),
        create_ms: 1,
        owner: None,
        members: 0,
        version: 0,
    }
}

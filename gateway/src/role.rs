//! What a process of a cluster does.

/// One of the parts that the work is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// REST.
    Api,
    /// Websocket.
    Gateway,
    /// From the log into inboxes, the archive, and to whoever is there.
    Transfer,
}

impl Role {
    /// The name of its command, and of its processes in the register.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Gateway => "gateway",
            Self::Transfer => "transfer",
        }
    }
}

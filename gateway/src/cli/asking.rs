//! Commands that ask the console of a running server.

use std::path::PathBuf;

use super::Settings;
use crate::ask;
use crate::visit::Elsewhere;

/// See the module. They are commands like the others.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum ConsoleCommand {
    /// Find users of a running server, or say all that it knows of one
    ///
    /// A line for each user whose uid or name begins with TEXT; with --uid the profile, ban, inbox, links, friends and groups of
    /// one. Nothing of a message: openim archive has those. Exit code 1 where there is no such user.
    ///
    /// Like groups, kick, ban, unban and top this asks the operators' port (admin.listen) of a server on this machine, or the one
    /// of --from, which has to have its console (console.on), and shows it admin.secret: that of the settings, or of the data directory. Run it as
    /// the server's user.
    #[command(group = clap::ArgGroup::new("which").required(true).args(["begins", "uid"]))]
    Users {
        /// How uid or name begins
        #[arg(value_name = "TEXT")]
        begins: Option<String>,
        /// Those behind this one; the line at the end of an answer says it
        #[arg(long, value_name = "UID", conflicts_with = "uid")]
        after: Option<String>,
        /// The one user with this uid
        #[arg(long, value_name = "UID")]
        uid: Option<String>,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// Say all that a running server knows of a group: who is in it, who asks to be
    ///
    /// openim help users says how it asks.
    Groups {
        /// The group
        #[arg(value_name = "ID")]
        id: String,
        /// Members behind this one; the line at their end says it
        #[arg(long, value_name = "UID")]
        after: Option<String>,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// List the newest messages in an inbox of a running server
    ///
    /// A line for each: its seq there, when it was sent, by whom, to whom, its content type and clientMsgID, without its content:
    /// openim archive has that, and openim why says what became of one. openim help users says how it asks.
    Messages {
        /// Which.
        #[command(flatten)]
        which: ask::Inbox,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// Close the links of a user
    ///
    /// They may come back at once; openim ban keeps them out. It is in the server's audit, with the reason. openim help users
    /// says how it asks.
    Kick {
        /// Whose
        #[arg(value_name = "UID")]
        uid: String,
        /// Those of one platform only: 1 iOS, 2 Android, 3 Windows, 4 macOS, 5 Web, 6 MiniWeb, 7 Linux
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=7))]
        platform: Option<u8>,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// Keep a user out, for a time or for good
    ///
    /// Their links are closed and their tokens end; they get no new one until then. The reason is shown to whoever logs them in,
    /// and is in the server's audit. openim help users says how it asks.
    Ban {
        /// Whom
        #[arg(value_name = "UID")]
        uid: String,
        /// Until this time: 2021-06-30, 2021-06-30T12:30:00Z (UTC), or unix milliseconds [default: for good]
        #[arg(long, value_name = "TIME", value_parser = ask::until)]
        until: Option<i64>,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// Let a user in again who was banned
    ///
    /// It is in the server's audit, with the reason. openim help users says how it asks.
    Unban {
        /// Whom
        #[arg(value_name = "UID")]
        uid: String,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
    /// Show what a running server does, once a second
    ///
    /// Messages, deliveries, logins and bytes a second, links, and times, in all and by shard; and the links for which most
    /// bytes wait, by name. Until it is ended by Ctrl-C. openim help users says how it asks.
    Top {
        /// By what shards are sorted, the most first
        #[arg(long, value_name = "BY", value_enum, default_value_t)]
        sort: ask::Sort,
        /// One look, of a second
        #[arg(long)]
        once: bool,
        /// Whom it asks, and how.
        #[command(flatten)]
        asked: Asked,
    },
}

impl ConsoleCommand {
    /// Whom it asks.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        match self {
            Self::Users { asked, .. }
            | Self::Groups { asked, .. }
            | Self::Messages { asked, .. }
            | Self::Kick { asked, .. }
            | Self::Ban { asked, .. }
            | Self::Unban { asked, .. }
            | Self::Top { asked, .. } => asked,
        }
    }
}

/// The server that a command asks, and how it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Asked {
    /// What it goes by.
    #[command(flatten)]
    pub settings: Settings,
    /// The server's data directory [default: embedded.dataDir]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Another server.
    #[command(flatten)]
    pub elsewhere: Elsewhere,
    /// Answer in JSON, as the server does
    #[arg(long)]
    pub json: bool,
}

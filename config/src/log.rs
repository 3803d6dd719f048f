//! `log`: what is logged, where and how.

use crate::section::section;
use crate::setting::{choice, list, none_or, number, one_of, text};
use std::path::PathBuf;

choice! {
    /// The least severe level that is logged.
    pub enum LogLevel {
        /// Normal operation.
        Info = "info",
        /// Every step.
        Trace = "trace",
        /// Steps that help to find a fault.
        Debug = "debug",
        /// What an operator should look at.
        Warn = "warn",
        /// What went wrong.
        Error = "error",
        /// Nothing.
        Off = "off",
    }
}

choice! {
    /// The form of a log line.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

section! {
    /// Log.
    pub struct Log {
        /// Folder of the log files; empty: standard error only.
        pub storage_location: PathBuf = PathBuf::new(), "storageLocation" => text("a path");
        /// The least severe level that is logged.
        pub level: LogLevel = LogLevel::default(), "level" => one_of;
        /// The form of a line.
        pub format: LogFormat = LogFormat::default(), "format" => one_of;
        /// Bytes after which a file is followed by the next one of its day; 0: one file a day. A file holds what
        /// runs and some lines at least.
        pub file_bytes_max: u64 = 100 << 20, "fileBytesMax" => none_or(4_096..=1 << 40);
        /// Files of the audit kept.
        pub audit_rotation_count: usize = 90, "auditRotationCount" => number(1..=10_000);
        /// Users whose every step is logged.
        pub trace_uids: Vec<String> = Vec::new(), "traceUids" => list(0, "uids");
        /// Files kept.
        pub rotation_count: usize = 5, "rotationCount" => number(1..=10_000);
    }
}

impl LogLevel {
    /// The name in the file, which is also the name the logging libraries use.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Info => "info",
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
            LogLevel::Off => "off",
        }
    }
}

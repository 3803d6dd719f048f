//! `wire`: what clients of which version see.

use crate::section::section;
use crate::setting::{choice, one_of};

choice! {
    /// The client generation whose numbers are used on the wire.
    pub enum WireProfile {
        /// Tip numbers of June 2021; sync copies keep their content type. The published clients.
        June2021 = "june2021",
        /// Tip numbers of May 2021; sync copies have content type 108.
        May2021 = "may2021",
    }
}

choice! {
    /// The unit of times on the wire.
    pub enum TimeUnit {
        /// What each client reads, as far as its REST calls show it; seconds else.
        Auto = "auto",
        /// Unix seconds.
        Seconds = "seconds",
        /// Unix nanoseconds.
        Nanoseconds = "nanoseconds",
    }
}

section! {
    /// What clients of which version see.
    pub struct Wire {
        /// The client generation.
        pub profile: WireProfile = WireProfile::default(), "profile" => one_of;
        /// The unit of times.
        pub time_unit: TimeUnit = TimeUnit::default(), "timeUnit" => one_of;
    }
}

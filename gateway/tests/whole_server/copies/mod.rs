//! Backup, verify, restore: a copy beside a running server, and what comes of it.

mod the_log_is_given_to_who_knows_the_secret;

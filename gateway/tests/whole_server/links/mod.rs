//! Who is online, on what, and what happens when links come and go.

mod c04_all_platforms_are_online_together;
mod c05_newest_link_wins;
mod c06_quick_reconnect_ends_with_the_last_link;
mod c07_ping_and_close_are_answered_in_kind;
mod c08_silent_link_stays_open;
mod pulls_cut_short_say_so;
pub(crate) mod replaced_link_gets_the_kick_notice;

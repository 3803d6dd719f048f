//! `/manager`: what the app's own staff may do, and nobody else.

mod accounts_are_checked;
mod all_uids_are_listed;
mod bans_hold_until_they_end;
mod content_is_checked_by_its_type;
mod deleted_users_are_gone_and_can_come_back;
mod ids_that_can_be_none_are_refused;
mod managers_exist_from_the_start;
mod managers_see_who_is_online;
mod managers_send_for_others;
mod nobody_else_is_a_manager;
mod sessions_end_at_once;

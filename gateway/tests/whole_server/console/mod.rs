//! The operators' console: who is let in, what they are told, what they may do.

mod groups_are_shown_and_ended;
mod live_is_told_each_second;
mod messages_are_explained;
mod only_who_knows_a_password_is_let_in;
mod settings_lines_and_bounds_are_told;
mod users_are_found_shown_and_acted_on;

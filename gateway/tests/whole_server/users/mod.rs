//! `/user`: profiles and who is online.

mod changes_are_seen_at_once_and_kept;
mod friends_are_told_of_changed_profiles;
mod get_user_info_answers_in_the_order_of_the_request;
mod online_status_is_told_to_who_knows_the_secret;
mod update_user_info_changes_what_is_given;
mod update_user_info_names_what_is_wrong_with_a_token;

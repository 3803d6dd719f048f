//! Whose token is good, where, and what happens to live links when it stops being so.

mod a_token_may_be_of_one_platform;
mod expired_token_stops_working_on_a_live_link;
mod foreign_and_altered_tokens_are_refused;
mod login_policies_decide_who_is_kicked;
mod managers_log_in_beside_each_other;
mod superseded_token_is_refused_everywhere;

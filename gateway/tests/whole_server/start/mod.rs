//! Starting and stopping the program.

mod a_stop_tells_balancers_first;
mod all_interfaces_are_both_of_ipv4_and_ipv6;
mod banner_says_what_listens_where;
mod commands_explain_themselves;
mod data_of_an_earlier_revision_is_read;
mod first_starts_may_be_cut_short;
mod log_holds_no_secrets;
mod messages_say_what_to_do;
mod operator_endpoints_answer;
mod original_config_is_accepted;
mod secrets_are_generated_once;
mod seldom_meant_settings_are_told;
mod sigterm_drains;
mod the_walk_of_the_readme_works_twice;
mod wrong_starts_are_refused_in_one_line;

//! What an operator does to a running server, and what the server tells them.

mod broken_output_ends_nothing;
mod json_is_all_json;
mod loads_are_measured_by_command;
mod log_files_are_bounded_and_can_be_moved;
mod metrics_say_how_long_and_how_much;
mod named_users_are_followed;
mod refusals_do_not_flood_the_audit;
mod settings_are_read_again;
mod settings_say_where_they_come_from;
mod stray_signals_end_nothing;
mod support_takes_no_secrets;
mod the_archive_is_read_beside_a_running_server;
mod the_audit_says_who_did_what;
mod the_books_name_what_is_wrong;
mod the_console_is_asked_by_command;
mod the_doctor_says_what_to_do;
mod tokens_are_had_by_command;
mod wrong_secrets_are_slowed;

//! Newest seq (1001) and pull (1002).

mod c12_newest_of_a_fresh_user_is_zero;
mod c13_newest_counts_sent_and_received;
mod c14_pull_lists_are_never_null;
mod c15_pull_is_clipped_to_what_exists;
mod c16_pulled_messages_have_exact_types;
mod c17_lists_are_ordered;
mod large_ranges_come_whole;
mod long_answers_hold_every_message_once;
mod pushes_wait_for_a_long_reply;

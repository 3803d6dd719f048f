//! `/friend`: requests, friends, the blacklist, and the rules of `policy` that build on them.

mod a_friendship_has_two_sides;
mod applying_again_begins_anew;
mod bodies_and_tokens_are_checked;
mod c32_requests_and_answers_are_told_and_kept;
mod clients_are_not_the_system;
mod clients_tell_what_has_happened;
mod comments_are_kept_for_their_owner;
mod friends_and_strangers_are_found_by_uid;
mod friends_are_bounded;
mod ids_that_can_be_none_relate_to_nobody;
mod lists_hold_what_they_say;
mod long_lists_come_whole;
mod managers_import_friends;
mod only_friends_write_where_that_is_the_rule;
mod relations_survive_a_kill;
mod requests_are_answered_by_who_was_asked;
mod the_blacklist_is_a_list;
mod the_blocked_are_refused_where_that_is_the_rule;
mod the_unknown_and_the_deleted_are_no_friends;

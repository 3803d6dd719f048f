//! Messages to groups (spec, websocket 4.7; C29, C30).

mod a_large_group_is_told_whole;
mod a_removed_member_gets_nothing_sent_afterwards;
mod a_repeat_is_one_message;
mod c29_a_message_reaches_every_member_once;
mod c30_the_emphasised_see_it;
mod groups_survive_kills;
mod members_waiting_are_bounded;
mod only_members_send;
mod senders_other_platforms_get_a_copy;
mod switches_hold_in_groups;

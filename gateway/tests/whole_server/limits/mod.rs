//! Every limit: what happens at it, and that nobody else notices.

mod c36_slow_receiver_is_cut_loose;
mod c37_oversized_frame_closes_its_own_link;
mod connections_above_the_cap_get_503;
mod dead_peer_is_closed_after_missed_pings;
mod frame_rate_pauses_and_never_drops;
mod handshake_rate_of_one_address_is_bounded;
mod handshakes_above_the_cap_wait;
mod idle_rest_connections_are_closed;
mod large_bodies_get_413;
mod links_of_one_address_are_bounded;
mod metric;
mod pulls_of_too_many_messages_get_an_error;
mod requests_of_one_address_are_bounded;
mod rest_connections_above_the_cap_wait;
mod slow_head_is_closed;
mod unread_pulls_delay_nobody_else;
mod unread_replies_do_not_pile_up;

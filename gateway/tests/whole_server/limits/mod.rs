//! Every limit: what happens at it, and that nobody else notices.

mod c36_slow_receiver_is_cut_loose;
mod c37_oversized_frame_closes_its_own_link;
mod connections_above_the_cap_get_503;
mod dead_peer_is_closed_after_missed_pings;
mod frame_rate_pauses_and_never_drops;
mod slow_head_is_closed;
mod unread_replies_do_not_pile_up;

//! The way from a TCP connection to a websocket.

mod c01_valid_connect_gets_101;
mod c02_bad_credentials_get_401;
mod c03_bad_upgrades_get_400_or_405;
mod head_may_arrive_in_pieces_with_frames_behind_it;
mod names_in_any_script_connect;
mod platform_outside_1_to_7_gets_401;

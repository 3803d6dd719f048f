//! What the server makes of frames: good, odd and broken.

mod c09_bad_envelopes_get_their_codes;
mod c10_keys_match_in_any_case;
mod c11_binary_is_read_like_text;
mod c21_unknown_request_gets_no_reply;
mod data_is_converted_leniently;
mod fragments_are_put_together;
mod ids_of_clients_are_bounded;
mod protocol_errors_close_only_that_link;
mod replies_come_in_request_order;
mod whatever_is_asked_the_server_survives;

//! Websocket and REST with TLS (`tls.certFile`).

mod certificates_change_without_a_link_lost;
mod clients_chat_as_without_it;
mod handshakes_are_bounded;
mod operators_come_by_it;
mod operators_see_all_that_waits;
mod sessions_are_resumed;
mod starts_want_good_files;
mod who_comes_without_it_is_told;

//! The REST API: transport, registration, the chat twins of the websocket requests, and object storage.

mod answers_are_as_described;
mod bodies_are_bound_as_documented;
mod c38_june_send_reply_is_complete;
mod c39_rest_and_websocket_agree;
mod chat_routes_check_the_token;
mod every_answer_carries_the_cors_headers;
mod pull_msg_by_seq_returns_what_is_asked_for;
mod register_yields_a_working_token;
mod secret_is_checked;
mod storage_credential_failures_are_told;
mod storage_credential_is_issued_and_kept;
mod storage_credential_needs_an_account_and_an_object;
mod sts;
mod times_are_in_the_unit_of_the_caller;
mod unknown_routes_and_methods_get_404;
mod whatever_is_sent_the_server_survives;

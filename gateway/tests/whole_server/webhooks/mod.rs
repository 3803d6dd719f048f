//! The app's backend: it is asked before a send, and told what happens.

mod a_backend_that_stalls_holds_up_who_it_is_asked_about;
mod a_message_without_an_answer_falls_back;
mod events_are_told_at_least_once_and_in_order;
mod the_backend_is_asked_before_a_send;

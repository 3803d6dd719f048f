//! The app's backend: it is asked before a send.

mod a_backend_that_stalls_holds_up_who_it_is_asked_about;
mod a_message_without_an_answer_falls_back;
mod the_backend_is_asked_before_a_send;

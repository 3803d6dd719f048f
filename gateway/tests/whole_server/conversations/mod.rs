//! `/conversation`: how a user wants to receive each conversation's messages.

mod bodies_and_tokens_are_checked;
mod options_are_bounded;
mod options_are_kept;

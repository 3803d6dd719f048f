//! Pages for browsers: what is served and under which policies, and who gets a name there.

mod chat_is_there_as_the_settings_say;
mod files_are_served_safely;
mod guests_take_new_names_only;

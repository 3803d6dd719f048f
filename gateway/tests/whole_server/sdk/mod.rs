//! The calls of the published client SDKs at login and afterwards, in their order and with their bodies.

mod august_sdk_keeps_its_messages_in_order;
mod june_sdk_is_told_about_groups;
mod june_sdk_logs_in_syncs_and_chats;
mod v1_frames_are_counted_and_named;
mod v1_sdk_logs_in_syncs_and_chats;

//! What a crash, a restart or a stalled disk may cost: nothing that was acknowledged.

mod a_flipped_bit_is_named_or_harmless;
mod an_index_is_made_anew;
mod an_index_is_opened_again;
mod broken_invariants_end_the_process;
mod c33_acknowledged_survives_kill;
mod c34_stalled_log_refuses_sends;
mod c35_duplicates_are_known_after_kill;
mod damaged_log_is_told_and_never_read;
mod damaged_messages_have_stand_ins;
mod failing_disks_are_told;
mod failing_readers_lose_nothing;
mod full_disk_is_told;
mod shard_count_may_change;
mod stalled_stores_hang_nobody;

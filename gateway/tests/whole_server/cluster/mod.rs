//! The cluster engine, on real components.

mod absences_are_told_by_role;
mod all_roles_are_one_process;
mod changes_of_groups_are_heard_everywhere;
mod components_are_looked_at;
mod departures_are_known_everywhere;
mod ends_that_nobody_tells_are_found;
mod group_acts_are_whole_or_refused;
mod links_come_without_redis;
mod names_are_the_same_everywhere;
mod roles_run_apart;
mod tokens_are_known_without_mysql;
mod unreached_processes_are_not_ready;

//! The cluster engine, on real components.

mod a_kafka_that_is_away_is_named;
mod all_roles_are_one_process;
mod components_are_looked_at;
mod roles_run_apart;

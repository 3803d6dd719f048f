//! The cluster engine, on real components.

mod all_roles_are_one_process;
mod components_are_looked_at;
mod roles_run_apart;

//! The root of a process of a cluster: the components, then its roles on them.
//!
//! End: fronts drain first, as on one machine; they leave the register when their last link is closed; then the transfer
//! stores and checkpoints what it has begun.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use openim_bus::Doorbell;
use openim_cluster::redis::TokenStates;
use openim_config::Config;
use openim_record::{Placement, Process};
use openim_workers::Clock;

use super::components;
use super::fronts::{self, Reachable, With};
use super::server::Server;
use super::transfer::Transfer;
use super::workers::{Guarding, Ports};
use super::{Certificates, shard_count, watch_certificate};
use crate::admin::Admin;
use crate::logging::Logging;
use crate::metrics::Sources;
use crate::newest::Newest;
use crate::phase::Stage;
use crate::role::Role;

/// What the register gets to hear that this process leaves it; else its lease runs out.
const LEAVING: Duration = Duration::from_millis(200);

/// Starts the roles.
///
/// # Errors
/// One line of what stands in the way.
pub(super) fn start(roles: &[Role], config: &Config, logging: &Logging) -> anyhow::Result<Server> {
    let has_fronts = roles.iter().any(|role| matches!(role, Role::Api | Role::Gateway));
    let placement = Placement::new(components::partitions(config));
    let shards = if has_fronts { shard_count(config, placement)? } else { 0 };
    let mut around = Guarding::ahead(&config.limits);
    // Times of messages are the log's, and what expires is paced: no record is at hand that it could be judged by.
    let clock = Arc::new(Clock::new(Duration::ZERO, None, 0).0);
    let sources = Sources::new(
        shards,
        0,
        &clock,
        &Arc::default(),
        (around.guards(), &Arc::default()),
        logging,
    );
    // Before the components are reached, so that `/readyz` can be asked meanwhile.
    let mut certificates = watch_certificate((config, None), shards, &sources)?;
    let listen = (config.admin.listen, certificates.operators.take());
    let admin = Admin::start(listen, sources.clone(), (None, None))?;
    let mut on = components::open(config, new_process()?)?;
    let (pulses, asking) = components::listen(config, roles, &on, &sources.log);
    pulses.into_iter().for_each(|pulse| sources.parts.add(pulse));
    let transfer = match roles.contains(&Role::Transfer) {
        true => Some(Transfer::start(config, &on, !has_fronts)?),
        false => None,
    };
    if let Some(transfer) = &transfer {
        sources.parts.add(transfer.watched());
    }
    let phase = Arc::clone(&sources.phase);
    let (mut server, reachable) = if has_fronts {
        let tokens = TokenStates::new(on.way_to_redis()?);
        let ports = Ports::on(&on, Arc::new(tokens.clone()), &mut around);
        let with = With { config, roles, on: &on, ports, tokens, sources, logging, certificates };
        let (server, reachable) = fronts::start(with, admin)?;
        (server, Some(reachable))
    } else {
        (without_shards(sources, (admin, certificates))?, None)
    };
    server.behind = Box::new(move || {
        drop(asking);
        on.leave();
        let deliveries = reachable.map(Reachable::leave);
        match transfer {
            Some(transfer) => transfer.stop(),
            None => std::thread::sleep(LEAVING),
        }
        drop(deliveries);
        // With the last of what the components' clients run on.
        drop(on);
        true
    });
    phase.advance(Stage::Serving);
    Ok(server)
}

/// A name that no other process has; its shards are named by the last two bytes.
pub(super) fn new_process() -> anyhow::Result<Process> {
    let mut id = [0; 16];
    getrandom::fill(&mut id[..14]).context("the system gives no random numbers")?;
    Ok(Process(id))
}

/// Of a process in which nobody is connected.
fn without_shards(
    sources: Sources,
    (admin, certificates): (Admin, Certificates),
) -> anyhow::Result<Server> {
    Ok(Server {
        shards: Vec::new(),
        log: None,
        log_bell: Arc::new(Doorbell::new().context("the system gives no descriptors")?),
        phase: Arc::clone(&sources.phase),
        metrics: Arc::clone(&sources.shards),
        sources,
        workers: Vec::new(),
        bells: Vec::new(),
        reloads: Newest::to(0),
        admin,
        certificates: certificates.ask,
        websocket: Vec::new(),
        rest: Vec::new(),
        own: None,
        behind: Box::new(|| true),
    })
}

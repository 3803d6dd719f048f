//! The ports that the settings ask for, each with a listener a shard.
//!
//! In: addresses and ports. Out: listeners, or one line of why there is none and what to do.

use std::net::{IpAddr, SocketAddr, TcpListener};

use openim_config::Config;

use super::listener::{bind, bind_alone, bound_unsent};
use crate::advice;

/// By shard.
pub(crate) type Listeners = Vec<Vec<TcpListener>>;

/// The ports of links, then those of REST. Before the recovery: one that is taken should not cost the wait.
///
/// # Errors
/// One line of which setting asks for what cannot be.
pub(crate) fn listen_all(
    config: &Config,
    shards: u16,
) -> anyhow::Result<[(Vec<SocketAddr>, Listeners); 2]> {
    let ip = config.server_ip.0;
    let links = &config.longconnsvr.websocket_port;
    let rest = listen(ip, &config.api.port, "api.openImApiPort", shards)?;
    rest.1.iter().flatten().try_for_each(bound_unsent)?;
    Ok([listen(ip, links, "longconnsvr.websocketPort", shards)?, rest])
}

/// A listener for each shard on each port. Port 0 takes a free one, the same for all shards.
fn listen(
    ip: IpAddr,
    ports: &[u16],
    key: &str,
    shards: u16,
) -> anyhow::Result<(Vec<SocketAddr>, Listeners)> {
    let mut addresses = Vec::new();
    let mut listeners: Listeners = (0..shards).map(|_| Vec::new()).collect();
    for &port in ports {
        let wanted = SocketAddr::new(ip, port);
        let named = |cause| anyhow::anyhow!(advice::cannot_listen(key, wanted, &cause));
        // Shards share the port, and so could another server by accident: look without sharing first.
        let probe = bind_alone(wanted).map_err(named)?;
        let address = probe.local_addr()?;
        drop(probe);
        for shard in &mut listeners {
            shard.push(bind(address).map_err(named)?);
        }
        addresses.push(address);
    }
    Ok((addresses, listeners))
}

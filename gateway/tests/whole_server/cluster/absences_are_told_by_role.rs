//! What `/readyz` says of a component that is away, in each role, while nobody does anything: the table in
//! docs/operating.md, row by row.

use openim_cluster::testing::Own;

use crate::support::cluster::clustered_on;
use crate::support::server::{Server, Setup};

const GUIDE: &str = include_str!("../../../../docs/operating.md");

/// The columns of the table.
const ROLES: [&str; 4] = ["gateway", "api", "transfer", "serve"];

/// What the guide promises of that row, by role.
fn promised(row: &str) -> [u16; 4] {
    let mut lines = GUIDE.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let head: Vec<String> = ROLES.iter().map(|role| format!("`{role}`")).collect();
    let titled = lines.find(|cells| cells.len() > 6 && cells[2..6] == head[..]);
    assert!(titled.is_some(), "the guide has a table by role");
    let cells = lines.find(|cells| cells.len() > 6 && cells[1] == row).expect("it has the row");
    std::array::from_fn(|at| cells[at + 2].parse().expect("a status"))
}

/// A process of each role, on a component of their own.
fn each_role(own: &Own) -> Option<[Server; 4]> {
    let setup = clustered_on(Setup::new(), Some(own))?;
    // Whoever needs it complains.
    let setup = setup.allow(" WARN ").allow(" ERROR ");
    Some(ROLES.map(|role| match role {
        "serve" => setup.clone().start(),
        role => setup.clone().role(role).start(),
    }))
}

/// `said`: how the row is said in the process of any role: for how long, too.
fn row(component: &'static str, title: &str, said: &str) {
    let Some(own) = Own::up(component) else { return };
    let Some(servers) = each_role(&own) else { return };
    let host = own.address();
    let host = host.rsplit_once('@').map_or(&host[..], |(_, host)| host);
    let host = host.rsplit_once("://").map_or(host, |(_, host)| host);
    let host = host.split('/').next().unwrap_or(host).to_owned();
    let said = said.replace("HOST", &host);
    let row: Vec<(&Server, u16)> = servers.iter().zip(promised(title)).collect();
    let all_well = || row.iter().for_each(|(server, _)| server.is_well());
    let all_say = || {
        for (server, status) in &row {
            let told = server.says(*status, &said);
            let line = told.lines().find(|line| line.contains(&said)).unwrap_or_default();
            assert!(line.contains(" (for ") && line.ends_with(" s)"), "{line}");
            assert!(line.chars().count() < 200, "{line}");
        }
    };
    all_well();
    let stalled = own.stalled();
    all_say();
    drop(stalled);
    all_well();
    own.kill();
    all_say();
    own.start_again();
    all_well();
}

#[test]
fn kafka() {
    row("kafka", "Kafka", "Kafka cannot be reached at HOST (kafka.ws2mschat.addr): ");
}

#[test]
fn mongodb() {
    row("mongodb", "MongoDB", "MongoDB cannot be reached at HOST (mongo.dbAddress): ");
}

#[test]
fn mysql() {
    row("mysql", "MySQL", "MySQL cannot be reached at HOST (mysql.dbAddress): ");
}

#[test]
fn redis() {
    row("redis", "Redis", "Redis cannot be reached at HOST (redis.dbAddress): ");
}

#[test]
fn etcd() {
    row("etcd", "etcd", "etcd cannot be reached at HOST (etcd.etcdAddr): ");
}

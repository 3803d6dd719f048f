//! What all processes of a cluster have to share, names and components, is compared at every start: a process with another
//! one is refused by its key, in a line that says what the cluster has.

use std::process::Output;
use std::thread;

use openim_cluster::testing::Own;

use crate::support::cluster::clustered;
use crate::support::server::{Server, Setup};

const ROLES: [&str; 4] = ["api", "gateway", "transfer", "serve"];

/// One that ends the tests' wait for the dead early.
fn setup() -> Option<Setup> {
    Some(clustered(Setup::new())?.set("OPENIM_CLUSTER_LEASESECONDS", 2))
}

fn look(setup: &Setup) -> Output {
    let file = setup.path("config.yaml");
    std::fs::write(&file, "").expect("written");
    let mut command = setup.clone().role("check-config").arg(&file).command();
    command.arg("--connect").output().expect("the program runs")
}

fn in_role(setup: &Setup, role: &'static str) -> Setup {
    match role {
        "serve" => setup.clone(),
        role => setup.clone().role(role),
    }
}

/// It is refused by a start in that role and by a look, each in one line with all of these.
#[track_caller]
fn assert_refused(setup: &Setup, role: &'static str, needles: &[&str]) {
    in_role(setup, role).refused().assert_one_line_with(needles);
    let output = look(setup);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    needles.iter().for_each(|needle| assert!(said.contains(needle), "{needle}: {said}"));
}

#[track_caller]
fn assert_looks_good(setup: &Setup) {
    let output = look(setup);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_name_that_differs_is_refused_by_its_key() {
    let Some(setup) = setup() else { return };
    let server = setup.clone().start();
    assert_looks_good(&setup);
    let name = setup.setting("OPENIM_CLUSTER_NAME").to_owned();
    let keys = [
        ("ETCD_ETCDSCHEMA", "etcd.etcdSchema"),
        ("MYSQL_DBDATABASENAME", "mysql.dbDatabaseName"),
        ("MONGO_DBDATABASE", "mongo.dbDatabase"),
        ("KAFKA_WS2MSCHAT_TOPIC", "kafka.ws2mschat.topic"),
        ("KAFKA_MS2PSCHAT_TOPIC", "kafka.ms2pschat.topic"),
        ("KAFKA_CONSUMERGROUPID_MSGTOMONGO", "kafka.consumergroupid.msgToMongo"),
        ("KAFKA_CONSUMERGROUPID_MSGTOMYSQL", "kafka.consumergroupid.msgToMySql"),
        ("KAFKA_CONSUMERGROUPID_MSGTOPUSH", "kafka.consumergroupid.msgToPush"),
    ];
    for ((variable, key), role) in keys.into_iter().zip(ROLES.into_iter().cycle()) {
        let other = format!("{name}_{}", variable.to_ascii_lowercase());
        let wrong = setup.clone().set(&format!("OPENIM_{variable}"), &other);
        assert_refused(&wrong, role, &[key, &other, &name, "as the cluster has it"]);
        // Nothing is made by a wrong name.
        let said = String::from_utf8_lossy(&look(&wrong).stdout).into_owned();
        let makes = !key.starts_with("kafka.consumergroupid");
        assert_eq!(said.contains("a start makes it: "), makes, "{key}: {said}");
    }
    assert_looks_good(&setup);
    drop(server);
}

#[test]
fn processes_that_start_first_and_together_agree() {
    let Some(setup) = setup() else { return };
    let started: Vec<Server> = thread::scope(|scope| {
        let starts = ROLES.map(|role| {
            let setup = in_role(&setup, role);
            scope.spawn(move || setup.start())
        });
        starts.map(|start| start.join().expect("it starts")).into_iter().collect()
    });
    let made = |server: &&Server| {
        server.log().iter().any(|line| line.contains("is kept in MongoDB and MySQL from now on"))
    };
    assert_eq!(started.iter().filter(made).count(), 1, "one of them has written it down");
    assert_looks_good(&setup);
}

#[test]
fn a_cluster_of_an_earlier_version_is_taken_over() {
    let Some(setup) = setup() else { return };
    drop(setup.clone().start());
    setup.kept().unclaim();
    let server = setup.clone().start();
    let name = setup.setting("OPENIM_KAFKA_WS2MSCHAT_TOPIC");
    server.logged(&["is kept in MongoDB and MySQL from now on", "kafka.ws2mschat.topic", name]);
    let other = format!("{name}_other");
    let wrong = setup.clone().set("OPENIM_KAFKA_WS2MSCHAT_TOPIC", &other);
    assert_refused(&wrong, "gateway", &["kafka.ws2mschat.topic", &other, name]);
}

/// Of one with the same names, as where an address leads to a test's machine.
#[test]
fn another_component_is_refused_by_its_address() {
    let Some(setup) = setup() else { return };
    let server = setup.clone().start();
    for (component, variable, key) in [
        ("redis", "REDIS_DBADDRESS", "redis.dbAddress"),
        ("etcd", "ETCD_ETCDADDR", "etcd.etcdAddr"),
        ("kafka", "KAFKA_WS2MSCHAT_ADDR", "kafka.ws2mschat.addr"),
    ] {
        let Some(own) = Own::up(component) else { return };
        let wrong = elsewhere(&setup, variable, &own.address());
        assert_refused(&wrong, "gateway", &[key]);
    }
    assert_looks_good(&setup);
    drop(server);
}

/// Or one whose data is gone: to go on would be to begin anew.
#[test]
fn a_database_that_lacks_the_cluster_is_refused_by_its_address() {
    let Some(setup) = setup() else { return };
    drop(setup.clone().start());
    setup.kept().tell_tables("DELETE FROM openim_cluster".to_owned());
    assert_refused(&setup, "transfer", &["mysql.dbAddress", "put its data back"]);
}

/// What is emptied is filled again, and is no other component for that.
#[test]
fn a_redis_that_lost_all_is_no_other() {
    let Some(setup) = setup() else { return };
    let server = setup.clone().role("gateway").start();
    setup.kept().empty_redis();
    assert_looks_good(&setup);
    drop(setup.clone().role("api").start());
    drop(server);
    setup.kept().empty_redis();
    drop(setup.start());
}

#[test]
fn an_operator_goes_over_to_another_log() {
    let Some(setup) = setup() else { return };
    let mut server = setup.clone().start();
    server.logged(&["partitions are shared out"]);
    let mut alice = server.newcomer("alice");
    alice.say("alice", "m-1", "in the old log");
    assert_eq!(alice.newest(), 1);
    alice.close();
    server.terminate();
    assert!(server.exit_status().success());
    let name = setup.setting("OPENIM_KAFKA_WS2MSCHAT_TOPIC").to_owned();
    let topic = format!("{name}_new");
    let setup = setup.set("OPENIM_KAFKA_WS2MSCHAT_TOPIC", &topic);
    setup.clone().refused().assert_one_line_with(&["kafka.ws2mschat.topic", "openim adopt-log"]);
    let adopt = |confirm: bool| {
        let mut command = setup.clone().role("adopt-log").command();
        if confirm {
            command.arg("--confirm");
        }
        let output = command.output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    let (done, said) = adopt(false);
    assert!(!done && said.contains("kafka.ws2mschat.topic") && said.contains(&topic), "{said}");
    setup.clone().refused().assert_one_line_with(&["kafka.ws2mschat.topic"]);
    let (done, said) = adopt(true);
    assert!(done, "{said}");
    let server = setup.clone().start();
    server.logged(&["partitions are shared out"]);
    let alice = server.login("alice", crate::support::platform::IOS);
    let mut alice = server.connect(&alice);
    alice.say("alice", "m-2", "in the new log");
    assert_eq!(alice.newest(), 2);
    alice.close();
    let old = setup.clone().set("OPENIM_KAFKA_WS2MSCHAT_TOPIC", &name);
    assert_refused(&old, "api", &["kafka.ws2mschat.topic", &name, &topic]);
}

/// The same settings, where one component is another one.
fn elsewhere(setup: &Setup, variable: &str, address: &str) -> Setup {
    // user:password@host:port/
    let address = address.split_once("://").map_or(address, |(_, after)| after);
    let (account, host) = address.split_once('@').unwrap_or((":", address));
    let host = host.split('/').next().unwrap_or(host);
    let (_, password) = account.split_once(':').unwrap_or(("", account));
    let setup = setup.clone().set(&format!("OPENIM_{variable}"), host);
    match variable {
        "REDIS_DBADDRESS" => setup.set("OPENIM_REDIS_DBPASSWORD", password),
        "KAFKA_WS2MSCHAT_ADDR" => setup.set("OPENIM_KAFKA_MS2PSCHAT_ADDR", host),
        _ => setup,
    }
}

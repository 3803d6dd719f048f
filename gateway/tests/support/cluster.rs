//! A server of the cluster engine, on the real components that `OPENIM_TEST_` variables name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use openim_cluster::testing::{Kept, Own, component};
use openim_cluster::{Runtime, mysql};

use super::engine::PARTITIONS;
use super::server::Setup;

/// Each component by its variable.
const COMPONENTS: [&str; 5] = ["KAFKA", "MONGODB", "MYSQL", "REDIS", "ETCD"];

/// The settings of a cluster that no other test, and no earlier run, has; `None`, after saying what is left out, where
/// components are missing.
///
/// # Panics
/// In CI, where nothing is left out.
pub(crate) fn clustered(setup: Setup) -> Option<Setup> {
    clustered_on(setup, None)
}

/// The same, where one component is the test's own.
pub(crate) fn clustered_on(setup: Setup, own: Option<&Own>) -> Option<Setup> {
    let mut found = Vec::new();
    for name in COMPONENTS {
        let own = own.filter(|own| own.name().eq_ignore_ascii_case(name));
        found.push(match own {
            Some(own) => own.address(),
            None => component(&format!("OPENIM_TEST_{name}"))?,
        });
    }
    let [kafka, mongodb, mysql, redis, etcd] = &found[..] else { return None };
    static CLUSTERS: AtomicU32 = AtomicU32::new(0);
    let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("t{}x{number}", std::process::id());
    let topics = ["", "_group", "_push", "_new", "_new_group"].map(|end| format!("{name}{end}"));
    let cluster = Arc::new(Cluster(Kept {
        kafka: (kafka.clone(), topics.to_vec()),
        mongodb: (mongodb.clone(), name.clone()),
        mysql: (mysql.clone(), name.clone()),
        redis: (redis.clone(), format!("{name}:")),
    }));
    // user:password@host:port
    let (account, mysql) = after(mysql, "://").split_once('@').expect("an account of MySQL");
    let (user, password) = account.split_once(':').expect("a user and a password");
    let redis = after(redis, "://");
    let (redis_account, redis) = redis.split_once('@').unwrap_or((":", redis));
    Some(
        setup
            .keep(cluster)
            .set("OPENIM_ENGINE", "cluster")
            .set("OPENIM_CLUSTER_NAME", &name)
            .set("OPENIM_CLUSTER_PARTITIONS", PARTITIONS)
            .set("OPENIM_CLUSTER_SECRET", "known to the tests alone")
            .set("OPENIM_ETCD_ETCDSCHEMA", &name)
            .set("OPENIM_ETCD_ETCDADDR", after(etcd, "://"))
            .set("OPENIM_MYSQL_DBADDRESS", mysql)
            .set("OPENIM_MYSQL_DBUSERNAME", user)
            .set("OPENIM_MYSQL_DBPASSWORD", password)
            .set("OPENIM_MYSQL_DBDATABASENAME", &name)
            .set("OPENIM_MONGO_DBADDRESS", host(after(mongodb, "://")))
            .set("OPENIM_MONGO_DBDATABASE", &name)
            .set("OPENIM_REDIS_DBADDRESS", host(redis))
            .set("OPENIM_REDIS_DBPASSWORD", after(redis_account, ":"))
            .set("OPENIM_KAFKA_WS2MSCHAT_ADDR", kafka)
            .set("OPENIM_KAFKA_WS2MSCHAT_TOPIC", &name)
            .set("OPENIM_KAFKA_MS2PSCHAT_ADDR", kafka)
            .set("OPENIM_KAFKA_MS2PSCHAT_TOPIC", format!("{name}_push"))
            .set("OPENIM_KAFKA_CONSUMERGROUPID_MSGTOMONGO", format!("{name}_mongo"))
            .set("OPENIM_KAFKA_CONSUMERGROUPID_MSGTOMYSQL", format!("{name}_mysql"))
            .set("OPENIM_KAFKA_NOTICEPARTITIONS", 1)
            .set("OPENIM_KAFKA_REPLICAS", 1)
            // For tests whose frames may be larger than is usual.
            .set("OPENIM_KAFKA_RECORDBYTESMAX", 2_000_000)
            // One broker has all there is.
            .allow("has one replica")
            // A topic that was made this moment may have no leader yet; it is asked again.
            .allow("Not leader for partition")
            .allow("not all of them have partitions with leaders")
            // A word of librdkafka's own, at DEBUG.
            .allow("facility=\"CONFWARN\"")
            // A process that was killed is in the register for some seconds; one that stops ends its streams.
            .allow("deliveries have no stream")
            .allow("deliveries do not reach")
            // Where a test needs none.
            .allow("no transfer is alive"),
    )
}

/// Where MySQL is, of a cluster that was set up.
pub(crate) fn mysql_options(setup: &Setup) -> mysql::Options {
    let [user, password, address, database] = ["USERNAME", "PASSWORD", "ADDRESS", "DATABASENAME"]
        .map(|end| setup.setting(&format!("OPENIM_MYSQL_DB{end}")).to_owned());
    let url = format!("mysql://{user}:{password}@{address}");
    mysql::Options { url, database, ..mysql::Options::default() }
}

/// What a cluster keeps in the components; it goes with the value.
pub(crate) struct Cluster(Kept);

impl Cluster {
    /// Has the log refuse what is sent to groups, or take it again.
    pub(crate) fn refuse_groups(&self, refuse: bool) {
        let done = self.with(move |kept| async move { kept.refuse_groups(refuse).await });
        assert_eq!(done.flatten(), Some(()), "the topic has another setting");
    }

    /// Changes what the database has.
    pub(crate) fn tell_tables(&self, statement: String) {
        let done = self.with(move |kept| async move { kept.tell_tables(&statement).await });
        assert_eq!(done.flatten(), Some(()), "the statement is carried out");
    }

    /// Forgets all that Redis has of it, as one that is emptied.
    pub(crate) fn empty_redis(&self) {
        let done = self.with(|kept| async move { kept.keys().await });
        assert_eq!(done.flatten(), Some(()), "Redis has nothing of it");
    }

    /// Makes it one of an earlier version, which has not written down what it is made of.
    pub(crate) fn unclaim(&self) {
        let done = self.with(|kept| async move { kept.unclaim().await });
        assert_eq!(done.flatten(), Some(()), "nothing says what it is made of");
    }

    fn with<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        run: impl FnOnce(Kept) -> F,
    ) -> Option<T> {
        let runtime = Runtime::start(1).ok()?;
        let run = run(self.0.clone());
        openim_storage::port::wait(runtime.begin(run).answer())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nothing says what is wrong here: it is left behind, in components that are for tests.
        self.with(|kept| async move { kept.forget().await });
    }
}

fn after<'t>(text: &'t str, mark: &str) -> &'t str {
    text.split_once(mark).map_or(text, |(_, after)| after)
}

fn host(text: &str) -> &str {
    text.split('/').next().unwrap_or(text)
}

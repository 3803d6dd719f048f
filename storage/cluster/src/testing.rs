//! Test aids: the components that tests are given, ones of a test's own, and that what a cluster of a test's own keeps in
//! them goes again. Behind the feature `testing`, and never in the product.
//!
//! In: where the components are, and the names of what is there. Never: anything of another cluster.

mod own;

use std::future::Future;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};

pub use self::own::{Own, Stalled};

/// How long one component may take.
const WAIT: Duration = Duration::from_secs(20);

/// The address in an `OPENIM_TEST_` variable. `None`, after saying what is left out, where there is none.
///
/// # Panics
/// In CI, where nothing is left out.
#[must_use]
pub fn component(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok().filter(|address| !address.is_empty());
    if address.is_none() {
        let missing =
            format!("{variable} is not set: `scripts/components up` starts what it names");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        println!("!!! LEFT OUT: {test}: {missing}");
    }
    address
}

/// What one cluster keeps.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `host:port`, and the topics there.
    pub kafka: (String, Vec<String>),
    /// The URL, and the database.
    pub mongodb: (String, String),
    /// The URL, and the database.
    pub mysql: (String, String),
    /// The URL, and how its keys begin.
    pub redis: (String, String),
}

impl Kept {
    /// Removes all of it; a component that is away keeps its part. What etcd has is a short entry, or ends with a lease.
    pub async fn forget(&self) {
        tokio::join!(
            within(Box::pin(self.topics())),
            within(Box::pin(self.inboxes())),
            within(Box::pin(self.tables())),
            within(Box::pin(self.keys()))
        );
    }

    async fn topics(&self) -> Option<()> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka.0);
        let admin: AdminClient<DefaultClientContext> = config.create().ok()?;
        let names: Vec<&str> = self.kafka.1.iter().map(String::as_str).collect();
        admin.delete_topics(&names, &AdminOptions::new()).await.map(drop).ok()
    }

    /// Has the brokers refuse what is sent to groups, or take it again.
    pub async fn refuse_groups(&self, refuse: bool) -> Option<()> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.kafka.0);
        let admin: AdminClient<DefaultClientContext> = config.create().ok()?;
        let topic = self.kafka.1.iter().find(|topic| topic.ends_with("_group"))?;
        let bytes = if refuse { "1" } else { "100000000" };
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic))
            .set("message.timestamp.type", "LogAppendTime")
            .set("max.message.bytes", bytes);
        let changed = admin.alter_configs([&change], &AdminOptions::new()).await.ok()?;
        changed.into_iter().all(|changed| changed.is_ok()).then_some(())
    }

    /// Carries out a statement in the database.
    pub async fn tell_tables(&self, statement: &str) -> Option<()> {
        let mut connection = MySqlConnection::connect(&self.mysql.0).await.ok()?;
        connection.execute(AssertSqlSafe(format!("USE {}", self.mysql.1))).await.ok()?;
        connection.execute(AssertSqlSafe(statement.to_owned())).await.map(drop).ok()
    }

    /// Takes away what says of which names and components the cluster is made, as one of an earlier version has none.
    pub async fn unclaim(&self) -> Option<()> {
        self.tell_tables("DROP TABLE openim_cluster").await?;
        self.tell_tables("UPDATE openim_schema SET version = 3").await?;
        let client = mongodb::Client::with_uri_str(&self.mongodb.0).await.ok()?;
        let meta = client.database(&self.mongodb.1).collection::<mongodb::bson::Document>("meta");
        let unset = mongodb::bson::doc! { "$unset": { "claim": 1 } };
        let found = meta.update_one(mongodb::bson::doc! { "_id": "cluster" }, unset).await.ok()?;
        (found.modified_count == 1).then_some(())
    }

    async fn inboxes(&self) -> Option<()> {
        let client = mongodb::Client::with_uri_str(&self.mongodb.0).await.ok()?;
        client.database(&self.mongodb.1).drop().await.ok()
    }

    async fn tables(&self) -> Option<()> {
        let mut connection = MySqlConnection::connect(&self.mysql.0).await.ok()?;
        let drop_it = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {}", self.mysql.1));
        connection.execute(drop_it).await.map(drop).ok()
    }

    /// Forgets all that Redis has of it.
    pub async fn keys(&self) -> Option<()> {
        const SCRIPT: &str = "local c = '0' repeat local r = redis.call('SCAN', c, 'MATCH', ARGV[1], 'COUNT', 1000) \
            c = r[1] if #r[2] > 0 then redis.call('UNLINK', unpack(r[2])) end until c == '0'";
        let client = redis::Client::open(&self.redis.0[..]).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        let pattern = format!("{}*", self.redis.1);
        redis::Script::new(SCRIPT).arg(pattern).invoke_async::<()>(&mut connection).await.ok()
    }
}

/// A component that hangs holds up no test.
async fn within(one: impl Future<Output = Option<()>>) {
    drop(tokio::time::timeout(WAIT, one).await);
}

//! The five components of a cluster, real ones on this machine: those that are up, or those that are brought up here and
//! taken down again. `scripts/components` does both; `OPENIM_COMPONENTS_DIR` says where they are.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::lab::said;
use crate::options::root;

const FIVE: [&str; 5] = ["kafka", "mongodb", "mysql", "redis", "etcd"];

/// Components that are up.
pub(crate) struct Components {
    folder: PathBuf,
    /// Whether they are taken down in the end.
    ours: bool,
    /// As tests find them, in the order of [`FIVE`].
    addresses: Vec<String>,
}

impl Components {
    /// Has them up.
    pub(crate) fn up() -> anyhow::Result<Self> {
        let folder = match std::env::var_os("OPENIM_COMPONENTS_DIR") {
            Some(given) => std::path::absolute(PathBuf::from(given))?,
            None => root().join(".components"),
        };
        let ours =
            !script("status")?.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success();
        if ours && !script("up")?.status().context("scripts/components")?.success() {
            bail!("scripts/components up failed");
        }
        let mut components = Self { folder, ours, addresses: Vec::new() };
        let text = said(&mut script("env")?)?;
        for name in FIVE {
            // export SOMETHING_KAFKA='127.0.0.1:9092'
            let end = format!("_{}", name.to_uppercase());
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let address = lines.find(|(key, _)| key.ends_with(&end)).map(|(_, address)| address);
            let address =
                address.with_context(|| format!("scripts/components env has no {name}"))?;
            components.addresses.push(address.trim_matches('\'').to_owned());
        }
        Ok(components)
    }

    /// Each by its process.
    pub(crate) fn processes(&self) -> anyhow::Result<Vec<(String, u32)>> {
        let process = |name: &str| -> anyhow::Result<(String, u32)> {
            let file = self.folder.join(format!("{name}.pid"));
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let pid = text.split_whitespace().next().unwrap_or_default();
            Ok((name.to_owned(), pid.parse().with_context(|| file.display().to_string())?))
        };
        FIVE.iter().map(|name| process(name)).collect()
    }

    /// The settings of cluster `name`, which shares nothing with another one. They hold passwords of the components.
    pub(crate) fn settings(
        &self,
        name: &str,
        secret: &str,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let [kafka, mongodb, mysql, redis, etcd] = &self.addresses[..] else {
            bail!("scripts/components env names other components");
        };
        let (mysql_account, mysql) = split(mysql);
        let (redis_account, redis) = split(redis);
        let named = |end: &str| format!("{name}{end}");
        let settings = [
            ("ENGINE", "cluster".to_owned()),
            ("SECRET", secret.to_owned()),
            ("TOKENPOLICY_ACCESSSECRET", "of-tokens-that-are-measured".to_owned()),
            ("CLUSTER_NAME", name.to_owned()),
            ("CLUSTER_SECRET", "between-processes-that-are-measured".to_owned()),
            ("ETCD_ETCDSCHEMA", name.to_owned()),
            ("ETCD_ETCDADDR", split(etcd).1.to_owned()),
            ("MYSQL_DBADDRESS", mysql.to_owned()),
            ("MYSQL_DBUSERNAME", mysql_account.0.to_owned()),
            ("MYSQL_DBPASSWORD", mysql_account.1.to_owned()),
            ("MYSQL_DBDATABASENAME", name.to_owned()),
            ("MONGO_DBADDRESS", split(mongodb).1.to_owned()),
            ("MONGO_DBDATABASE", name.to_owned()),
            ("REDIS_DBADDRESS", redis.to_owned()),
            ("REDIS_DBPASSWORD", redis_account.1.to_owned()),
            ("KAFKA_WS2MSCHAT_ADDR", kafka.clone()),
            ("KAFKA_WS2MSCHAT_TOPIC", named("_chat")),
            ("KAFKA_MS2PSCHAT_ADDR", kafka.clone()),
            ("KAFKA_MS2PSCHAT_TOPIC", named("_push")),
            ("KAFKA_CONSUMERGROUPID_MSGTOMONGO", named("_mongo")),
            ("KAFKA_CONSUMERGROUPID_MSGTOMYSQL", named("_mysql")),
            // One broker has all there is.
            ("KAFKA_REPLICAS", "1".to_owned()),
        ];
        Ok(settings.map(|(key, value)| (format!("OPENIM_{key}"), value)).to_vec())
    }
}

impl Drop for Components {
    fn drop(&mut self) {
        if self.ours {
            // Where it fails it says so.
            script("down").and_then(|mut down| Ok(down.stdout(Stdio::null()).status()?)).ok();
        }
    }
}

fn script(word: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(root().canonicalize()?.join("scripts/components"));
    command.arg(word);
    Ok(command)
}

/// `scheme://user:password@host:port/path` as user and password, and host and port.
fn split(url: &str) -> ((&str, &str), &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (account, rest) = rest.rsplit_once('@').unwrap_or((":", rest));
    let host = rest.split('/').next().unwrap_or(rest);
    (account.split_once(':').unwrap_or((account, "")), host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_account_and_host() {
        assert_eq!(split("mysql://u:p@h:1"), (("u", "p"), "h:1"));
        assert_eq!(split("redis://:p@h:1"), (("", "p"), "h:1"));
        assert_eq!(split("mongodb://h:1/?directConnection=true"), (("", ""), "h:1"));
        assert_eq!(split("h:1"), (("", ""), "h:1"));
    }

    #[test]
    fn a_cluster_has_names_of_its_own() {
        let addresses =
            ["k:1", "mongodb://m:2/", "mysql://u:p@y:3", "redis://:q@r:4", "http://e:5"];
        let components = Components {
            folder: PathBuf::new(),
            ours: false,
            addresses: addresses.map(str::to_owned).to_vec(),
        };
        let settings = components.settings("f7", "s").unwrap();
        let of = |key: &str| {
            let found = settings.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(of("OPENIM_MYSQL_DBPASSWORD"), Some("p"));
        assert_eq!(of("OPENIM_REDIS_DBADDRESS"), Some("r:4"));
        assert_eq!(of("OPENIM_ETCD_ETCDADDR"), Some("e:5"));
        assert_eq!(of("OPENIM_KAFKA_WS2MSCHAT_TOPIC"), Some("f7_chat"));
    }
}

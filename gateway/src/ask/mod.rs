//! Commands that ask a running server what its console tells, and act as its operators do.
//!
//! In: settings and data directory of the server. Out: text for people, or the answer of the console's API as it is. They show
//! `admin.secret` at the operators' port, so each act is in the audit as one of the console is. Never: reads or changes data by
//! itself.

mod acts;
mod groups;
mod messages;
mod sheet;
mod top;
mod users;

use std::io;
use std::path::Path;

use anyhow::{anyhow, bail};
use openim_config::{Config, Secret};
use serde_json::Value;

pub use self::acts::{Act, act, until};
pub use self::groups::group;
pub use self::messages::{Inbox, messages};
pub use self::top::{Sort, Top, top};
pub use self::users::{find, one};
use crate::query::escaped;
use crate::secrets;
use crate::visit::{Answer, Elsewhere, Place, speaks_no_tls};

/// The console of a running server.
pub struct Desk {
    place: Place,
    secret: Secret,
    /// Whether answers are printed as they come.
    as_json: bool,
}

impl Desk {
    /// That of the server with these settings, on this machine, or of the one that is named.
    ///
    /// # Errors
    /// One line: it cannot be found, or its secret is not here.
    pub fn of(
        config: &Config,
        data_dir: &Path,
        elsewhere: &Elsewhere,
        as_json: bool,
    ) -> anyhow::Result<Self> {
        let place = match elsewhere.place(config).map_err(anyhow::Error::msg)? {
            Some(place) => place,
            None if config.admin.listen.port() == 0 => {
                bail!("admin.listen has port 0: nobody knows the port; set one")
            }
            None => Place::of_operators(config).map_err(anyhow::Error::msg)?,
        };
        let secret = secrets::to_ask(config, data_dir)?.ok_or_else(|| {
            if let Some(url) = &elsewhere.from {
                return anyhow!("set OPENIM_ADMIN_SECRET to the admin.secret of {url}");
            }
            let dir = data_dir.display();
            anyhow!("{dir}: the file admin_secret is not here; give the server's --config or --data-dir, and run this as its user")
        })?;
        Ok(Self { place, secret, as_json })
    }

    fn ask(&self, question: &str, asked: &[(&str, &str)]) -> anyhow::Result<Value> {
        let pairs: Vec<String> =
            asked.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.call("GET", &format!("{question}?{}", pairs.join("&")), b"")
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<Value> {
        let (path, shown) = (api(path), self.shown());
        let answer = self.place.call(method, &path, &[("authorization", &shown)], body);
        let answer = answer.map_err(|cause| self.unanswered(cause))?;
        self.understands(&answer)?;
        told(&answer)
    }

    /// Refuses an answer that says that it was asked without TLS.
    fn understands(&self, answer: &Answer) -> anyhow::Result<()> {
        if answer.wants_tls() {
            bail!(
                "{}: it speaks TLS there; give the --config that the server runs with (tls.operators), or --from https://",
                self.place.url()
            );
        }
        Ok(())
    }

    fn shown(&self) -> String {
        format!("Bearer {}", self.secret.expose())
    }

    /// Why there is no answer.
    fn unanswered(&self, cause: io::Error) -> anyhow::Error {
        let url = self.place.url();
        match speaks_no_tls(&cause) {
            true => anyhow!(
                "{url}: whoever is there speaks no TLS; give the --config that the server runs with (tls.operators), or --from \
                 http://"
            ),
            false => anyhow!(cause)
                .context(format!("{url}: no server answers (admin.listen); it must run")),
        }
    }
}

fn api(path: &str) -> String {
    format!("/console/api/{path}")
}

/// What a good answer says; of another one why it is none.
fn told(answer: &Answer) -> anyhow::Result<Value> {
    let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let Some(told) = told else {
        bail!(
            "no console is there (status {}): console.on is off, or this is a standby, or no openim",
            answer.status
        );
    };
    match (answer.status, told["error"].as_str()) {
        (200, None) => Ok(told),
        (403, Some("wrong")) => bail!("admin.secret is not that of the server that runs"),
        (status, _) => {
            let why = told["text"].as_str().unwrap_or("it gives no reason");
            bail!("{} (status {status})", sheet::plain(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_an_answer_is_none_is_told() {
        let answer = |status, body: &str| {
            let body = body.to_owned().into();
            told(&Answer { status, body, ..Answer::default() })
        };
        assert_eq!(answer(200, "{\"a\":1}").unwrap()["a"], 1);
        for (status, body, words) in [
            (404, "not found", "console.on is off"),
            (403, "{\"error\":\"wrong\",\"text\":\"no\"}", "admin.secret is not that"),
            (
                404,
                "{\"error\":\"unknown\",\"text\":\"no such\\u001b user\"}",
                "no such\u{fffd} user",
            ),
            (503, "{}", "it gives no reason (status 503)"),
        ] {
            let why = answer(status, body).unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
    }
}

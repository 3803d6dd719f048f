//! `openim token`: a token of a user who is there, for trying things out.
//!
//! In: a uid, and the settings and data directory of a running server. Out: the token, which the server gives as it would to any
//! caller of `/auth/user_token`, with its line in the audit. Never: signs one itself, so no rule about logins is passed by.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use openim_config::Config;
use serde_json::{Value, json};

use crate::visit::{Place, speaks_no_tls};
use crate::{console, secrets};

/// Who is to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub uid: String,
    /// The platform, 1 to 7.
    pub platform: u8,
}

/// Asks the server of these settings, and prints the token.
///
/// # Errors
/// One line: no server answers, or it gives none, and why.
pub fn run(config: &Config, data_dir: &Path, holder: &Holder, as_json: bool) -> anyhow::Result<()> {
    let secret = secrets::of_callers(config, data_dir)?;
    let secret = secret.ok_or_else(|| {
        let dir = data_dir.display();
        anyhow!("{dir}: the server's secret is not here; give its --config or --data-dir, and run this as its user")
    })?;
    let place = rest(config)?;
    let Holder { uid, platform } = holder;
    let asked = json!({
        "secret": secret.expose(), "platform": platform, "uid": uid, "operationID": "openim token",
    });
    let headers = [("content-type", "application/json")];
    let answer = place.call("POST", "/auth/user_token", &headers, asked.to_string().as_bytes());
    let answer = answer.map_err(|cause| {
        let url = place.url();
        match speaks_no_tls(&cause) {
            true => anyhow!(
                "{url}: whoever is there speaks no TLS, and these settings have a certificate; give the --config that the server \
                 runs with"
            ),
            false => anyhow!(cause)
                .context(format!("{url}: no server answers (api.openImApiPort); it must run")),
        }
    })?;
    if answer.wants_tls() {
        bail!(
            "{}: the server there speaks TLS, and these settings have none; give the --config that it runs with",
            place.url()
        );
    }
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let token = told["data"]["token"].as_str().filter(|token| !token.is_empty());
    let Some(token) = token else {
        let (code, what) = (&told["errCode"], told["errMsg"].as_str().unwrap_or("no reason given"));
        bail!(
            "{uid}: the server gives no token: {what} (status {}, errCode {code}); a user is registered by /auth/user_register",
            answer.status
        );
    };
    let until = &told["data"]["expiredTime"];
    console::print(&match as_json {
        true => format!(
            "{}\n",
            json!({ "uid": uid, "platform": platform, "token": token, "expiredTime": until })
        ),
        false => format!("{token}\n"),
    })
}

/// REST of the server of these settings, on this machine.
fn rest(config: &Config) -> anyhow::Result<Place> {
    let port = config.api.port.iter().copied().find(|port| *port != 0);
    let port = port.context("api.openImApiPort is 0: nobody knows the port; set one")?;
    Place::of_clients(config, port).map_err(anyhow::Error::msg)
}

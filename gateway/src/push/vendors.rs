//! The services of `push`, as they are configured; what is wrong with one stops the start in a line.

use std::time::Duration;

use anyhow::{Context as _, bail};
use openim_config::{Config, Endpoint, Push, TpnsApp, TpnsEnvironment};
use openim_push::{Apns, Fcm, Options, Tpns, TpnsSystem, Vendor, Webhook};

const APPLE: &str = "https://api.push.apple.com";
const APPLE_SANDBOX: &str = "https://api.sandbox.push.apple.com";

/// Whether anybody is told of anything.
pub(crate) const fn is_wanted(config: &Config) -> bool {
    config.push.offline_push
}

/// Bounds of the sender.
pub(crate) fn options(push: &Push) -> Options {
    let options = Options {
        per_second: push.per_second,
        max_age: Duration::from_secs(push.max_age_seconds),
        waiting_max: push.waiting_max,
        ..Options::default()
    };
    #[cfg(feature = "testing")]
    let options = crate::testing::hasten_push(options);
    options
}

/// The services.
///
/// # Errors
/// One line of what is wrong, by its key.
pub(crate) fn vendors(push: &Push) -> anyhow::Result<Vec<Vendor>> {
    let mut vendors = Vec::new();
    let apps = [(TpnsSystem::Ios, &push.tpns.ios), (TpnsSystem::Android, &push.tpns.android)];
    for (system, TpnsApp { access_id, secret_key }) in apps {
        if access_id.is_empty() {
            continue;
        }
        let environment = match push.tpns.environment {
            TpnsEnvironment::Product => "product",
            TpnsEnvironment::Dev => "dev",
        };
        vendors.push(Vendor::Tpns(Tpns {
            system,
            url: url(&push.tpns.endpoint),
            access_id: access_id.clone(),
            secret_key: secret_key.expose().to_owned(),
            environment: environment.to_owned(),
        }));
    }
    if !push.fcm.service_account_file.is_empty() {
        let key = "push.fcm.serviceAccountFile";
        let file = &push.fcm.service_account_file;
        let fcm = Fcm::new(url(&push.fcm.endpoint), &read(key, file)?);
        let fcm = fcm.with_context(|| format!("{key}: {file} cannot be used"))?;
        vendors.push(Vendor::Fcm(Box::new(fcm)));
    }
    if !push.apns.key_file.is_empty() {
        vendors.push(apns(push)?);
    }
    if !push.webhook.url.is_empty() {
        if push.webhook.secret.expose().is_empty() {
            bail!(
                "push.webhook.secret: must be set with push.webhook.url: the service knows this server by it"
            );
        }
        let (url, secret) = (push.webhook.url.clone(), push.webhook.secret.expose().to_owned());
        vendors.push(Vendor::Webhook(Webhook { url, secret }));
    }
    if vendors.is_empty() {
        bail!(
            "push.offlinePush is on, but no service is set: set one of push.tpns, push.fcm, push.apns and \
             push.webhook, or turn it off"
        );
    }
    Ok(vendors)
}

fn apns(push: &Push) -> anyhow::Result<Vendor> {
    let apns = &push.apns;
    for (name, value) in
        [("keyID", &apns.key_id), ("teamID", &apns.team_id), ("topic", &apns.topic)]
    {
        if value.is_empty() {
            bail!("push.apns.{name}: must be set with push.apns.keyFile");
        }
    }
    let url = match (apns.endpoint.as_str(), apns.sandbox) {
        ("", false) => APPLE.to_owned(),
        ("", true) => APPLE_SANDBOX.to_owned(),
        (given, _) => given.trim_end_matches('/').to_owned(),
    };
    let names = (apns.key_id.clone(), apns.team_id.clone(), apns.topic.clone());
    let max_age_s = i64::try_from(push.max_age_seconds).unwrap_or(i64::MAX);
    let key = "push.apns.keyFile";
    let made = Apns::new(url, &read(key, &apns.key_file)?, names, max_age_s);
    let made = made.with_context(|| format!("{key}: {} cannot be used", apns.key_file))?;
    Ok(Vendor::Apns(Box::new(made)))
}

fn read(key: &str, file: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{key}: {file} cannot be read"))
}

fn url(endpoint: &Endpoint) -> String {
    let scheme = if endpoint.is_secure() { "https" } else { "http" };
    format!("{scheme}://{}", endpoint.authority())
}

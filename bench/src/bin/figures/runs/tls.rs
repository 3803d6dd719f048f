//! Links with TLS: what an idle one takes, and how many handshakes a core makes.

use anyhow::Context as _;
use openim_bench::Setup;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::path::Path;

use super::{Measured, figure, figures, rounded};
use crate::lab::Lab;
use crate::options::Options;

/// Once with a signature for each link, once by tickets; each on a server that has done nothing else. Its users come from
/// an earlier life, so that no memory which registering them left free hides what the links take.
pub(crate) fn links(lab: &Lab, options: &Options) -> anyhow::Result<Measured> {
    let folder = lab.folder()?;
    let plain = lab.setup(&folder);
    let links = options.links();
    let server = plain.start()?;
    lab.load(&folder, &server, &format!("connect --links {links} --hold 0"))?;
    drop(server);
    certificate(folder.path())?;
    let setup =
        plain.env("OPENIM_TLS_CERTFILE", "certificate.pem").env("OPENIM_TLS_KEYFILE", "key.pem");
    let hold = options.unless_quick(10, 2);
    let command = format!("connect --links {links} --hold {hold} --probe --ca certificate.pem");
    let run = |setup: &Setup, more: &str| -> anyhow::Result<Value> {
        let server = setup.start()?;
        lab.load(&folder, &server, &format!("{command}{more}"))
    };
    let (signed, resumed) = (run(&setup, "")?, run(&setup, " --resume")?);
    let mut values = figures(
        &signed,
        &[
            ("private_bytes_per_link", "server_private_bytes_per_link", 1.0),
            ("idle_core_percent", "server_idle_core_percent", 1.0),
        ],
    )?;
    for (key, result) in [("signed_per_core_s", &signed), ("resumed_per_core_s", &resumed)] {
        let cpu_us = figure(result, "server_cpu_us_per_handshake")?;
        values.push((key.to_owned(), rounded(1e6 / cpu_us)));
    }
    let share = figure(&resumed, "resumed")? / figure(&resumed, "opened")?;
    values.push(("resumed_percent".to_owned(), rounded(share * 100.0)));
    let command = format!("openim-loadtest {command}; the same with --resume");
    let raw = json!({"signed": signed, "resumed": resumed});
    Ok(Measured { server: setup.command_line(), command, values, raw })
}

/// A certificate of loopback that vouches for itself, and its key.
fn certificate(folder: &Path) -> anyhow::Result<()> {
    let key = KeyPair::generate().context("a key")?;
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).context("a certificate")?;
    let made = params.self_signed(&key).context("a certificate")?;
    std::fs::write(folder.join("certificate.pem"), made.pem()).context("the certificate")?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).context("the key")
}

//! The users of a run: names, tokens, and which link belongs to which user and platform.
//!
//! In: the REST address and the register secret. Out: a [`Roster`] with a token for each user.
//! A user that exists already gets a fresh token instead. Never prints a token or the secret.

use crate::calls::{Calls, Source};
use crate::clock::Clock;
use crate::envelope::quoted;
use crate::http::{self, Address, TokenAnswer};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::Duration;

/// Calls at once while registering; more only queue up in the server.
const CONNECTIONS: usize = 64;
/// Attempts per user before the run is given up.
const ATTEMPTS_MAX: u8 = 5;

/// The server's codes for a wrong secret, and for a body that it will never take.
const NOT_AUTHORIZED: i64 = 401;
const MALFORMED: i64 = 400;

/// One user who can log in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// User id.
    pub(crate) uid: String,
    /// Login token.
    pub(crate) token: String,
}

/// Users in the order of their links.
#[derive(Debug)]
pub(crate) struct Roster {
    accounts: Vec<Account>,
    /// Links of each user, each on a platform of its own.
    platforms: u8,
    platform: u8,
}

impl Roster {
    /// User and platform of link `index`.
    pub(crate) fn link(&self, index: usize) -> (&Account, u8) {
        let per_user = usize::from(self.platforms);
        let platform = if per_user == 1 { self.platform } else { 1 + (index % per_user) as u8 };
        (&self.accounts[index / per_user], platform)
    }

    /// All users.
    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }
}

/// What registering needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Registrar {
    /// REST address.
    pub(crate) rest: Address,
    /// The server's register secret.
    pub(crate) secret: String,
    /// Platform the tokens are for.
    pub(crate) platform: u8,
    /// Limit per call.
    pub(crate) timeout: Duration,
}

impl Registrar {
    /// The secret as given, or from the data directory of a server on this machine.
    pub(crate) fn secret(given: Option<&str>, data_dir: &str) -> anyhow::Result<String> {
        if let Some(secret) = given {
            return Ok(secret.to_owned());
        }
        let path = Path::new(data_dir).join("secret");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "no --secret, and cannot read {}: give --secret, or --data-dir of the server",
                path.display()
            )
        })?;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Gives each of `uids` a token, registering those that do not exist.
    pub(crate) fn enrol(
        &self,
        uids: Vec<String>,
        platforms: u8,
        clock: Clock,
    ) -> anyhow::Result<Roster> {
        let accounts = uids.into_iter().map(|uid| Account { uid, token: String::new() }).collect();
        let mut enrolment = Enrolment {
            registrar: self,
            accounts,
            fresh: 0,
            known: 1,
            again: Vec::new(),
            attempts: Vec::new(),
            body: Vec::new(),
            refused: None,
        };
        enrolment.attempts = vec![0; enrolment.accounts.len()];
        let call = |enrolment: &mut Enrolment<'_>, connections| {
            let calls = Calls::new(self.rest.clone(), connections, self.timeout, clock);
            calls.and_then(|mut calls| calls.run(enrolment))
        };
        // The first one alone: a wrong secret is then one for the server, not one by the dozen, for which it would
        // refuse this machine for a while.
        let mut outcome = call(&mut enrolment, 1);
        enrolment.known = enrolment.accounts.len();
        if outcome.is_ok() && enrolment.refused.is_none() && enrolment.fresh < enrolment.known {
            let connections = CONNECTIONS.min(enrolment.known - enrolment.fresh);
            outcome = call(&mut enrolment, connections);
        }
        if let Some(why) = enrolment.refused {
            bail!("registering users at {} failed: {why}", self.rest.host);
        }
        outcome?;
        Ok(Roster {
            accounts: enrolment.accounts,
            platforms: platforms.max(1),
            platform: self.platform,
        })
    }
}

/// What may help with a refusal that the server itself gave.
fn advice(code: i64) -> &'static str {
    match code {
        NOT_AUTHORIZED => " (--secret or --data-dir is for the server's secret)",
        _ => "",
    }
}

/// Registering in progress. A call's id is the account's index times two, plus one when it asks
/// for a token only.
struct Enrolment<'a> {
    registrar: &'a Registrar,
    accounts: Vec<Account>,
    fresh: usize,
    /// Accounts that may be asked for.
    known: usize,
    again: Vec<usize>,
    attempts: Vec<u8>,
    body: Vec<u8>,
    refused: Option<String>,
}

impl Enrolment<'_> {
    /// Gives up: the server has said what no repetition changes.
    fn refuse(&mut self, id: usize, why: &str) {
        self.refused.get_or_insert_with(|| format!("{}: {why}", self.accounts[id / 2].uid));
    }

    /// Tries again, with the other route if the user turned out to exist.
    fn retry(&mut self, id: usize, why: &str) {
        let attempts = &mut self.attempts[id / 2];
        *attempts += 1;
        if *attempts >= ATTEMPTS_MAX {
            self.refuse(id, why);
        } else {
            self.again.push(id);
        }
    }
}

impl Source for Enrolment<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        if self.refused.is_some() {
            return None;
        }
        let id = match self.again.pop() {
            Some(id) => id,
            None if self.fresh < self.known => {
                self.fresh += 1;
                (self.fresh - 1) * 2
            }
            None => return None,
        };
        let uid = quoted(&self.accounts[id / 2].uid);
        let secret = quoted(&self.registrar.secret);
        let platform = self.registrar.platform;
        let (path, name) = match id % 2 {
            0 => ("/auth/user_register", format!(",\"name\":{uid}")),
            _ => ("/auth/user_token", String::new()),
        };
        self.body.clear();
        self.body.extend_from_slice(
            format!("{{\"secret\":{secret},\"platform\":{platform},\"uid\":{uid}{name}}}")
                .as_bytes(),
        );
        http::post(out, &self.registrar.rest.host, path, None, &self.body);
        Some(id)
    }

    fn answered(&mut self, id: usize, status: u16, body: &[u8], _took_ns: u64) {
        let answer: TokenAnswer<'_> = match serde_json::from_slice(body) {
            Ok(answer) => answer,
            Err(_) => return self.retry(id, &format!("HTTP {status} without a JSON body")),
        };
        let token = answer.data.map(|data| data.token).unwrap_or_default();
        if answer.code == 0 && !token.is_empty() {
            self.accounts[id / 2].token = token;
            return;
        }
        let code = answer.code;
        let why = format!("HTTP {status}, errCode {code} {}{}", answer.text, advice(code));
        match code {
            NOT_AUTHORIZED | MALFORMED => self.refuse(id, &why),
            _ => self.retry(id | 1, &why),
        }
    }

    fn failed(&mut self, id: usize, why: &str) {
        self.retry(id, &format!("{why} (--rest is where the server's REST listens)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(platforms: u8) -> Roster {
        let account = |uid: &str| Account { uid: uid.to_owned(), token: String::new() };
        Roster { accounts: vec![account("a"), account("b")], platforms, platform: 5 }
    }

    #[test]
    fn one_link_per_user_is_on_the_platform_asked_for() {
        let roster = roster(1);
        assert_eq!((roster.link(1).0.uid.as_str(), roster.link(1).1), ("b", 5));
    }

    #[test]
    fn several_links_per_user_take_a_platform_each() {
        let roster = roster(7);
        let platforms: Vec<_> = (0..7).map(|index| roster.link(index).1).collect();
        assert_eq!(platforms, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((roster.link(7).0.uid.as_str(), roster.link(7).1), ("b", 1));
    }

    #[test]
    fn the_secret_is_given_or_read_from_the_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s3cret\n").unwrap();
        let path = dir.path().to_str().unwrap();
        assert_eq!(Registrar::secret(None, path).unwrap(), "s3cret");
        assert_eq!(Registrar::secret(Some("x"), path).unwrap(), "x");
        let error = Registrar::secret(None, "/nonexistent").unwrap_err().to_string();
        assert!(error.contains("--secret"));
    }
}

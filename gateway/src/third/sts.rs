//! The STS as one shard sees it: one question at a time, and its answer is good for a while.
//!
//! Whoever asks meanwhile waits for the same answer. Nobody who calls the route must prove who they are,
//! so failures are kept too, for a moment: they neither flood the service nor the log.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_config::Tencent;
use openim_workers::Clock;
use tokio::sync::Notify;

use super::client::{AskFailed, Client, Post};
use super::credential::{self, Credential, CredentialError};
use super::tencent;
use crate::metrics::{CredentialOutcome, ShardMetrics};

/// How long a credential is handed out.
const CREDENTIAL_MS: u64 = 10_000;
/// How long a failure is.
const FAILURE_MS: u64 = 1_000;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A credential or why there is none, shared by all who waited for it.
type Outcome = Rc<Result<Credential, CredentialError>>;

struct Held {
    outcome: Outcome,
    until_ms: u64,
}

/// See the module.
pub(crate) struct Sts {
    account: Tencent,
    clock: Arc<Clock>,
    metrics: Arc<ShardMetrics>,
    client: OnceCell<Client>,
    held: RefCell<Option<Held>>,
    asking: Cell<bool>,
    answered: Notify,
}

impl Sts {
    pub(crate) fn new(account: Tencent, clock: Arc<Clock>, metrics: Arc<ShardMetrics>) -> Self {
        Self {
            account,
            clock,
            metrics,
            client: OnceCell::new(),
            held: RefCell::new(None),
            asking: Cell::new(false),
            answered: Notify::new(),
        }
    }

    /// For another account.
    pub(crate) fn of(&self, account: Tencent) -> Self {
        Self::new(account, Arc::clone(&self.clock), Arc::clone(&self.metrics))
    }

    /// Whose bucket it is for.
    pub(crate) fn account(&self) -> &Tencent {
        &self.account
    }

    fn now_ms(&self) -> u64 {
        self.clock.read().mono_ms
    }

    fn held(&self, now_ms: u64) -> Option<Outcome> {
        let held = self.held.borrow();
        held.as_ref().filter(|held| now_ms < held.until_ms).map(|held| Rc::clone(&held.outcome))
    }

    fn keep(&self, outcome: Result<Credential, CredentialError>, now_ms: u64) {
        let kept_ms = if outcome.is_ok() { CREDENTIAL_MS } else { FAILURE_MS };
        let held = Held { outcome: Rc::new(outcome), until_ms: now_ms + kept_ms };
        *self.held.borrow_mut() = Some(held);
    }

    /// Asks the service; ends within its time.
    async fn ask(&self, unix_s: i64) -> Result<Credential, CredentialError> {
        let unreachable = |cause: String| CredentialError::Unreachable { cause };
        let mut nonce = [0; 4];
        getrandom::fill(&mut nonce).map_err(|cause| {
            unreachable(format!("the system gives no random numbers ({cause})"))
        })?;
        let form = tencent::form(&self.account, unix_s, u32::from_ne_bytes(nonce));
        let endpoint = &self.account.endpoint;
        let client = self.client.get_or_init(|| Client::new(endpoint.clone(), ANSWER_BYTES_MAX));
        let time = Duration::from_secs(self.account.timeout_seconds);
        let (content_type, body) = ("application/x-www-form-urlencoded", form.into());
        let post = Post { path: "/", content_type, headers: &[], body };
        match tokio::time::timeout(time, Box::pin(client.post(&post))).await {
            Ok(Ok(reply)) => credential::read(reply.status, &reply.body),
            Ok(Err(cause @ AskFailed::Large(_))) => {
                Err(CredentialError::Malformed { cause: cause.to_string() })
            }
            Ok(Err(cause)) => Err(unreachable(format!("{endpoint}: {cause}"))),
            Err(_) => {
                Err(unreachable(format!("{endpoint}: no answer within {} s", time.as_secs())))
            }
        }
    }
}

/// A credential that is at most ten seconds old.
pub(crate) async fn credential(sts: &Rc<Sts>) -> Outcome {
    if let Some(missing) = missing(&sts.account) {
        return Rc::new(Err(CredentialError::NotConfigured { missing }));
    }
    loop {
        if let Some(outcome) = sts.held(sts.now_ms()) {
            return outcome;
        }
        let answered = sts.answered.notified();
        if !sts.asking.replace(true) {
            // On a task of its own: others wait for the answer even if this client goes away.
            tokio::task::spawn_local(ask(Rc::clone(sts)));
        }
        answered.await;
    }
}

async fn ask(sts: Rc<Sts>) {
    let outcome = sts.ask(sts.clock.read().unix_ns / 1_000_000_000).await;
    sts.metrics.credentials.of(label(&outcome)).add(1);
    if let Err(error) = &outcome {
        tracing::warn!("no credential for object storage: {error}");
    }
    sts.keep(outcome, sts.now_ms());
    sts.asking.set(false);
    sts.answered.notify_waiters();
}

fn label(outcome: &Result<Credential, CredentialError>) -> CredentialOutcome {
    match outcome {
        Ok(_) => CredentialOutcome::Issued,
        Err(CredentialError::Refused { .. }) => CredentialOutcome::Refused,
        Err(CredentialError::Malformed { .. }) => CredentialOutcome::Malformed,
        Err(CredentialError::Unreachable { .. } | CredentialError::NotConfigured { .. }) => {
            CredentialOutcome::Unreachable
        }
    }
}

/// The settings that an account lacks, by their keys.
fn missing(account: &Tencent) -> Option<String> {
    let settings = [
        ("appID", account.app_id.is_empty()),
        ("region", account.region.is_empty()),
        ("bucket", account.bucket.is_empty()),
        ("secretID", account.secret_id.is_empty()),
        ("secretKey", account.secret_key.is_empty()),
    ];
    let empty = settings.iter().filter(|(_, empty)| *empty);
    let keys: Vec<String> = empty.map(|(key, _)| format!("credential.tencent.{key}")).collect();
    (!keys.is_empty()).then(|| keys.join(", "))
}

#[cfg(test)]
mod tests {
    use openim_config::Secret;

    use super::*;

    #[test]
    fn a_credential_is_kept_for_ten_seconds_and_a_failure_for_one() {
        let (clock, _) = Clock::new(Duration::from_secs(60), None, 0);
        let sts = Sts::new(Tencent::default(), Arc::new(clock), Arc::default());
        assert!(sts.held(0).is_none());
        let failure = CredentialError::Unreachable { cause: "for a test".to_owned() };
        sts.keep(Err(failure.clone()), 5);
        assert_eq!(*sts.held(1_004).unwrap(), Err(failure));
        assert!(sts.held(1_005).is_none());
        let reply =
            r#"{"Response":{"Credentials":{"Token":"t","TmpSecretId":"i","TmpSecretKey":"k"}}}"#;
        let credential = credential::read(200, reply.as_bytes()).unwrap();
        sts.keep(Ok(credential.clone()), 2_000);
        assert_eq!(*sts.held(11_999).unwrap(), Ok(credential));
        assert!(sts.held(12_000).is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut account = Tencent { region: "ap-test".to_owned(), ..Tencent::default() };
        assert_eq!(
            missing(&account).unwrap(),
            "credential.tencent.appID, credential.tencent.bucket, credential.tencent.secretID, credential.tencent.secretKey"
        );
        account.app_id = "1250000000".to_owned();
        account.bucket = "files".to_owned();
        account.secret_id = "AKIDtest".to_owned();
        assert_eq!(missing(&account).unwrap(), "credential.tencent.secretKey");
        account.secret_key = Secret::new("key");
        assert_eq!(missing(&account), None);
    }
}

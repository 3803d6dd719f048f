//! What else the operators' port tells to who knows the secret: why somebody did not get a message, `GET /why`.
//!
//! In: a user and a message, in the query. Out: the JSON that `/manager/why` answers. A shard finds the answer; nobody is
//! waited for here but its channel, which is bounded, and not for long.

use std::time::Duration;

use openim_record::UserId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::bus::{Inquiry, Named, WhyAsk, WhyTold};
use crate::query::Query;

/// Where it is asked.
pub(crate) const PATH: &str = "/why";
/// Whoever asks waits no longer. Less than a connection may take.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(8);
const UID_BYTES_MAX: usize = 1024;

/// Has a shard answer, in that time.
pub(crate) async fn asked(
    inquire: &mpsc::Sender<Inquiry>,
    ask: WhyAsk,
    within: Duration,
) -> Option<WhyTold> {
    let (answer, told) = oneshot::channel();
    inquire.try_send(Inquiry { ask, answer }).ok()?;
    timeout(within, told).await.ok()?.ok().flatten()
}

/// Reads a query, by its keys.
pub(crate) fn read(query: &Query) -> Result<WhyAsk, &'static str> {
    let given = |key: &str| Some(query.text(key)).filter(|text| !text.is_empty());
    let uid = given("uid").ok_or("uid: who did not get it")?;
    if uid.len() > UID_BYTES_MAX {
        return Err("uid: is too long");
    }
    let named = given("message").and_then(Named::read);
    let platform = given("platform").map_or(Ok(0), str::parse);
    let near_ms = given("near").map(str::parse).transpose();
    Ok(WhyAsk {
        uid: UserId::new(uid),
        platform: platform.ok().filter(|platform| *platform <= 7).ok_or("platform: 1 to 7")?,
        named: named.ok_or("message: a clientMsgID, a serverMsgID, or a seq like seq:7")?,
        sender: given("sender").filter(|uid| uid.len() <= UID_BYTES_MAX).map(UserId::new),
        near_ms: near_ms.map_err(|_| "near: unix milliseconds")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_shard_that_does_not_answer() {
        let (inquire, mut inquiries) = mpsc::channel(1);
        let ask = read(&Query::read("uid=bob&message=m1")).unwrap();
        assert!(asked(&inquire, ask, Duration::ZERO).await.is_none());
        assert!(inquiries.recv().await.is_some(), "it was asked");
    }

    #[test]
    fn what_is_wrong_with_a_query_is_told() {
        let ask = |query| read(&Query::read(query));
        assert!(ask("uid=bob&message=m1&platform=7&near=5&sender=a").is_ok());
        for (query, key) in [
            ("message=m1", "uid"),
            ("uid=bob", "message"),
            ("uid=bob&message=m1&platform=8", "platform"),
            ("uid=bob&message=m1&near=x", "near"),
        ] {
            assert!(ask(query).is_err_and(|told| told.starts_with(key)), "{query}");
        }
    }
}

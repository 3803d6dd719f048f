//! What the console shows of groups: what they are, their members and requests, a page at a time.

use openim_record::{GroupId, UserId};
use openim_storage::port::StoreError;
use openim_workers::reads::Sources;
use serde_json::{Value, json};

use super::asking::Asking;
use super::serve::{Refusal, needed};
use crate::query::Query;

/// Members, or requests, in one answer.
const PAGE: usize = 50;

/// A group; 404 for one that is not there.
pub(super) async fn one(asking: &Asking, asked: &Query) -> Result<Value, Refusal> {
    let group = GroupId::new(needed(asked, "group")?);
    let (after, requests_after) =
        (asked.text("after").to_owned(), asked.number("requestsAfter").unwrap_or(0));
    let found = asking
        .at(0, async move |core| {
            core.query(async move |sources| read(sources, &group, &after, requests_after).await)
                .await
        })
        .await??;
    found.ok_or_else(|| Refusal::unknown("there is no such group"))
}

async fn read(
    sources: &Sources,
    id: &GroupId,
    after: &str,
    requests_after: u64,
) -> Result<Option<Value>, StoreError> {
    let found = sources.groups.groups(std::slice::from_ref(id)).await?.pop().flatten();
    let Some(group) = found else { return Ok(None) };
    let after = (!after.is_empty()).then(|| UserId::new(after));
    let members = sources.groups.members(id, after.as_ref(), PAGE).await?;
    let requests = sources.groups.requests(id, requests_after, PAGE).await?;
    let next = members
        .last()
        .filter(|_| members.len() == PAGE)
        .map(|member| member.uid.as_str().to_owned());
    let requests_next =
        requests.last().filter(|_| requests.len() == PAGE).map(|request| request.id);
    let members: Vec<Value> = members
        .iter()
        .map(|member| {
            json!({ "uid": member.uid.as_str(), "role": member.role.number(), "nickname": member.nickname, "joined": member.join_ms })
        })
        .collect();
    let requests: Vec<Value> = requests
        .iter()
        .map(|request| {
            json!({
                "id": request.id, "from": request.from.as_str(), "to": request.to, "flag": request.flag,
                "message": request.request_message, "created": request.create_ms, "handledBy": request.handled_by,
            })
        })
        .collect();
    Ok(Some(json!({
        "group": id.as_str(), "name": group.name, "introduction": group.introduction,
        "notification": group.notification, "owner": group.owner.as_ref().map(UserId::as_str),
        "count": group.members, "version": group.version, "created": group.create_ms,
        "members": members, "next": next, "requests": requests, "requestsNext": requests_next,
    })))
}

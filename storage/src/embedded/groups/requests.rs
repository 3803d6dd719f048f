//! Changes of requests to join a group.

use openim_record::{GroupId, UserId};

use super::super::index::groups::{
    Tally, all_handled_key, decode_number, decode_request, encode_number, encode_request,
    handled_key, id_of, last_id_key, request_id_key, request_key, tally_key,
};
use super::changes::Batch;
use crate::port::{GroupOutcome, GroupRequest, Member, Role, StoreError};

/// [`GroupRequest::to`] of an application.
pub(super) const NOBODY: &str = "0";

/// How a request is handled.
pub(super) struct Handling<'a> {
    pub(super) agree: bool,
    pub(super) message: &'a str,
    pub(super) by: &'a UserId,
    pub(super) now_ms: i64,
}

impl Batch<'_> {
    pub(super) fn request(
        &mut self,
        mut tally: Tally,
        request: &GroupRequest,
    ) -> Result<GroupOutcome, StoreError> {
        let GroupRequest { group, from, to, .. } = request;
        let id_key = request_id_key(group, from, to);
        if let Some(before) = self.staged.get(&id_key, decode_number)? {
            self.remove_request(group, before)?;
        } else if (tally.requests as usize) < self.limits.requests_max {
            tally.requests += 1;
        } else if let Some(oldest) = self.oldest_handled(group, &tally)? {
            let row = self.request_of(group, oldest)?;
            self.remove_request(group, oldest)?;
            self.staged.remove(request_id_key(group, &row.from, &row.to));
            tally.handled_from = oldest + 1;
        } else {
            return Ok(GroupOutcome::Full);
        }
        let id = self.staged.get(&last_id_key(), decode_number)?.unwrap_or(0) + 1;
        self.staged.put(last_id_key(), encode_number(id));
        self.staged.put(id_key, encode_number(id));
        self.put_request(&GroupRequest { id, ..request.clone() });
        self.put_tally(group, &tally);
        Ok(GroupOutcome::Done)
    }

    /// Handles the request whose id is under `id_key`.
    pub(super) fn handle(
        &mut self,
        group: &GroupId,
        mut tally: Tally,
        id_key: &[u8],
        handling: &Handling<'_>,
    ) -> Result<GroupOutcome, StoreError> {
        let Some(id) = self.staged.get(id_key, decode_number)? else {
            return Ok(GroupOutcome::NoRequest);
        };
        let mut request = self.request_of(group, id)?;
        if request.flag != 0 {
            return Ok(GroupOutcome::NoRequest);
        }
        let mut joined = None;
        if handling.agree {
            let member = who_joins(&request, handling.now_ms);
            if self.member(group, &member.uid)?.is_none() {
                let full = tally.members as usize >= self.limits.members_max;
                let Some(count) = self.room_of(&member.uid)?.filter(|_| !full) else {
                    return Ok(GroupOutcome::Full);
                };
                tally.members += 1;
                self.enter(group, &member, count);
                joined = Some(member);
            }
        }
        request.flag = if handling.agree { 1 } else { -1 };
        request.handled_message = handling.message.to_owned();
        request.handled_by = handling.by.as_str().to_owned();
        self.put_request(&request);
        tally.handled_from = tally.handled_from.min(id);
        self.put_tally(group, &tally);
        Ok(GroupOutcome::Handled { joined })
    }

    /// Takes out the request whose id is under `id_key`.
    pub(super) fn forget(
        &mut self,
        group: &GroupId,
        id_key: Vec<u8>,
        id: u64,
    ) -> Result<(), StoreError> {
        let tally = self.staged.get(&tally_key(group), Tally::decode)?;
        let mut tally = tally.ok_or_else(|| self.staged.malformed())?;
        tally.requests = tally.requests.checked_sub(1).ok_or_else(|| self.staged.malformed())?;
        self.put_tally(group, &tally);
        self.staged.remove(id_key);
        self.remove_request(group, id)
    }

    fn oldest_handled(&self, group: &GroupId, tally: &Tally) -> Result<Option<u64>, StoreError> {
        let from = tally.handled_from.to_be_bytes();
        let oldest = self.staged.first(&all_handled_key(group), &from)?;
        oldest.map(|id| id_of(&id).ok_or_else(|| self.staged.malformed())).transpose()
    }

    fn request_of(&self, group: &GroupId, id: u64) -> Result<GroupRequest, StoreError> {
        let row = self.staged.get(&request_key(group, id), |row| decode_request(group, id, row))?;
        row.ok_or_else(|| self.staged.malformed())
    }

    fn put_request(&mut self, request: &GroupRequest) {
        let GroupRequest { id, group, flag, .. } = request;
        self.staged.put(request_key(group, *id), encode_request(request));
        if *flag != 0 {
            self.staged.put(handled_key(group, *id), Vec::new());
        }
    }

    /// Removes what there is under a request's id.
    fn remove_request(&mut self, group: &GroupId, id: u64) -> Result<(), StoreError> {
        self.staged.remove(request_key(group, id));
        let handled = handled_key(group, id);
        // Few are; what the engine is told to remove, it has to step over for a while.
        if self.staged.has(&handled)? {
            self.staged.remove(handled);
        }
        Ok(())
    }
}

/// The member that a request makes: the applicant, or who was invited.
fn who_joins(request: &GroupRequest, join_ms: i64) -> Member {
    let (uid, nickname, face_url) = if request.to == NOBODY {
        (request.from.clone(), &request.from_nickname, &request.from_face_url)
    } else {
        (UserId::new(&request.to), &request.to_nickname, &request.to_face_url)
    };
    let (nickname, face_url) = (nickname.clone(), face_url.clone());
    Member { uid, role: Role::Ordinary, nickname, face_url, join_ms }
}

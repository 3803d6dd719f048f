//! Changes of requests to join a group.

use openim_record::{GroupId, UserId};

use super::super::index::groups::{
    Tally, all_handled_key, decode_number, decode_request, encode_number, encode_request,
    handled_key, id_of, last_id_key, request_id_key, request_key, tally_key,
};
use super::changes::Batch;
use crate::port::{GroupRequest, StoreError};

impl Batch<'_> {
    /// Stages a new request in place of the same one, or of the oldest handled one where there is no room.
    pub(super) fn ask(
        &mut self,
        tally: &mut Tally,
        request: &GroupRequest,
    ) -> Result<(), StoreError> {
        let GroupRequest { group, from, to, .. } = request;
        let id_key = request_id_key(group, from, to);
        if let Some(before) = self.staged.get(&id_key, decode_number)? {
            self.remove_request(group, before)?;
        } else if (tally.requests as usize) < self.limits.requests_max {
            tally.requests += 1;
        } else {
            let oldest = self.oldest_handled(group, tally)?;
            let oldest = oldest.ok_or_else(|| self.staged.malformed())?;
            let row = self.request_of(group, oldest)?;
            self.remove_request(group, oldest)?;
            self.staged.remove(request_id_key(group, &row.from, &row.to));
            tally.handled_from = oldest + 1;
        }
        let id = self.staged.get(&last_id_key(), decode_number)?.unwrap_or(0) + 1;
        self.staged.put(last_id_key(), encode_number(id));
        self.staged.put(id_key, encode_number(id));
        self.put_request(&GroupRequest { id, ..request.clone() });
        Ok(())
    }

    /// The request of `from` for `to`, handled or not.
    pub(super) fn request_between(
        &self,
        group: &GroupId,
        from: &UserId,
        to: &str,
    ) -> Result<Option<GroupRequest>, StoreError> {
        let id = self.staged.get(&request_id_key(group, from, to), decode_number)?;
        id.map(|id| self.request_of(group, id)).transpose()
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

    pub(super) fn oldest_handled(
        &self,
        group: &GroupId,
        tally: &Tally,
    ) -> Result<Option<u64>, StoreError> {
        let from = tally.handled_from.to_be_bytes();
        let oldest = self.staged.first(&all_handled_key(group), &from)?;
        oldest.map(|id| id_of(&id).ok_or_else(|| self.staged.malformed())).transpose()
    }

    fn request_of(&self, group: &GroupId, id: u64) -> Result<GroupRequest, StoreError> {
        let row = self.staged.get(&request_key(group, id), |row| decode_request(group, id, row))?;
        row.ok_or_else(|| self.staged.malformed())
    }

    pub(super) fn put_request(&mut self, request: &GroupRequest) {
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

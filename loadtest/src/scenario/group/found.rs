//! Founding the groups of a run over REST: created with as many members as one call may list, the
//! others invited in steps of the same size.
//!
//! In: layout and roster. Out: the groups' ids. A step that fails ends the run: creating is not
//! idempotent, and a group that lacks members would be measured wrongly.

use super::layout::Layout;
use crate::calls::{Calls, Source};
use crate::console;
use crate::envelope::quoted;
use crate::http;
use crate::roster::Roster;
use crate::setup::Setup;
use anyhow::bail;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::VecDeque;

/// Ids in one call.
const LISTED_MAX: usize = 1000;
/// Groups founded at once.
const CONNECTIONS: usize = 16;

/// Answer of both routes.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "errCode")]
    code: i64,
    #[serde(default, borrow, rename = "errMsg")]
    text: Cow<'a, str>,
    #[serde(default)]
    data: Value,
}

/// Founding in progress. A call's id is the group times `steps`, plus the step.
struct Founding<'a> {
    layout: &'a Layout,
    roster: &'a Roster,
    host: &'a str,
    run: u32,
    steps: usize,
    ready: VecDeque<usize>,
    ids: Vec<String>,
    refused: Option<String>,
}

/// Creates all groups with all members; their ids.
pub(super) fn found(
    setup: &Setup,
    layout: &Layout,
    roster: &Roster,
    run: u32,
) -> anyhow::Result<Vec<String>> {
    let groups = layout.sizes.groups;
    if setup.progress {
        let members = layout.sizes.members;
        console::err(&format!("founding {groups} groups of {members} members\n"));
    }
    let steps = (layout.sizes.members - 1).div_ceil(LISTED_MAX);
    let rest = &setup.registrar.rest;
    let mut founding = Founding {
        layout,
        roster,
        host: &rest.host,
        run,
        steps,
        ready: (0..groups).map(|group| group * steps).collect(),
        ids: vec![String::new(); groups],
        refused: None,
    };
    let mut calls = Calls::new(rest.clone(), CONNECTIONS.min(groups), setup.timeout, setup.clock)?;
    let outcome = calls.run(&mut founding);
    if let Some(why) = founding.refused {
        bail!("founding groups at {} failed: {why}", rest.host);
    }
    outcome?;
    Ok(founding.ids)
}

impl Founding<'_> {
    /// The members that step `step` brings into `group`; its owner is in from the start.
    fn listed(&self, group: usize, step: usize) -> impl Iterator<Item = &str> {
        let owner = self.layout.owner_of(group);
        let members = self.layout.members_of(self.layout.pool_of(owner));
        let others = members.filter(move |member| *member != owner);
        let step = others.skip(step * LISTED_MAX).take(LISTED_MAX);
        step.map(|member| self.roster.accounts()[self.layout.first_member() + member].uid.as_str())
    }

    fn body(&self, group: usize, step: usize) -> (&'static str, String) {
        let quoted_ids = self.listed(group, step).map(quoted);
        if step == 0 {
            let entries: Vec<String> =
                quoted_ids.map(|uid| format!("{{\"uid\":{uid},\"setRole\":0}}")).collect();
            let (name, list) = (format!("lt.{}.{group}", self.run), entries.join(","));
            let body = format!(
                "{{\"operationID\":\"lt\",\"groupName\":\"{name}\",\"memberList\":[{list}]}}"
            );
            return ("/group/create_group", body);
        }
        let list = quoted_ids.collect::<Vec<_>>().join(",");
        let id = quoted(&self.ids[group]);
        let body = format!(
            "{{\"operationID\":\"lt\",\"groupID\":{id},\"uidList\":[{list}],\"reason\":\"\"}}"
        );
        ("/group/invite_user_to_group", body)
    }

    fn take(&mut self, id: usize, status: u16, body: &[u8]) -> Result<(), String> {
        let (group, step) = (id / self.steps, id % self.steps);
        let answer: Answer<'_> = serde_json::from_slice(body)
            .map_err(|_| format!("HTTP {status} without the JSON of an answer"))?;
        if answer.code != 0 {
            return Err(format!("HTTP {status}, errCode {} {}", answer.code, answer.text));
        }
        if step == 0 {
            let id = answer.data["groupID"].as_str().unwrap_or_default();
            if id.is_empty() {
                return Err("a group without an id".to_owned());
            }
            self.ids[group] = id.to_owned();
        } else {
            let asked = self.listed(group, step).count();
            let results = answer.data.as_array().map(Vec::as_slice).unwrap_or_default();
            let let_in = results.iter().filter(|one| one["result"].as_i64() == Some(0)).count();
            if let_in != asked {
                return Err(format!("{let_in} of {asked} invited users were let in"));
            }
        }
        if step + 1 < self.steps {
            self.ready.push_back(id + 1);
        }
        Ok(())
    }
}

impl Source for Founding<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        if self.refused.is_some() {
            return None;
        }
        let id = self.ready.pop_front()?;
        let (group, step) = (id / self.steps, id % self.steps);
        let (path, body) = self.body(group, step);
        let owner = self.layout.first_member() + self.layout.owner_of(group);
        let token = &self.roster.accounts()[owner].token;
        http::post(out, self.host, path, Some(token), body.as_bytes());
        Some(id)
    }

    fn answered(&mut self, id: usize, status: u16, body: &[u8], _took_ns: u64) {
        if let Err(why) = self.take(id, status, body) {
            self.refused.get_or_insert(why);
        }
    }

    fn failed(&mut self, _id: usize, why: &str) {
        self.refused.get_or_insert_with(|| why.to_owned());
    }
}

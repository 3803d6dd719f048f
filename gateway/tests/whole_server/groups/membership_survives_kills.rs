//! Killed in the middle of many changes, the server has every change of a group that it answered, and nothing else but
//! perhaps the one that it had not.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::platform::IOS;
use crate::support::rest::User;
use crate::support::server::{Server, Setup};

const OWNERS: usize = 4;
const POOL: usize = 10;

/// Nothing when the server goes away before it has answered.
fn try_post(to: SocketAddr, user: &User, path: &str, body: &Value) -> Option<Value> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\ntoken: {}\r\nContent-Length: {}\r\n\r\n",
        user.token,
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Who is in a group besides its owner.
type Members = BTreeSet<String>;

/// Changes a group until the server is gone; the members as answered, and as they would be after the last change too.
fn change_until_killed(
    to: SocketAddr,
    owner: &User,
    group: &str,
    mut members: Members,
    seed: usize,
) -> [Members; 2] {
    for n in seed.. {
        let uids: BTreeSet<String> =
            (0..3).map(|at| format!("pool{}", (n * 7 + at * n) % POOL)).collect();
        let (path, body, after) = if n % 3 == 0 {
            let list: Vec<Value> = uids.iter().map(|uid| json!({"userId": uid})).collect();
            let body = json!({"operationID": "op", "groupID": group, "uidListInfo": list});
            ("/group/kick_group", body, &members - &uids)
        } else {
            let body = json!({"operationID": "op", "groupID": group, "uidList": uids});
            ("/group/invite_user_to_group", body, &members | &uids)
        };
        let Some(answer) = try_post(to, owner, path, &body) else { return [members, after] };
        assert_eq!(answer["errCode"], 0, "{answer}");
        members = after;
    }
    [members.clone(), members]
}

/// The members now; checked against what else knows of them.
#[track_caller]
fn members_now(server: &Server, owner: &User, group: &str) -> Members {
    let roles = server.roles(owner, group);
    assert_eq!(server.group_info(owner, group)["memberCount"], roles.len());
    assert!(roles.contains(&(owner.uid.clone(), 1)), "{roles:?}");
    roles.into_iter().map(|(uid, _)| uid).filter(|uid| *uid != owner.uid).collect()
}

#[test]
fn answered_changes_are_there_and_whole() {
    let mut server = Setup::new().set("OPENIM_GATEWAY_SHARDS", 3).allow("cut").start();
    let owners: Vec<User> =
        (0..OWNERS).map(|n| server.register(&format!("owner{n}"), IOS)).collect();
    let pool: Vec<User> = (0..POOL).map(|n| server.register(&format!("pool{n}"), IOS)).collect();
    let groups: Vec<String> = owners.iter().map(|owner| server.group(owner, &[])).collect();
    let mut members: Vec<Members> = vec![Members::new(); OWNERS];
    for life in 0..4 {
        let to = server.rest();
        let told: Vec<[Members; 2]> = std::thread::scope(|scope| {
            let changers: Vec<_> = (0..OWNERS)
                .map(|n| {
                    let (owner, group, members) = (&owners[n], &groups[n], members[n].clone());
                    let seed = life * 101 + n;
                    scope.spawn(move || change_until_killed(to, owner, group, members, seed))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(70 + 30 * life as u64));
            server.kill();
            changers.into_iter().map(|changer| changer.join().expect("its checks")).collect()
        });
        server.restart_with(|setup| setup.set("OPENIM_GATEWAY_SHARDS", [1, 2, 5, 3][life]));
        for n in 0..OWNERS {
            members[n] = members_now(&server, &owners[n], &groups[n]);
            assert!(told[n].contains(&members[n]), "{:?} is none of {:?}", members[n], told[n]);
        }
        for user in &pool {
            let body = json!({"operationID": "op"});
            let joined = server.done_as(user, "/group/get_joined_group_list", &body);
            let joined: BTreeSet<&str> = joined["data"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|group| group["groupId"].as_str().expect("an id"))
                .collect();
            let expected: BTreeSet<&str> = (0..OWNERS)
                .filter(|n| members[*n].contains(&user.uid))
                .map(|n| &*groups[n])
                .collect();
            assert_eq!(joined, expected, "{}", user.uid);
        }
    }
}

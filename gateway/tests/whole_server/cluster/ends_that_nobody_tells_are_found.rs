//! A process that is killed between its decision about a user's tokens and telling it: the links end all the same, and
//! nobody comes in with what has ended.

use openim_cluster::Runtime;
use openim_cluster::mysql;
use openim_record::{Class, Newest, Scope, TokenId, UserId};
use openim_storage::port::{Decision, IssuedToken, Tokens as _, wait};

use crate::links::replaced_link_gets_the_kick_notice::assert_kick_notice;
use crate::support::cluster::{clustered, mysql_options};
use crate::support::server::Setup;

#[test]
fn a_login_and_a_ban_that_are_only_in_mysql_end_links() {
    let Some(setup) = clustered(Setup::new()) else { return };
    let setup = setup.set("OPENIM_CLUSTER_TOKENROUNDSECONDS", 1);
    let runtime = Runtime::start(1).expect("a runtime");
    let options = mysql_options(&setup);
    let server = setup.start();
    let [mut alice, mut bob, mut carol] = ["alice", "bob", "carol"].map(|uid| server.newcomer(uid));
    let mysql = wait(mysql::open(options, &runtime)).expect("MySQL answers");
    // All that is left of a process that was killed.
    let newest = Newest { id: TokenId([7; 16]), issued_at: i64::MAX / 2, expires_at: None };
    let user = UserId::new("alice");
    let token = IssuedToken { user, class: Class::Mobile, newest, scope: Scope::Class };
    wait(mysql.tokens.issue(&[token])).expect("MySQL answers");
    let end = Decision::End { user: UserId::new("bob"), platform: 0, at_s: i64::MAX / 2 };
    wait(mysql.tokens.decide(&[end])).expect("MySQL answers");
    for (link, uid) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let (frames, code) = link.drain_to_close();
        assert_eq!((frames.len(), code), (1, Some(1008)), "{uid}: {frames:?}");
        assert_kick_notice(&frames[0], uid, 303);
        assert_eq!(server.refusal(&link.user), 401, "{uid}");
    }
    assert_eq!(carol.newest(), 0, "nothing was decided about carol");
}

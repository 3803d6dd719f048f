//! A config.yaml of the original starts the server: what means nothing any more is named in one warning.

use crate::support::server::Setup;

const ORIGINAL: &str = "
etcd:
  etcdSchema: openIM
  etcdAddr: [ 127.0.0.1:2379 ]
mysql:
  dbAddress: [ 127.0.0.1:3306 ]
  dbUserName: root
  dbPassword: 123456
  dbDatabaseName: openIM
  dbTableName: eMsg
  dbMsgTableNum: 1
  dbMaxOpenConns: 20
  dbMaxIdleConns: 10
  dbMaxLifeTime: 120
mongo:
  dbAddress: [ 127.0.0.1:27017 ]
  dbDirect: false
  dbTimeout: 10
  dbDatabase: [ openIM ]
  dbSource: admin
  dbUserName:
  dbPassword:
  dbMaxPoolSize: 20
  dbRetainChatRecords: 7
redis:
  dbAddress: [ 127.0.0.1:6379 ]
  dbMaxIdle: 128
  dbMaxActive: 0
  dbIdleTimeout: 120
  dbPassWord: open_im4545453
kafka:
  ws2mschat:
    addr: [ 127.0.0.1:9092 ]
    topic: \"ws2ms_chat\"
  ms2pschat:
    addr: [ 127.0.0.1:9092 ]
    topic: \"ms2ps_chat\"
  consumergroupid:
    msgToMongo: mongo
    msgToMySql: mysql
    msgToPush: push
serverip: 127.0.0.1
api:
  openImApiPort: [ 10000 ]
credential:
  tencent:
    appID: 1300000000
    region: ap-chengdu
    bucket: echat-1300000000
    secretID: sample-id
    secretKey: sample-key
rpcport:
  openImUserPort: [ 10100 ]
  openImOnlineRelayPort: [ 10400 ]
rpcregistername:
  openImUserName: User
log:
  storageLocation: ../logs/
  elasticSearchSwitch: false
  elasticSearchAddr: [ 127.0.0.1:9201 ]
  elasticSearchUser: \"\"
  elasticSearchPassword: \"\"
modulename:
  longConnSvrName: msg_gateway
  msgTransferName: msg_transfer
  pushName: push
longconnsvr:
  websocketPort: [ 7778 ]
  websocketMaxConnNum: 10000
  websocketMaxMsgLen: 4096
  websocketTimeOut: 10
push:
  tpns:
    ios:
      accessID: 1500000000
      secretKey: sample-key
    android:
      accessID: 111
      secretKey: 111
secret: tuoyun
multiloginpolicy:
  onlyOneTerminalAccess: false
  mobileAndPCTerminalAccessButOtherTerminalKickEachOther: true
  allTerminalAccess: false
tokenpolicy:
  accessSecret: open_im_server
  accessExpire: 604800
";

#[test]
fn it_starts_with_one_warning_about_what_means_nothing() {
    // Its log folder is beside the program's; here the lines are wanted on standard error.
    let setup = Setup::new().allow("WARN").set("OPENIM_LOG_STORAGELOCATION", "");
    let file = setup.path("config.yaml");
    std::fs::write(&file, ORIGINAL).expect("written");
    let server = setup.arg("--config").arg(&file).start();
    server.logged(&["rpcport", "rpcregistername", "modulename"]);
    server.logged(&["websocketMaxMsgLen", "65536"]);
    let log = server.log();
    assert_eq!(log.iter().filter(|line| line.contains("rpcport")).count(), 1, "{log:#?}");
    server.newcomer("alice").close();
}

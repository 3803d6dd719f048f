/** What the console says, in English and Chinese. */

const ENGLISH = {
  title: "openim console",
  pages: "Pages",
  welcome: "Log in to the console",
  password: "Password",
  enter: "Log in",
  passwordHint: "On its first start the server makes one and keeps it in the file console_password of its data directory.",
  leave: "Log out",
  other: "中文",
  away: "The server does not answer.",
  noNews: "no answer from the server, trying again",
  expired: "You are logged out: log in again.",
  roles: { operator: "operator", viewer: "viewer: looks, changes nothing" },
  refusals: {
    wrong: "That is not the password.",
    slowed: "Too many wrong passwords from this address. Wait a little.",
    viewer: "A viewer may not do that.",
    away: "The server does not answer.",
    crowded: "As many pages are open as the server allows.",
  },
  failed: (/** @type {string} */ cause) => `That did not work: ${cause}`,
  stage: (/** @type {string} */ stage, /** @type {string} */ time) => `${stage}, ${time}`,
  pageNames: { live: "Live", users: "Users", groups: "Groups" },
  figures: {
    links: "Links", logins: "Logins a second", messages: "Messages a second", deliveries: "Deliveries a second",
    sendHalf: "Send to durable, p50", sendMost: "Send to durable, p99", flushHalf: "Flush of the log, p50", flushMost: "Flush of the log, p99",
    cpu: "Processor", resident: "Memory",
  },
  shards: "Shards",
  shardHeads: { shard: "Shard", links: "Links", messages: "Messages/s", deliveries: "Deliveries/s", refused: "Refused/s", bytesIn: "In/s", bytesOut: "Out/s" },
  memory: "Memory by part",
  part: "Part",
  bytes: "Bytes",
  parts: {
    resident: "Whole process", outbox: "Waiting to be written to links", lingering: "Left of links that have ended", input: "Sent by links, not taken yet", pulls: "Set aside for pulls",
    append: "On the way to the log", event: "On the way back from the log", mesh: "Between shards", waiting: "Waiting for users or turns", rest: "REST answers not taken yet",
  },
  uid: "uid", name: "Name", created: "Since", state: "State", platform: "Platform", since: "Since about", address: "Address", group: "Group", role: "Place", more: "More", none: "None.", andMore: "There are more.",
  findUser: "Beginning of uid or name", findUserTitle: "Users", find: "Find", linksOn: "Links on", noneYet: "None among those looked at so far.",
  platforms: ["iOS", "Android", "Windows", "OSX", "Web", "MiniWeb", "Linux"], allPlatforms: "all platforms",
  notRegistered: "not registered", ordinary: "in order", isManager: "manager of the app", erased: "deleted",
  banned: (/** @type {string} */ until, /** @type {string} */ reason) => `banned${until ? ` until ${until}` : ""}: ${reason}`,
  inbox: "Inbox", inboxRange: (/** @type {string} */ min, /** @type {string} */ newest) => `seq ${min} to ${newest}`,
  linksTitle: "Links", noLinks: "Has no link now.", reads: "Reads times in", seconds: "seconds (June 2021)", nanoseconds: "nanoseconds (later)", waiting: "Bytes waiting",
  groups: "Groups", friends: "Friends", blocked: "Blocked", ended: "has ended",
  memberRoles: ["ordinary", "owner", "administrator"],
  acts: "Acts", reason: "Reason, for the audit", reasonNeeded: "Give a reason first.",
  actNames: { kick: "Kick", logout: "Log out", ban: "Ban", unban: "Lift the ban", token: "New token", delete: "Delete", dismiss: "Dismiss the group", remove: "Remove" },
  actsHint: "Kick closes links, and the token stays good. Log out ends the tokens. A ban does that for all platforms and lets nobody in again. A new token is of the platform that is chosen, else of Web.",
  really: (/** @type {string} */ act) => `${act}: once more, to be sure`,
  done: (/** @type {string} */ act) => `${act}: done`,
  newToken: "The new token, shown once:",
  findGroup: "Group", groupId: "Id of the group", show: "Show", groupHint: "The page of a user lists the user's groups.",
  members: "Members", nickname: "Name there", joined: "Joined", owner: "Owner", introduction: "Introduction", notification: "Notice",
  requests: "Requests to join", from: "From", to: "For", said: "Said", themselves: "themselves", open: "open", agreed: "agreed", refused: "refused", toBegin: "From the beginning",
  groupActsHint: "In the name of the first of manager.appManagerUid; members are told.",
};

/** @typedef {typeof ENGLISH} Words */

/** @type {Words} */
const CHINESE = {
  title: "openim 控制台",
  pages: "页面",
  welcome: "登录控制台",
  password: "密码",
  enter: "登录",
  passwordHint: "服务器首次启动时会生成密码，保存在数据目录的 console_password 文件中。",
  leave: "退出登录",
  other: "English",
  away: "服务器没有响应。",
  noNews: "服务器没有响应，正在重试",
  expired: "登录已失效，请重新登录。",
  roles: { operator: "操作员", viewer: "观察员：只能查看" },
  refusals: {
    wrong: "密码不正确。",
    slowed: "此地址输错密码的次数过多，请稍候再试。",
    viewer: "观察员无权执行此操作。",
    away: "服务器没有响应。",
    crowded: "打开的页面已达到服务器允许的上限。",
  },
  failed: (cause) => `操作失败：${cause}`,
  stage: (stage, time) => `${({ starting: "启动中", following: "跟随中", serving: "服务中", leaving: "即将停止", closing: "正在关闭", draining: "正在排空", stopped: "已停止" })[stage] ?? stage}，${time}`,
  pageNames: { live: "实时", users: "用户", groups: "群组" },
  figures: {
    links: "连接数", logins: "每秒登录", messages: "每秒消息", deliveries: "每秒投递",
    sendHalf: "发送到落盘 p50", sendMost: "发送到落盘 p99", flushHalf: "日志刷盘 p50", flushMost: "日志刷盘 p99",
    cpu: "处理器", resident: "内存",
  },
  shards: "分片",
  shardHeads: { shard: "分片", links: "连接", messages: "消息/秒", deliveries: "投递/秒", refused: "拒绝/秒", bytesIn: "流入/秒", bytesOut: "流出/秒" },
  memory: "各部分内存",
  part: "部分",
  bytes: "字节",
  parts: {
    resident: "整个进程", outbox: "等待写给连接", lingering: "已结束连接的剩余数据", input: "连接已发送、尚未处理", pulls: "为拉取预留",
    append: "正在写入日志", event: "正从日志返回", mesh: "分片之间", waiting: "等待用户或轮次", rest: "尚未取走的 REST 应答",
  },
  uid: "uid", name: "名称", created: "创建时间", state: "状态", platform: "平台", since: "大约自", address: "地址", group: "群组", role: "角色", more: "更多", none: "无。", andMore: "还有更多。",
  findUser: "uid 或名称的开头", findUserTitle: "用户", find: "查找", linksOn: "连接平台", noneYet: "目前查看过的用户中没有。",
  platforms: ["iOS", "Android", "Windows", "OSX", "Web", "MiniWeb", "Linux"], allPlatforms: "所有平台",
  notRegistered: "未注册", ordinary: "正常", isManager: "应用管理员", erased: "已删除",
  banned: (until, reason) => `已封禁${until ? `至 ${until}` : ""}：${reason}`,
  inbox: "收件箱", inboxRange: (min, newest) => `seq ${min} 至 ${newest}`,
  linksTitle: "连接", noLinks: "当前没有连接。", reads: "时间单位", seconds: "秒（2021 年 6 月）", nanoseconds: "纳秒（之后）", waiting: "等待字节",
  groups: "群组", friends: "好友", blocked: "黑名单", ended: "已解散",
  memberRoles: ["普通成员", "群主", "管理员"],
  acts: "操作", reason: "原因（记入审计）", reasonNeeded: "请先填写原因。",
  actNames: { kick: "踢下线", logout: "强制登出", ban: "封禁", unban: "解除封禁", token: "新令牌", delete: "删除", dismiss: "解散群组", remove: "移除" },
  actsHint: "踢下线只关闭连接，令牌仍然有效。强制登出使令牌失效。封禁对所有平台生效，并禁止再次登录。新令牌属于所选平台，未选时为 Web。",
  really: (act) => `${act}：再次点击以确认`,
  done: (act) => `${act}：已完成`,
  newToken: "新令牌，仅显示一次：",
  findGroup: "群组", groupId: "群组 ID", show: "查看", groupHint: "用户页面会列出该用户的群组。",
  members: "成员", nickname: "群内名称", joined: "加入时间", owner: "群主", introduction: "简介", notification: "公告",
  requests: "入群申请", from: "申请人", to: "对象", said: "留言", themselves: "本人", open: "待处理", agreed: "已同意", refused: "已拒绝", toBegin: "从头开始",
  groupActsHint: "以 manager.appManagerUid 中第一个管理员的名义执行，成员会收到通知。",
};

const KEPT = "openim.language";

/** "en" or "zh": as chosen here before, else as the browser is set. */
export let language = localStorage.getItem(KEPT) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** What there is to say. @returns {Words} */
export function words() {
  return language === "zh" ? CHINESE : ENGLISH;
}

/** Puts the words of the chosen language into everything that names one. */
export function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  const all = /** @type {{[name: string]: any}} */ (words());
  document.title = all.title;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = all[element.getAttribute("data-word") ?? ""];
  for (const element of document.querySelectorAll("[data-word-label]")) element.setAttribute("aria-label", all[element.getAttribute("data-word-label") ?? ""]);
}

/** The other language from now on. */
export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
}

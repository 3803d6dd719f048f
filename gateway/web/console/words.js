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
  pageNames: { live: "Live" },
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
  pageNames: { live: "实时" },
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

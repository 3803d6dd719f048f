/** What the page says, in English and Chinese. */

const ENGLISH = {
  welcome: "Talk in two tabs",
  pickName: "Pick a name",
  start: "Start",
  nameHint: "Open this page in another tab, pick another name there, and talk to yourself or to whoever has the address.",
  key: "Key of this server",
  keyHint: "The server prints an address with the key when it starts, and keeps it in the file chat_key of its data directory.",
  noNames: "This server gives no names to visitors. With a uid and a token of its app you can talk here.",
  keptNames: "Names in this browser",
  ownAccount: "I have a uid and a token",
  uid: "uid",
  token: "Token",
  conversations: "Conversations",
  talkTo: "Name to talk to",
  open: "Open",
  newGroup: "New group",
  groupName: "Name of the group",
  groupMembers: "Members, with commas between",
  make: "Make it",
  nobodyYet: "Nobody yet. Write the name of somebody above.",
  choose: "Choose a conversation, or begin one.",
  back: "Back to the conversations",
  messages: "Messages",
  older: "Older messages",
  beginning: "This is the beginning.",
  say: "Message",
  send: "Send",
  leave: "Leave",
  takeOver: "Use this tab",
  other: "中文",

  connecting: () => "connecting …",
  connected: () => "connected",
  reconnected: (/** @type {number} */ missed) => `connected again, ${missed} missed ${missed === 1 ? "message" : "messages"} fetched`,
  waiting: (/** @type {number} */ seconds) => `no server, next try in ${seconds} s`,
  kicked: () => "this name is used in another tab or device",
  refused: () => "this name is no longer valid",
  stopped: () => "not connected",
  wrongKey: () => "That is not the key of this server.",
  taken: (/** @type {string} */ name) => `The name ${name} is taken. Pick another one.`,
  unknown: (/** @type {string} */ names) => `There is nobody with the name ${names} here.`,
  failed: (/** @type {string} */ why) => `That did not work: ${why}`,
  durable: (/** @type {string} */ time, /** @type {number} */ ms) => `on disk at ${time}, ${ms} ms`,
  sending: () => "sending …",
  notSent: (/** @type {string} */ why) => `refused: ${why}`,
  here: () => "is here",
  away: () => "not seen here now",
  members: (/** @type {number} */ count) => `group, ${count} ${count === 1 ? "member" : "members"}`,
  notice: (/** @type {number} */ type) => `notice ${type}`,
  whole: (/** @type {number} */ first, /** @type {number} */ last) => `inbox: seq ${first} to ${last} are here, none is missing`,
  holes: (/** @type {number} */ count) => `inbox: ${count} messages are missing`,
  empty: () => "inbox: empty",
  unread: (/** @type {number} */ count) => `${count} new`,
  you: () => "you",
};

/** @typedef {typeof ENGLISH} Words */

/** @type {Words} */
const CHINESE = {
  welcome: "打开两个标签页聊天",
  pickName: "取一个名字",
  start: "开始",
  nameHint: "在另一个标签页打开本页，取另一个名字，就可以和自己聊天，也可以和任何知道这个地址的人聊天。",
  key: "服务器密钥",
  keyHint: "服务器启动时会打印带密钥的地址，密钥也保存在数据目录的 chat_key 文件中。",
  noNames: "此服务器不给访客分配名字。如果你有应用的 uid 和令牌，可以在这里聊天。",
  keptNames: "此浏览器中的名字",
  ownAccount: "我有 uid 和令牌",
  uid: "uid",
  token: "令牌",
  conversations: "会话",
  talkTo: "和谁聊天",
  open: "打开",
  newGroup: "新建群组",
  groupName: "群组名称",
  groupMembers: "成员，用逗号分隔",
  make: "创建",
  nobodyYet: "还没有会话。请在上面输入对方的名字。",
  choose: "选择一个会话，或开始一个新会话。",
  back: "返回会话列表",
  messages: "消息",
  older: "更早的消息",
  beginning: "已经是最早的消息。",
  say: "消息",
  send: "发送",
  leave: "退出",
  takeOver: "在此使用",
  other: "English",

  connecting: () => "正在连接…",
  connected: () => "已连接",
  reconnected: (missed) => `已重新连接，补收了 ${missed} 条消息`,
  waiting: (seconds) => `服务器不可用，${seconds} 秒后重试`,
  kicked: () => "此名字已在其他标签页或设备上使用",
  refused: () => "此名字已失效",
  stopped: () => "未连接",
  wrongKey: () => "这不是此服务器的密钥。",
  taken: (name) => `名字“${name}”已被使用，请换一个。`,
  unknown: (names) => `这里没有名为“${names}”的用户。`,
  failed: (why) => `操作失败：${why}`,
  durable: (time, ms) => `${time} 已落盘，${ms} 毫秒`,
  sending: () => "发送中…",
  notSent: (why) => `被拒绝：${why}`,
  here: () => "在线",
  away: () => "当前不在此页面",
  members: (count) => `群组，${count} 名成员`,
  notice: (type) => `通知 ${type}`,
  whole: (first, last) => `收件箱：seq ${first} 至 ${last} 完整，没有遗漏`,
  holes: (count) => `收件箱：缺少 ${count} 条消息`,
  empty: () => "收件箱：空",
  unread: (count) => `${count} 条新消息`,
  you: () => "你",
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
  for (const [attribute, put] of /** @type {[string, (element: Element, word: string) => void][]} */ ([
    ["data-word", (element, word) => (element.textContent = word)],
    ["data-word-label", (element, word) => element.setAttribute("aria-label", word)],
    ["data-word-placeholder", (element, word) => element.setAttribute("placeholder", word)],
  ])) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) put(element, all[element.getAttribute(attribute) ?? ""]);
  }
}

/** The other language from now on. */
export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
  speak();
}

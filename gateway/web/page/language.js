/** The language of a page: English or Chinese, as chosen here before, else as the browser is set. */

const KEPT = "openim.language";

/** @type {string} "en" or "zh" */
export let language = localStorage.getItem(KEPT) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** Puts the words of the chosen language into everything that names one. @param {object} words */
export function speak(words) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  const all = /** @type {{[name: string]: any}} */ (words);
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
}

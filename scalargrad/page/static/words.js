// Finds the words of the page in the language that is shown, and puts names and numbers into them.

let messages = {};
let shown = "en";

export function load(tables) {
  messages = tables;
}

export function speak(lang) {
  shown = lang;
}

export function language() {
  return shown;
}

/** Gives the text of a message with `{name}` replaced. */
export function text(key, fill = {}) {
  return messages[shown][key].replace(/\{(\w+)\}/g, (_, name) => String(fill[name]));
}

/** A part of a sentence that says itself in the language that is shown when it is read. */
export class Said {
  constructor(key, fill = {}) {
    this.key = key;
    this.fill = fill;
  }

  toString() {
    return text(this.key, this.fill);
  }
}

/** An error that says itself in the language that is shown, with what is put into its sentence. */
export class Refusal extends Error {
  constructor(key, fill = {}) {
    super();
    this.key = key;
    this.fill = fill;
  }

  get message() {
    const own = `domain.${this.fill.name}`; // a condition with words in it; all others are signs alone
    const inWords = this.key === "error.domain" && messages.en[own] === this.fill.domain;
    return text(this.key, inWords ? { ...this.fill, domain: text(own) } : this.fill);
  }

  toString() {
    return this.message;
  }
}

/** Gives the parts of a message as nodes; what is put in may be an element, and is copied into every place. */
export function phrase(key, fill = {}) {
  return messages[shown][key].split(/\{(\w+)\}/).map((part, i) => {
    const put = i % 2 ? fill[part] : part;
    return put instanceof Node ? put.cloneNode(true) : document.createTextNode(String(put));
  });
}

/** Writes the words into all elements that ask for them by data-text, data-label or data-title. */
export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of root.querySelectorAll("[data-title]")) element.title = text(element.dataset.title);
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
    if (element.matches("button")) element.title = text(element.dataset.label);
  }
}

// Is it valid HTML? By html-validate, with everything it recommends but for what is otherwise in mails on purpose.

import { HtmlValidate } from "html-validate";

// Outlook for Windows (Word) lays out tables by their attributes, and knows little of the styles that took their place.
const ATTRIBUTES_OF_WORD = {
  body: ["bgcolor"],
  table: ["align", "bgcolor", "border", "cellpadding", "cellspacing", "width"],
  td: ["align", "bgcolor", "height", "valign", "width"],
};

const validator = new HtmlValidate({
  root: true,
  extends: ["html-validate:recommended", "html-validate:document"],
  elements: ["html5", ...Object.entries(ATTRIBUTES_OF_WORD).map(allowed)],
  rules: {
    "no-conditional-comment": "off", // they are how Word is spoken to; the tests hold what stands in them
    "no-inline-style": "off", // Gmail drops what stands in the head
    "long-title": "off", // a title names newsletter and date; there is no search engine to cut it
    "no-trailing-whitespace": "off", // shown nowhere
    "prefer-tbody": "off", // tables of layout have no head or foot that would be told from it
    "void-style": ["error", { style: "omit" }],
  },
});

/** What is not valid, for others or for Word: [{rule, message, where, count}], each rule and message once. */
export async function validity(html) {
  const found = new Map();
  for (const [reader, document] of [["", html], ["in Word, ", asInWord(html)]]) {
    const report = await validator.validateString(document);
    for (const { ruleId, message, selector, line } of report.results.flatMap((result) => result.messages)) {
      const key = `${ruleId} ${message}`;
      const known = found.get(key);
      if (known) known.count += 1;
      else found.set(key, { rule: ruleId, message, where: `${reader}line ${line}: ${selector}`, count: 1 });
    }
  }
  return [...found.values()];
}

/** What is a comment to others is markup to Word. */
function asInWord(html) {
  return html.replace(/<!--\[if [^\]]*\]>([^]*?)<!\[endif\]-->/g, "$1");
}

function allowed([element, names]) {
  return { [element]: { attributes: Object.fromEntries(names.map((name) => [name, { deprecated: false }])) } };
}

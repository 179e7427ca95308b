// Checks documents of HTML as mails, all in one process: node check.mjs BROWSER < questions.json > answers.json
//
// Asked: {name: html}. Answered: {name: {validity, carriage, sights}}; each file beside this one tells what it answers.
// BROWSER is the path of a Chromium; without one there are no sights. Nothing is judged here: the tests do that.

import { readFileSync, writeSync } from "node:fs";

import { carriage } from "./carriage.mjs";
import { openWindow, sights } from "./sights.mjs";
import { validity } from "./validity.mjs";

const questions = JSON.parse(readFileSync(0, "utf8"));
const answers = {};
const window = process.argv[2] ? await openWindow(process.argv[2]) : null;
try {
  for (const [name, html] of Object.entries(questions)) {
    answers[name] = {
      validity: await validity(html),
      carriage: carriage(html),
      sights: window ? await sights(window, html) : {},
    };
  }
} finally {
  await window?.close();
}
write(Buffer.from(JSON.stringify(answers)));

/** Write to standard output, which may be a pipe, all that there is. */
function write(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

// How does it look, and what does axe-core find in it? In a headless Chromium without a network.
//
// Answers, for each way that a mail is looked at:
//   wrong, unsure  what axe-core says: [{rule, where, why, count}]; once by day, once by night, once on a phone
//   texts          how text looks, each look once: [{color, background, size, height, bold, path, words, count}]
//   links          [{words, address, underlined}]
//   hidden         text that nobody sees
//   displaced      text that stands above the text before it, or on its line to the left of it
//   width, window  how wide it is, and how wide the window
//   enhanced       what the style sheet changes of what is written into the elements: [{property, where, count}]
//   requests       what it would have fetched

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const WIDE = { width: 800, height: 900 };
const PHONE = { width: 390, height: 844 };
/** In this order: what is stripped away does not come back. */
const SIGHTS = {
  light: { viewport: WIDE, colorScheme: "light", compared: true },
  dark: { viewport: WIDE, colorScheme: "dark" },
  phone: { viewport: PHONE, colorScheme: "light" },
  "dark phone": { viewport: PHONE, colorScheme: "dark", examined: false },
  // As programs show it that drop the style sheet, html and body with it, and the breaking of long words.
  bare: { viewport: WIDE, colorScheme: "light", bare: true, examined: false },
  "bare phone": { viewport: PHONE, colorScheme: "light", bare: true, examined: false },
};

/** A window of a Chromium without a network, with axe-core at hand: {page, requests, close}. */
export async function openWindow(executablePath) {
  const args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  args.push("--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb");
  const browser = await chromium.launch({ executablePath, headless: true, chromiumSandbox: false, args });
  const context = await browser.newContext({ offline: true });
  const requests = [];
  context.on("request", (request) => requests.push(request.url()));
  const page = await context.newPage();
  await page.evaluate(axe); // stays while documents come and go
  return { page, requests, close: () => browser.close() };
}

/** What there is to see of a document, each way. */
export async function sights({ page, requests }, html) {
  requests.length = 0;
  await page.setContent(html, { waitUntil: "load" });
  const seen = {};
  for (const [name, { viewport, colorScheme, bare, compared, examined = true }] of Object.entries(SIGHTS)) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    if (bare) await page.evaluate(strip);
    const facts = await page.evaluate(look);
    const enhanced = compared ? await page.evaluate(compare) : [];
    const found = examined ? await page.evaluate(examine) : { wrong: [], unsure: [] };
    seen[name] = { ...found, ...facts, enhanced, requests: [...requests] };
  }
  return seen;
}

/** Runs in the page: what axe-core finds with every rule it has, wrong or unsure: [{rule, where, why, count}]. */
async function examine() {
  const rules = Object.fromEntries(globalThis.axe.getRules().map(({ ruleId }) => [ruleId, { enabled: true }]));
  const { violations, incomplete } = await globalThis.axe.run({ rules, resultTypes: ["violations", "incomplete"] });
  const brief = ({ id, nodes: [{ html, failureSummary }, ...others] }) => {
    return { rule: id, where: html, why: failureSummary, count: 1 + others.length };
  };
  return { wrong: violations.map(brief), unsure: incomplete.map(brief) };
}

/** Runs in the page: drop what programs drop. */
function strip() {
  for (const element of document.querySelectorAll("style")) element.remove();
  for (const element of [document.documentElement, document.body]) {
    for (const name of element.getAttributeNames()) element.removeAttribute(name);
  }
  for (const element of document.querySelectorAll("[style]")) element.style.removeProperty("word-break");
}

/** Runs in the page: what is told at the top of this file. */
function look() {
  const texts = new Map();
  const links = [];
  const hidden = [];
  const displaced = [];
  let before = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    const words = node.data.replace(/[\s\u00a0]+/g, " ").trim();
    if (!words || ["STYLE", "SCRIPT"].includes(element.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((box) => box.width && box.height);
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || !boxes.length) {
      hidden.push(words.slice(0, 80));
      continue;
    }
    if (isDisplaced(boxes, before)) displaced.push(words.slice(0, 80));
    before = boxes;
    const text = appearance(element);
    const key = JSON.stringify(text);
    const known = texts.get(key);
    if (known) known.count += 1;
    else texts.set(key, { ...text, words: words.slice(0, 80), count: 1 });
  }
  for (const link of document.querySelectorAll("a[href]")) {
    const style = getComputedStyle(link);
    links.push({
      words: link.textContent.replace(/\s+/g, " ").trim(),
      address: link.getAttribute("href"),
      underlined: style.textDecorationLine.includes("underline"),
    });
  }
  const page = document.documentElement;
  return { texts: [...texts.values()], links, hidden, displaced, width: page.scrollWidth, window: page.clientWidth };

  function isDisplaced(boxes, before) {
    if (before.length && boxes[0].bottom <= before[0].top) return true;
    const line = boxes[0];
    const onIt = before.filter((box) => box.top < line.bottom && box.bottom > line.top);
    const mine = boxes.filter((box) => box.top < line.bottom && box.bottom > line.top);
    return onIt.length > 0 && leftmost(mine) + 1 < leftmost(onIt);
  }

  function leftmost(boxes) {
    return Math.min(...boxes.map((box) => box.left));
  }

  function appearance(element) {
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const height = style.lineHeight === "normal" ? 0 : parseFloat(style.lineHeight) / size;
    return {
      color: style.color,
      background: background(element),
      size,
      height: Math.round(height * 100) / 100,
      bold: Number(style.fontWeight) >= 700,
      path: `${name(element.parentElement)} > ${name(element)}`,
    };
  }

  function name(element) {
    return element.tagName.toLowerCase() + (element.className && `.${element.className}`);
  }

  function background(element) {
    for (let one = element; one; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one);
      if (!/^rgba\(.*, 0\)$/.test(backgroundColor)) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  }
}

/** Runs in the page: what the style sheet changes. */
function compare() {
  const elements = [...document.body.querySelectorAll("*")];
  const shown = elements.map(styles);
  for (const sheet of document.styleSheets) sheet.disabled = true;
  const plain = elements.map(styles);
  for (const sheet of document.styleSheets) sheet.disabled = false;
  const found = new Map();
  for (const [place, element] of elements.entries()) {
    for (const [property, value] of shown[place]) {
      const before = plain[place].get(property);
      if (before === value) continue;
      const known = found.get(property);
      if (known) known.count += 1;
      else {
        const where = `${element.outerHTML.slice(0, 120)}: ${before}, ${value}`;
        found.set(property, { property, where, count: 1 });
      }
    }
  }
  return [...found.values()];

  function styles(element) {
    const style = getComputedStyle(element);
    return new Map([...style].map((property) => [property, style.getPropertyValue(property)]));
  }
}

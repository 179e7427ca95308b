// What does a page show when somebody types into one of its fields? In a headless Chromium.
//
//     node typing.mjs CHROMIUM ADDRESS FIELD TEXT...
//
// Types each TEXT in the place of the one before, and waits for the part of the page that answers. Prints for each
// {said, shown, requests, errors}: what is announced to who cannot see it, what is shown, which requests were made
// ("METHOD path?arguments"), and what the console says.

import { chromium } from "playwright-core";

const [executablePath, address, field, ...texts] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, headless: true, chromiumSandbox: false });
const page = await browser.newPage();
const requests = [], errors = [];
page.on("request", (request) => requests.push(`${request.method()} ${request.url().replace(/^https?:..[^/]*/, "")}`));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
await page.goto(address);
const answers = [];
for (const text of texts) {
  requests.length = errors.length = 0;
  const answered = page.waitForResponse((response) => response.request().method() === "POST");
  await page.locator(field).fill("");
  await page.locator(field).pressSequentially(text);
  await (await answered).finished();
  const said = page.getByRole("status").first();
  await said.locator("p").first().waitFor();
  answers.push({ said: await said.innerText(), shown: await page.locator("main").innerHTML(), requests: [...requests], errors: [...errors] });
}
await browser.close();
console.log(JSON.stringify(answers));

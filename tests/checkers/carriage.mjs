// Which mail programs do not carry what the document uses? By the tables of caniemail.com.

import { caniemail } from "caniemail";

// All of Gmail, Apple Mail and Yahoo, and all of Outlook but for the Mail of Windows 10, which is no more.
const CLIENTS = ["gmail.*", "apple-mail.*", "yahoo.*", "outlook.*", "!outlook.windows-mail"];

/** What is not carried, or in part: {feature: {client: "none" | "partial"}}. */
export function carriage(html) {
  const { issues } = caniemail({ clients: CLIENTS, html });
  const found = {};
  for (const [support, kind] of [["partial", issues.warnings], ["none", issues.errors]]) {
    for (const [client, list] of kind) {
      for (const { title } of list) (found[title] ??= {})[client] = support;
    }
  }
  return found;
}

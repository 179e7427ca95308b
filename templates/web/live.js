"use strict";
// While a query is typed into a field with data-live, that address says what it finds. The words go into the body of a
// request, so that no log of addresses has them.
const PAUSE = 400; // milliseconds without a key

for (const field of document.querySelectorAll("[data-live]")) {
  const said = document.createElement("div");
  said.setAttribute("role", "status");
  const shown = document.getElementById(field.dataset.liveInto ?? "") ?? document.createElement("div");
  (field.closest("p, label") ?? field).after(...(shown.isConnected ? [said] : [said, shown]));
  let asked = query(), waiting, request = new AbortController();
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, PAUSE);
  });

  // The line with the cursor: each is a query.
  function query() {
    const number = field.value.slice(0, field.selectionStart ?? 0).split("\n").length;
    return field.value.split("\n")[number - 1].trim();
  }

  async function show() {
    if (query() === asked) return;
    asked = query();
    request.abort();
    request = new AbortController();
    try {
      const body = new URLSearchParams({ query: asked, part: "1" });
      const answer = await fetch(field.dataset.live, { method: "POST", body, signal: request.signal });
      if (!answer.ok) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
      said.replaceChildren(...[...part.children].slice(0, 1));
      shown.replaceChildren(...part.children);
    } catch {
      // It is asked again with the next key; and there is a button.
    }
  }
}

// What is typed into the order form stays in this tab until the server has it: through a reload, back and forward, and
// signing in again. Loaded before the form's other scripts, which begin with what it fills in.
(() => {
  "use strict";

  const form = document.getElementById("order-form");
  if (!form) return;

  const NAME = "order-draft";
  const NOT_TYPED = new Set(["csrfmiddlewaretoken", "owner", "seen_charge", "seen_missing", "answered", "preview"]);
  const page = location.pathname + location.search;

  const read = () => {
    try {
      return JSON.parse(sessionStorage.getItem(NAME));
    } catch {
      return null;
    }
  };

  const write = (draft) => {
    try {
      sessionStorage.setItem(NAME, JSON.stringify(draft));
    } catch {
      // Full or forbidden: then only the server keeps it.
    }
  };

  const forget = () => sessionStorage.removeItem(NAME);

  const typed = () => Object.fromEntries([...new FormData(form)].filter(([name]) => !NOT_TYPED.has(name)));

  // -- keeping: `isSaved` once the server answered to exactly this, `isSent` once the order was posted --

  let count = 0; // Of changes.
  const countOf = new WeakMap(); // Of changes when a request was sent.

  const keep = (states = {}) => write({ of: form.dataset.draftOf, page, typed: typed(), isSaved: false, ...states });

  // Back at a form that was sent: what is typed there now is another order.
  let isOver = false;
  addEventListener("pageshow", ({ persisted }) => { isOver = persisted && Boolean(read()?.isSent); });

  const keyField = form.elements.namedItem("request_key");
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");

  for (const name of ["input", "change"]) {
    form.addEventListener(name, () => {
      count += 1;
      if (isOver) keyField.value = newKey();
      isOver = false;
      keep();
    });
  }

  const isOurs = (element) => element.id === "ask-quote" || element.id === "ask-fields";

  document.addEventListener("htmx:beforeSend", ({ detail: { elt, xhr } }) => {
    if (isOurs(elt)) countOf.set(xhr, count);
  });

  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, successful, pathInfo } }) => {
    if (!isOurs(elt) || !successful || countOf.get(xhr) !== count) return;
    if (new URL(xhr.responseURL, location.href).pathname === pathInfo.requestPath.split("?")[0]) keep({ isSaved: true });
  });

  form.addEventListener("submit", () => keep({ isSent: true }));
  document.getElementById("kept-order").addEventListener("submit", forget);

  // -- putting it back --

  const putBack = (values) => {
    const fields = document.getElementById("order-fields");
    for (const field of fields.querySelectorAll("[name]")) if (!(field.name in values)) field.value = "";
    for (const [name, value] of Object.entries(values)) {
      const field = form.elements.namedItem(name);
      if (field) field.value = value;
      else fields.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.getElementById("kept-order").hidden = false;
    document.addEventListener("DOMContentLoaded", () => window.htmx.trigger("#ask-fields", "again"));
  };

  // Whether the form with this key created an order; null if the server does not say.
  const becameOrder = async (key) => {
    try {
      const answer = await fetch(`${form.dataset.sent}?${new URLSearchParams({ key })}`);
      return answer.ok && !answer.redirected ? (await answer.json()).is_created : null;
    } catch {
      return null;
    }
  };

  // The server shows another order, or none: was this one created elsewhere, or is this tab's copy the last?
  const findOut = async ({ isSaved, isSent, ...unsaved }) => {
    const isCreated = await becameOrder(unsaved.typed.request_key);
    if (isCreated === null || count) return;
    if (isCreated) return forget();
    write(unsaved);
    location.reload(); // The scripts that follow begin with what is put back.
  };

  const draft = read();
  if (!draft) return;
  if (draft.of !== form.dataset.draftOf) return forget(); // Another customer's.
  if (!("isFresh" in form.dataset)) return; // The answer to a post holds what was posted.

  const way = performance.getEntriesByType("navigation")[0]?.type;
  const isAgain = (way === "reload" || way === "back_forward") && draft.page === page;
  const { request_key: key, seen_type: _, find: __, ...rest } = draft.typed;
  if (location.search && !isAgain) return; // The customer asked for another form.
  if (!draft.isSent && (!draft.isSaved || location.search)) return putBack(draft.typed);
  // The server has filled in what it got.
  if (key === keyField.value) return write({ ...draft, isSaved: true, isSent: false });
  if (Object.values(rest).some((text) => text.trim())) findOut(draft);
  else forget();
})();

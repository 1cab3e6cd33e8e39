// The documentation: opens the folded part that a link leads to, marks the current part in the menu, shows errors.
(() => {
  "use strict";

  // -- a link to a folded part opens it --

  const open = () => {
    const part = document.getElementById(location.hash.slice(1));
    if (!part?.matches(".type, .snippet")) return;
    if (part.matches(".type")) part.open = true;
    else document.querySelector(`[name=language][value="${part.dataset.language}"]`).checked = true;
    part.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  // -- the current part --

  const menu = document.querySelector(".api-menu");
  const links = [...document.querySelectorAll(".api-nav a, .api-menu a")];
  const parts = [...document.querySelectorAll("[data-part]")];

  const mark = () => {
    const passed = parts.filter((part) => part.getBoundingClientRect().top < innerHeight / 3);
    const here = passed.at(-1)?.id;
    for (const link of links) {
      if (link.hash === `#${here}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };

  let isWaiting = false;
  addEventListener("scroll", () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => { isWaiting = false; mark(); });
  }, { passive: true });
  mark();

  menu?.addEventListener("click", ({ target }) => { if (target.closest("a")) menu.open = false; });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu?.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // -- the console --

  const form = document.getElementById("try-form");
  if (!form) return;
  const tried = document.getElementById("tried");
  const said = document.getElementById("tried-said");
  const fail = (words) => {
    tried.replaceChildren(Object.assign(document.createElement("p"), { className: "notice is-danger", textContent: words }));
    said.textContent = words;
  };
  document.addEventListener("htmx:beforeRequest", () => { said.textContent = ""; });
  // Announce one line of the answer: a screen reader would read a list of services to its end.
  document.addEventListener("htmx:afterSwap", () => { said.textContent = tried.querySelector("[data-tried]")?.dataset.tried ?? ""; });
  document.addEventListener("htmx:responseError", ({ detail }) => {
    // The form's token belongs to a session that ended.
    const isOld = detail.xhr.status === 403;
    fail(isOld ? "You were signed out or in again since this page was loaded. Reload it and try again." : "The panel could not answer. Nothing was changed; try again.");
  });
  document.addEventListener("htmx:sendError", () => fail("No answer came. Check your connection and try again."));

  // Only two of the actions take ids.
  const ids = document.getElementById("try-ids");
  const field = ids.querySelector("input");
  let isTyped = field.value !== "";
  const fit = () => {
    const action = form.querySelector("[name=action]:checked")?.dataset;
    ids.hidden = !action?.ids;
    if (ids.hidden) return;
    ids.querySelector("label").textContent = action.ids;
    if (!isTyped) field.value = action.own;
  };
  field.addEventListener("input", () => { isTyped = true; });
  form.addEventListener("change", fit);
  fit();
})();

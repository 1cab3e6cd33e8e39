// The documentation: links lead into what is folded, the menu shows where one is, and a failed try is told.
(() => {
  "use strict";

  // -- a link to a folded part opens it --

  const open = () => {
    const part = location.hash && document.getElementById(location.hash.slice(1));
    if (part && part.matches("details")) {
      part.open = true;
      part.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();

  // -- where one is --

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

  // -- the console --

  const form = document.getElementById("try-form");
  if (!form) return;
  const tried = document.getElementById("tried");
  const fail = (words) => {
    tried.replaceChildren(Object.assign(document.createElement("p"), { className: "notice is-danger", textContent: words }));
  };
  document.addEventListener("htmx:responseError", () => fail("The panel could not answer. Nothing was changed; try again."));
  document.addEventListener("htmx:sendError", () => fail("No answer came. Check your connection and try again."));

  // Ids belong to two of the actions alone.
  const ids = document.getElementById("try-ids");
  const fit = () => {
    const takes = form.querySelector("[name=action]:checked")?.dataset.ids;
    ids.hidden = !takes;
    if (takes) ids.querySelector("label").textContent = takes;
  };
  form.addEventListener("change", fit);
  fit();
})();

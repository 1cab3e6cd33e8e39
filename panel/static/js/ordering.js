// The order form: keeps the input while the fields change, shows the fields that a choice needs, leads to what is
// missing, and says when there is no connection.
(() => {
  "use strict";

  const form = document.getElementById("order-form");
  if (!form) return;

  // -- errors: shown at once, and hidden while they are being corrected --

  form.querySelector("[aria-invalid=true]")?.focus();
  const correct = (target) => {
    if (target.getAttribute("aria-invalid") !== "true") return;
    const error = document.getElementById(`${target.id}_error`);
    const named = (target.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== error?.id);
    error?.remove();
    target.classList.remove("is-invalid");
    target.removeAttribute("aria-invalid");
    if (named.length) target.setAttribute("aria-describedby", named.join(" "));
    else target.removeAttribute("aria-describedby");
  };

  form.addEventListener("input", ({ target }) => correct(target));
  document.getElementById("id_service").addEventListener("change", () => correct(document.getElementById("id_find")));

  // -- the charge shown is outdated by the input: fetch it again before it is charged --

  form.addEventListener("input", ({ target }) => {
    const seen = document.querySelector("#order-summary [name=seen_charge]");
    if (target.matches("[data-counted]")) seen.value = "";
  });

  // -- fields that only a certain choice needs --

  form.addEventListener("change", ({ target }) => {
    for (const part of form.querySelectorAll(`.asked-for[data-field="${CSS.escape(target.name)}"]`)) {
      part.classList.toggle("is-asked", part.dataset.value === target.value);
    }
  });

  // -- input while the fields of another service are loading --

  let typed = [];

  document.addEventListener("htmx:beforeSwap", ({ detail: { target, requestConfig } }) => {
    if (target.id !== "order-fields") return;
    typed = [...target.querySelectorAll("input, textarea")].filter(
      (field) => field.value !== (requestConfig.formData.get(field.name) ?? ""),
    );
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const { id, value } of typed) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    typed = [];
  });

  // -- the star --

  document.addEventListener("htmx:afterRequest", ({ detail: { elt, successful } }) => {
    if (!elt.matches(".form-star") || !successful) return;
    const isOn = elt.getAttribute("aria-pressed") !== "true";
    elt.setAttribute("aria-pressed", String(isOn));
    elt.setAttribute("hx-vals", JSON.stringify({ on: isOn ? "0" : "1" }));
  });

  // -- the button: it moves to what is missing --

  const button = document.getElementById("order-submit");

  button.addEventListener("click", (event) => {
    const field = document.getElementById(document.getElementById("order-button").dataset.field);
    const isMissing = field && (field.id === "id_find" ? !document.getElementById("id_service").value : !field.value.trim());
    if (!isMissing) return;
    event.preventDefault();
    field.closest("details")?.setAttribute("open", "");
    field.focus();
    field.scrollIntoView({ block: "center" });
  });

  // -- no connection: said, and tried again; an order is only posted once an answer came again --

  const FIRST_WAIT = 2_000;
  const LONGEST_WAIT = 30_000;
  const words = document.getElementById("no-connection");
  const waiting = new Set(); // The parts whose request failed.
  let wait = FIRST_WAIT;
  let timer = 0;

  const tryAgain = () => {
    clearTimeout(timer);
    for (const id of waiting) window.htmx.trigger(`#${id}`, "again");
  };

  const lose = (id) => {
    waiting.add(id);
    words.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(tryAgain, wait);
    wait = Math.min(2 * wait, LONGEST_WAIT);
  };

  const isLost = (xhr) => !xhr || xhr.status === 0 || xhr.status >= 500;
  const isAsking = (element) => element.id === "ask-quote" || element.id === "ask-fields";

  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, ({ detail: { elt, xhr } }) => {
      if (isAsking(elt) && isLost(xhr)) lose(elt.id);
    });
  }

  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr } }) => {
    if (!isAsking(elt) || isLost(xhr)) return; // A refusal is an answer too.
    waiting.delete(elt.id);
    if (waiting.size) return;
    clearTimeout(timer);
    words.hidden = true;
    wait = FIRST_WAIT;
  });

  addEventListener("offline", () => lose("ask-quote"));
  addEventListener("online", tryAgain);
  form.addEventListener("submit", (event) => {
    if (!waiting.size) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    tryAgain();
  }, { capture: true });
})();

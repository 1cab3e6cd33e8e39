// The order form: keeps the input while the fields change, and shows the fields that a choice needs.
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

  // -- the session ended: hand the form over, so that no input is lost. Opening it orders nothing. --

  let isHandedOver = false; // Several answers may report it.

  const handOver = () => {
    if (isHandedOver) return;
    isHandedOver = true;
    const look = Object.assign(document.createElement("input"), { type: "hidden", name: "preview", value: "1" });
    form.append(look);
    form.submit();
  };

  document.addEventListener("order:signed-out", handOver);
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, pathInfo, elt } = event.detail;
    const asked = new URL(pathInfo.requestPath, location.href).pathname;
    if (!form.contains(elt) && !form.contains(event.detail.requestConfig.elt)) return;
    if (!xhr.responseURL || new URL(xhr.responseURL).pathname === asked) return;
    event.stopImmediatePropagation(); // A reload would lose it.
    event.detail.shouldSwap = false;
    handOver();
  }, { capture: true });
})();

// The page "Settings": finding a setting, what was changed, back to default, and the preview. The forms work without this.
(() => {
  "use strict";

  const root = document.getElementById("settings");
  if (!root) return;
  const all = (selector, within = root) => [...within.querySelectorAll(selector)];

  // -- find ------------------------------------------------------------------------------------------

  const find = document.getElementById("find-setting");
  const showFound = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const box of all(".set-forms .set-box")) {
      let here = 0;
      for (const field of all(".set-field", box)) {
        const text = field.dataset.find.toLowerCase();
        const fits = words.every((word) => text.includes(word));
        field.hidden = !fits;
        here += fits;
      }
      box.hidden = !here;
      found += here;
    }
    root.querySelector(".set-nothing").hidden = found > 0;
  };
  find.hidden = false;
  find.addEventListener("input", showFound);

  // -- what was changed ------------------------------------------------------------------------------

  const isChanged = (field) => {
    if (field.type === "file") return field.files.length > 0;
    if (field.type === "checkbox") return field.checked;
    const was = field.form.elements[`was-${field.name}`];
    return was ? was.value !== field.value : field.value !== "";
  };
  const fieldsOf = (form) => [...form.elements].filter((one) => one.name && one.type !== "hidden");
  const nameOf = (field) => field.closest(".set-field").querySelector(".set-label").textContent.trim();

  const showChanged = (form) => {
    const save = form.querySelector(".set-save");
    if (!save) return;
    const names = [...new Set(fieldsOf(form).filter(isChanged).map(nameOf))];
    const count = names.length;
    save.classList.toggle("has-changes", count > 0);
    save.querySelector(".set-changed").textContent = count ? names.join(", ") : "";
    save.querySelector("[type=reset]").hidden = !count;
    save.querySelector("[type=submit]").textContent = count ? `Save ${count} change${count > 1 ? "s" : ""}` : "Save";
  };
  const showDefault = (field) => {
    const button = field.closest(".set-field").querySelector(".set-default");
    if (button && "default" in field.dataset) button.hidden = field.value === field.dataset.default;
  };

  let isSaving = false;
  for (const form of all(".set-forms form")) {
    const refresh = () => {
      fieldsOf(form).forEach(showDefault);
      showChanged(form);
    };
    form.addEventListener("input", refresh);
    form.addEventListener("change", refresh);
    form.addEventListener("reset", () => setTimeout(() => {
      // A form that was refused begins with what was entered: discarding means what was there before.
      for (const field of fieldsOf(form)) {
        const was = form.elements[`was-${field.name}`];
        if (was) field.value = was.value;
      }
      refresh();
      form.dispatchEvent(new Event("input", { bubbles: true }));
    }));
    form.addEventListener("submit", () => { isSaving = true; });
    for (const button of all(".set-default", form)) {
      button.addEventListener("click", () => {
        const field = button.closest(".set-field").querySelector("[data-default]");
        field.value = field.dataset.default;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.focus();
      });
    }
    refresh();
  }
  addEventListener("beforeunload", (event) => {
    if (!isSaving && all(".set-save.has-changes").length) event.preventDefault();
  });

  const bad = root.querySelector("[aria-invalid=true]");
  // Not before: unfold hides the page until Alpine has begun, and going to the group in the address takes the focus.
  if (bad) addEventListener("load", () => setTimeout(() => bad.focus(), 50));

  // Unfold looks for a text field beside each file field, and fails where there is none: this keeps it away.
  for (const field of all("[type=file]")) field.hasChangeListener = true;

  // -- preview ---------------------------------------------------------------------------------------

  const preview = document.getElementById("preview");
  const name = document.getElementById("PANEL_NAME");
  name.addEventListener("input", () => {
    for (const place of all(".set-brand-name", preview)) place.textContent = name.value;
  });

  const accent = document.getElementById("PANEL_ACCENT");
  const swatch = root.querySelector(".set-colour");
  let asked = 0;
  const showLook = async () => {
    const number = ++asked;
    const answer = await fetch(`${preview.dataset.look}?colour=${encodeURIComponent(accent.value)}`);
    const look = answer.ok ? await answer.json() : {};
    // An answer to an older colour may arrive late.
    if (number !== asked || !look.accent) return;
    preview.style.setProperty("--accent", look.accent);
    preview.style.setProperty("--on-accent", look.on_accent);
    preview.style.setProperty("--light", look.light);
    preview.style.setProperty("--dark", look.dark);
    preview.querySelector(".set-facts").replaceChildren(...look.facts.map((fact) => {
      const line = document.createElement("li");
      line.className = fact.is_good ? "is-good" : "is-moved";
      line.textContent = fact.text;
      return line;
    }));
  };
  if (swatch) {
    swatch.hidden = false;
    swatch.addEventListener("input", () => {
      accent.value = swatch.value;
      accent.dispatchEvent(new Event("input", { bubbles: true }));
    });
    accent.addEventListener("input", () => {
      if (!/^#[0-9a-f]{6}$/i.test(accent.value)) return;
      swatch.value = accent.value;
      showLook();
    });
  }

  const logo = document.getElementById("PANEL_LOGO");
  if (logo && logo.type === "file") {
    const before = all(".set-brand", preview).map((place) => place.getAttribute("src"));
    logo.addEventListener("change", () => {
      const [file] = logo.files;
      const read = new FileReader();
      // The site's policy lets pictures come from data, not from blobs.
      read.addEventListener("load", () => show(() => read.result));
      if (file && file.size <= 200_000) read.readAsDataURL(file);
      else show((number) => before[number]);
    });
    const show = (source) => {
      all(".set-brand", preview).forEach((place, number) => {
        const from = source(number);
        place.src = from;
        place.hidden = !from;
        place.nextElementSibling.hidden = Boolean(from);
      });
    };
  }
})();

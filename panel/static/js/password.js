// Shows a password that is typed, and how strong a new one is. The server's rules decide; this only tells early.
(() => {
  "use strict";

  const LEAST = 10;
  // What whoever guesses tries first counts as one character.
  const GUESSED = /password|passwort|qwerty|qwertz|azerty|letmein|welcome|iloveyou|admin|monkey|dragon|secret|login/g;
  const FOLLOWS = 1;

  // From 0, too short, to 4, by the bits of a guess letter by letter.
  const strengthOf = (password, names) => {
    if ([...password].length < LEAST) return 0;
    const lower = password.toLowerCase();
    if (/^[0-9]+$/.test(password) || names.some((name) => name.length > 2 && lower.includes(name))) return 1;
    const letters = [...lower.replace(GUESSED, "*")];
    const isNew = (letter, place) => {
      const step = place ? letter.codePointAt(0) - letters[place - 1].codePointAt(0) : 2;
      return Math.abs(step) > FOLLOWS;
    };
    const count = Math.min(letters.filter(isNew).length, 2 * new Set(letters).size);
    const size = [[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/ /, 1], [/[^a-zA-Z0-9 ]/, 32]]
      .reduce((sum, [kind, size]) => sum + (kind.test(password) ? size : 0), 0);
    const bits = count * Math.log2(size);
    return 1 + [50, 70, 95].filter((bound) => bits >= bound).length;
  };

  const inputOf = (id) => document.getElementById(id);

  for (const box of document.querySelectorAll(".strength")) {
    const input = inputOf(box.dataset.password);
    const word = box.querySelector(".strength-word");
    const words = word.dataset.words.split("|");
    const namesOf = () => {
      const email = input.form.querySelector("[type=email], [autocomplete=username]")?.value || "";
      const site = document.querySelector(".brand")?.textContent.trim() || "";
      return [email.split("@")[0], site].map((name) => name.toLowerCase());
    };
    input.addEventListener("input", () => {
      const strength = strengthOf(input.value, namesOf());
      const text = input.value ? words[strength] : "";
      box.querySelector("meter").value = input.value ? Math.max(strength, 0.4) : 0;
      if (word.textContent !== text) word.textContent = text;
    });
  }

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".password-show");
    if (!button) return;
    const input = inputOf(button.getAttribute("aria-controls"));
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  });

  // A browser offers to keep a password only from a field for passwords.
  document.addEventListener("submit", ({ target }) => {
    for (const button of target.querySelectorAll(".password-show[aria-pressed=true]")) button.click();
  });
})();

// Polled parts: no polling from a hidden tab, no swap under a pressed pointer, no sign-in page in a list;
// keeps "5 min ago" true while the page is open, tells the server the browser's time zone, and shows an exact amount at a
// tap on a rounded one.
(() => {
  "use strict";

  const MINUTE = 60_000;
  const isPoll = (element) => (element.getAttribute("hx-trigger") || "").startsWith("every");

  document.addEventListener("htmx:beforeRequest", (event) => {
    if ((document.hidden || isTold) && isPoll(event.detail.elt)) event.preventDefault();
  });

  // The session ended, or its forms did: said in place, since a reload would lose what is typed. Polls end with it.
  let isTold = false;

  const signIn = document.getElementById("signed-out")?.content.querySelector("a").getAttribute("href");

  const tell = (name) => {
    const notice = document.getElementById(name)?.content.cloneNode(true);
    if (isTold || !notice) return;
    isTold = true;
    const link = notice.querySelector("a");
    const back = document.querySelector("[data-next]")?.dataset.next ?? location.pathname + location.search;
    link.href = name === "signed-out" ? `${signIn}?${new URLSearchParams({ next: back })}` : back;
    document.getElementById("main").prepend(notice);
  };

  document.addEventListener("order:signed-out", () => tell("signed-out"));
  document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
    const name = xhr.getResponseHeader("X-Notice");
    if (name) tell(name);
  });

  // A swap between press and release of a button would lose the click; the next poll swaps instead.
  // A press lasts no longer than this: a release outside of the window sends no event.
  const PRESS = 2_000;
  let pressedAt = -PRESS;
  for (const name of ["pointerdown", "pointerup", "pointercancel"]) {
    const note = () => { pressedAt = name === "pointerdown" ? performance.now() : -PRESS; };
    document.addEventListener(name, note, { capture: true, passive: true });
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, pathInfo, requestConfig } = event.detail;
    const asked = new URL(pathInfo.requestPath, location.href).pathname;
    const answered = xhr.responseURL ? new URL(xhr.responseURL).pathname : asked;
    if (answered !== asked) {
      event.detail.shouldSwap = false;
      if (answered === signIn) tell("signed-out");
      else location.reload(); // It leads to what the customer has to do first.
    } else if (performance.now() - pressedAt < PRESS && isPoll(requestConfig.elt)) {
      event.detail.shouldSwap = false;
    }
  });

  // The words of the server's filters `ago` and `when`, kept current. After a week it is a date, which stays.
  const spoken = (distance) => {
    if (distance < 60 * MINUTE) return `${Math.max(1, Math.round(distance / MINUTE))} min`;
    if (distance < 24 * 60 * MINUTE) return `${Math.round(distance / (60 * MINUTE))} h`;
    const days = Math.round(distance / (24 * 60 * MINUTE));
    return days === 1 ? "1 day" : `${days} days`;
  };

  const ago = (distance) => {
    if (Math.abs(distance) < 0.75 * MINUTE) return "just now";
    return distance < 0 ? `in ${spoken(-distance)}` : `${spoken(distance)} ago`;
  };

  // By the server's clock: this machine's may be wrong.
  const behind = Date.now() - 1_000 * document.documentElement.dataset.now;

  const refreshTimes = () => {
    for (const element of document.querySelectorAll("time[datetime]")) {
      const distance = Date.now() - behind - Date.parse(element.dateTime);
      if (Math.abs(distance) >= 7 * 24 * 60 * MINUTE) continue;
      const shown = element.classList.contains("when") ? element.querySelector(".ago") : element;
      const words = ago(distance);
      if (shown && shown.textContent !== words) shown.textContent = words;
    }
  };

  setInterval(() => { if (!document.hidden) refreshTimes(); }, MINUTE / 4);

  document.addEventListener("click", ({ target }) => {
    const amount = target.closest(".money[title]");
    if (!amount || amount.closest("a, button, label, summary, [role=option]")) return;
    [amount.textContent, amount.title] = [amount.title, amount.textContent];
  });

  // The page of an order: the tab's icon shows how it stands, and messages leave that were true only until its end.
  const showState = () => {
    const { icon, over } = document.querySelector("[data-icon], [data-over]")?.dataset || {};
    const tab = document.querySelector("link[rel='icon']");
    if (icon && tab.getAttribute("href") !== icon) tab.setAttribute("href", icon);
    if (!over) return;
    for (const message of document.querySelectorAll("[data-while]")) {
      if (message.dataset.while === over) message.remove();
    }
  };

  document.addEventListener("htmx:afterSettle", showState);
  document.addEventListener("click", ({ target }) => {
    if (!target.closest("[data-close]")) return;
    target.closest(".notice").remove();
    document.querySelector("main").focus();
  });
  showState();

  // The server checks the name, and the choice in the account counts more.
  const cookie = document.documentElement.dataset.zoneCookie;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (cookie && zone && !`; ${document.cookie};`.includes(`; ${cookie}=${zone};`)) {
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${cookie}=${zone}; path=/; max-age=31536000; samesite=lax${secure}`;
  }
})();

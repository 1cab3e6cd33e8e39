// Waits 10 seconds before a cancel or a refill is sent, and takes it back by "Undo".
//
// The wait is here and not on the server: until something is sent nothing has happened, so there is no order in between
// that a worker could send, refund or forget. A page that is left sends at once: what was asked for is never lost. The
// server does each wish once, however often it is sent.
(() => {
  "use strict";

  const SECONDS = 10;
  const READING = 8_000;
  const KEYS = { cancel: "c", refill: "r" };

  const toast = document.getElementById("undo");
  const form = document.getElementById("bulk");
  if (!toast || !form) return;
  const said = toast.querySelector("p");
  const wait = toast.querySelector(".toast-wait");
  const undo = toast.querySelector("[data-undo]");
  const again = toast.querySelector("[data-again]");

  let waiting = null; // { asked: [{ wish, orders }], left, ticking }
  let failed = []; // what "Try again" sends
  let untold = [];
  let hiding = 0;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const hide = () => { toast.hidden = true; };

  const open = (words) => {
    clearTimeout(hiding);
    toast.hidden = false;
    undo.hidden = !waiting;
    again.hidden = !failed.length;
    wait.textContent = "";
    said.textContent = words;
  };

  // What came of one wish is told after the next one was sent or undone.
  const tell = (words) => {
    if (words) untold.push(words);
    if (waiting || !untold.length) return;
    open(untold.join(" "));
    untold = [];
    if (!failed.length) hiding = setTimeout(hide, READING);
  };

  const stop = () => {
    const { asked, ticking } = waiting;
    clearInterval(ticking);
    waiting = null;
    hide();
    return asked;
  };

  const bodyOf = ({ wish, orders }, more = {}) => {
    const body = new FormData(form);
    body.delete("order");
    for (const order of orders) body.append("order", order);
    for (const [name, value] of Object.entries({ wish, confirmed: "1", ...more })) body.set(name, value);
    return body;
  };

  // Returns the words for the customer.
  const post = async (asked) => {
    let answer;
    try {
      // Goes on if the page is left meanwhile.
      const options = { method: "POST", body: bodyOf(asked), headers: { "HX-Request": "true" }, keepalive: true };
      answer = await fetch(form.action, options);
    } catch {
      failed.push(asked);
      return toast.dataset.offline;
    }
    if (answer.redirected || answer.status === 401 || answer.status === 403) return toast.dataset.signedOut;
    if (!answer.ok) {
      failed.push(asked);
      return toast.dataset.failed;
    }
    for (const order of asked.orders) {
      document.querySelector(`#order-${order}-menu [data-key=${KEYS[asked.wish]}]`)?.remove();
    }
    window.htmx.trigger("#orders-poller", "poll-now");
    return answer.text();
  };

  const send = async (all) => {
    failed = [];
    tell([...new Set(await Promise.all(all.map(post)))].join(" "));
  };

  const tick = () => {
    // Who reached the button by keyboard may take the time to press it.
    if (!toast.matches(":focus-within")) waiting.left -= 1;
    if (waiting.left <= 0) send(stop());
    else wait.textContent = fill(toast.dataset.wait, { seconds: waiting.left });
  };

  const wordsOf = ({ wish, orders }) =>
    fill(toast.dataset[wish + (orders.length === 1 ? "One" : "Many")], { order: orders[0], count: orders.length });

  // What is asked for meanwhile waits with it: "Undo" takes back all that the customer reads there.
  document.addEventListener("order-wish", ({ detail: { wish, orders } }) => {
    const asked = waiting ? stop() : [];
    const same = asked.find((one) => one.wish === wish);
    if (same) same.orders = [...new Set([...same.orders, ...orders])];
    else asked.push({ wish, orders });
    failed = [];
    waiting = { asked, left: SECONDS, ticking: setInterval(tick, 1_000) };
    open(asked.map(wordsOf).join(" · "));
    wait.textContent = fill(toast.dataset.wait, { seconds: SECONDS });
  });

  document.addEventListener("order-told", ({ detail: { words, order } }) => tell(fill(toast.dataset[words], { order })));

  undo.addEventListener("click", () => {
    stop();
    tell();
  });
  again.addEventListener("click", () => {
    hide();
    send(failed);
  });

  // The server keeps the words for the next page, where late_wishes.js looks whether it got the wish.
  addEventListener("pagehide", () => {
    if (!waiting) return;
    const sent = stop().map((asked) => ({ ...asked, id: Math.random().toString(36).slice(2, 12) }));
    try {
      const before = JSON.parse(sessionStorage.getItem("late-wishes")) ?? [];
      sessionStorage.setItem("late-wishes", JSON.stringify([...before, ...sent]));
    } catch {
      // Without storage the next page says nothing.
    }
    for (const asked of sent) navigator.sendBeacon(form.action, bodyOf(asked, { late: asked.id }));
  });
  // A hidden page may be ended without another event.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && waiting) send(stop());
  });
})();

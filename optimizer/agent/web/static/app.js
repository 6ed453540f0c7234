// What the page does beyond HTML: it stays current. Everything works without it.
(() => {
  "use strict";
  const address = document.body.dataset.live;
  if (!address || !("EventSource" in window)) return;

  // Only the parts that tell of states and figures are replaced, so that nothing that somebody is typing or choosing is lost.
  const renew = async () => {
    const parts = document.querySelectorAll("[data-renewed]");
    if (!parts.length) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (!fresh) continue;
      const open = [...part.querySelectorAll("details")].map((one) => one.open);
      fresh.querySelectorAll("details").forEach((one, n) => one.toggleAttribute("open", open[n] ?? one.open));
      if (fresh.innerHTML !== part.innerHTML) part.replaceWith(document.importNode(fresh, true));
    }
  };

  const stream = new EventSource(address);
  stream.addEventListener("changed", () => void renew());
  addEventListener("pagehide", () => stream.close());
})();

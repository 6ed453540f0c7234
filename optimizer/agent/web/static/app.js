// What the page does beyond HTML: it stays current. Everything works without it.
(() => {
  "use strict";
  const address = document.body.dataset.live;
  if (!address || !("EventSource" in window)) return;

  // Only the part that tells of states is replaced, so that nothing that somebody is typing or choosing is lost.
  const renew = async () => {
    const part = document.getElementById("live");
    if (!part) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceWith(document.importNode(fresh, true));
  };

  const stream = new EventSource(address);
  stream.addEventListener("changed", () => void renew());
  addEventListener("pagehide", () => stream.close());
})();

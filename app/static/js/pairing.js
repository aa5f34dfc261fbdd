// A screen that waits to be paired: where the server does not answer, a code that may have changed is not shown.
(() => {
  const AWAY_MS = 10_000;
  const code = document.getElementById('code'), away = document.getElementById('away');
  let answeredAt = performance.now(), lookedAt = Date.now();

  document.addEventListener('htmx:after:request', (event) => {
    const status = event.detail.ctx?.response?.status;
    if (status && status < 500) answeredAt = performance.now();
  });
  setInterval(() => {
    // A machine that slept may not have counted the time: its other clock has.
    if (Math.abs(Date.now() - lookedAt) > AWAY_MS) answeredAt = -AWAY_MS;
    lookedAt = Date.now();
    const isAway = performance.now() - answeredAt > AWAY_MS;
    if (away.hidden === isAway) { away.hidden = !isAway; code.hidden = isAway; }
  }, 1000);
})();

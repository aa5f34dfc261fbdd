// Counts the running time on (or down to the start) between two answers of the server: by the minute, and by
// the second where less than a minute is shown.
// The browser's clock is used for differences only, so it may be wrong.
(() => {
  let node = null;
  let base = 0;
  let since = 0;

  const parts = (elapsed, { unitS, unitMin, unitH, unitD }) => {
    const minutes = Math.floor(elapsed / 60);
    if (minutes < 1) return [[elapsed, unitS]];
    if (minutes < 60) return [[minutes, unitMin]];
    if (minutes < 2880) return [[Math.floor(minutes / 60), unitH], [minutes % 60, unitMin]];
    return [[Math.floor(minutes / 1440), unitD], [Math.floor((minutes % 1440) / 60), unitH]];
  };

  const draw = () => {
    const place = document.getElementById('running-time');
    const given = Number(place?.dataset.elapsedS ?? -1);
    if (given < 0) return;
    if (place !== node || given !== base) {
      [node, base, since] = [place, given, performance.now()];
      return;
    }
    const passed = (performance.now() - since) / 1000;
    const now = parts(Math.max(0, Math.floor('countsDown' in place.dataset ? base - passed : base + passed)), place.dataset);
    const text = now.map((pair) => pair.join('')).join(' ');
    if (place.textContent === text) return;
    const nodes = now.flatMap(([figure, unit], index) => {
      const small = document.createElement('small');
      small.textContent = unit;
      return index ? [' ', String(figure), small] : [String(figure), small];
    });
    place.replaceChildren(...nodes);
  };

  // The attendant checked the car in, or released it: not only in half a minute.
  document.addEventListener('lotline:tick', ({ detail }) => {
    const position = Number(document.querySelector('[data-selected-position]')?.dataset.selectedPosition ?? -1);
    const running = document.getElementById('running');
    if (running && (detail.snapshot || detail.changed.includes(position))) htmx.trigger(running, 'lotline:changed');
  });
  setInterval(draw, 1000);
  document.addEventListener('htmx:after:swap', draw);
})();

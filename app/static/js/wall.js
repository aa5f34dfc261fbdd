// The wall by itself: clock, age of the picture, figures fitted to their columns, burn-in shift, coming back.
(() => {
  const STALE_S = 6, LOST_S = 30;
  const SHIFT_EVERY_MS = 600_000;
  const SHIFTS = [[0, 0], [6, -4], [8, 2], [4, 8], [-3, 7], [-8, 3], [-7, -4], [-2, -8]];
  const RETRY_MS = 60_000, RELOAD_GAP_MS = 30_000;

  const root = document.documentElement;
  const wall = document.getElementById('wall'), cells = document.getElementById('cells');
  const age = document.getElementById('age'), message = document.getElementById('message');
  const clock = document.getElementById('clock');
  const started = performance.now();

  // Time: the server's, carried on by the monotonic clock; the screen's own may be wrong.
  let ahead = 0;
  const setTime = () => {
    const now = Number(cells.querySelector('[data-now]')?.dataset.now);
    if (now) ahead = now * 1000 - performance.now();
  };
  const now = () => new Date(performance.now() + ahead);
  const format = (options) => new Intl.DateTimeFormat('en-GB', { timeZone: wall.dataset.zone, hourCycle: 'h23', ...options });
  const minutes = format({ hour: '2-digit', minute: '2-digit' });
  const seconds = format({ hour: '2-digit', minute: '2-digit', second: '2-digit' });

  // Figures: a wide one is narrowed to its column, never set smaller.
  const fit = () => {
    for (const text of cells.querySelectorAll('.fit')) {
      const ratio = Math.min(1, text.parentElement.clientWidth / (text.offsetWidth || 1));
      text.style.transform = ratio < 1 && ratio > 0 ? `scaleX(${ratio.toFixed(4)})` : '';
    }
  };
  const span = (s) => s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;

  // Before the feed has spoken, the age is the one that the page came with, growing; without one it is not known.
  const ageNow = () => {
    const feed = root.dataset.feed;
    if (feed && feed !== 'connecting' && root.dataset.feedAge) return Number(root.dataset.feedAge);
    if (feed === 'live') return NaN;
    const waited = Math.floor((performance.now() - started) / 1000);
    return waited + Number(wall.dataset.age ?? NaN);
  };
  const stateNow = (age_s) => {
    const feed = root.dataset.feed || 'connecting', waited = (performance.now() - started) / 1000;
    if (feed === 'lost' || age_s >= LOST_S) return 'lost';
    if (feed === 'connecting' && waited >= LOST_S) return 'lost';
    if (feed === 'stale' || age_s >= STALE_S || (feed === 'live' && Number.isNaN(age_s))) return 'stale';
    return feed === 'connecting' && waited >= STALE_S ? 'stale' : feed;
  };

  let lastPicture = null;
  const say = (state, age_s) => {
    const known = !Number.isNaN(age_s);
    if (state !== 'lost') lastPicture = null;
    if (state === 'live') return `Live. This picture is ${span(age_s)} old.`;
    if (state === 'stale') return known ? `No update for ${span(age_s)}` : 'The age of these counts is not known';
    if (state === 'connecting') return known ? `Connecting. This picture is ${span(age_s)} old.` : 'Connecting. The age of these counts is not known.';
    if (!known) return 'No picture yet. Connecting again.';
    lastPicture ??= new Date(now() - age_s * 1000);
    return `Last picture ${seconds.format(lastPicture)}, ${span(age_s)} ago. Connecting again.`;
  };

  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = () => {
    const age_s = ageNow(), state = stateNow(age_s);
    if (root.dataset.wall !== state) {
      root.dataset.wall = state;
      message.hidden = state !== 'lost';
      fit();
    }
    write(age, say(state, age_s));
    write(clock, minutes.format(now()));
  };

  // Burn-in: the whole picture walks a closed path.
  let step = 0;
  const shift = () => {
    const [x, y] = SHIFTS[step++ % SHIFTS.length];
    wall.style.transform = `translate(${x}px, ${y}px)`;
  };

  // Coming back: another outline needs another page, and a dead socket must not stay dead.
  const reload = () => {
    const last = Number(sessionStorage.getItem('wall-reload') || 0);
    if (Date.now() >= last && Date.now() - last < RELOAD_GAP_MS) return;
    sessionStorage.setItem('wall-reload', String(Date.now()));
    location.reload();
  };
  document.addEventListener('lotline:layout', reload);
  setInterval(async () => {
    if (root.dataset.wall !== 'lost') return;
    // Asked first: a reload without network would leave the browser's own error page on the wall.
    const answer = await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
    if (answer?.ok && root.dataset.wall === 'lost') reload();
  }, RETRY_MS);

  new MutationObserver(() => { setTime(); fit(); }).observe(cells, { childList: true });
  document.addEventListener('lotline:tick', tick);
  addEventListener('resize', fit);
  setInterval(shift, SHIFT_EVERY_MS);
  setInterval(tick, 1000);
  setTime();
  shift();
  fit();
  tick();
})();

// The wall by itself: clock, age of the picture, figures fitted to their columns, burn-in shift, coming back.
// What it says stands in data-words, which the template writes.
(() => {
  const STALE_S = 6, LOST_S = 30;
  const SHIFT_EVERY_MS = 600_000;
  const SHIFTS = [[0, 0], [6, -4], [8, 2], [4, 8], [-3, 7], [-8, 3], [-7, -4], [-2, -8]];
  const RETRY_MS = 60_000, RELOAD_GAP_MS = 30_000, RENEW_MS = 12 * 3_600_000;
  // The server closes with it where this screen is to show something else.
  const CHANGED = 4409, CHANGED_RETRY_MS = 3000;
  // So far a word is narrowed; a longer one is set smaller as well.
  const NARROWEST = 0.8;

  const root = document.documentElement;
  const wall = document.getElementById('wall'), cells = document.getElementById('cells');
  const age = document.getElementById('age'), message = document.getElementById('message');
  const clock = document.getElementById('clock');
  const words = JSON.parse(wall.dataset.words);
  const started = performance.now();

  // Time: the server's, carried on by the monotonic clock; the screen's own may be wrong.
  let ahead = 0;
  const setTime = (now) => { if (now) ahead = now * 1000 - performance.now(); };
  const now = () => new Date(performance.now() + ahead);
  const format = (options) => new Intl.DateTimeFormat('en-GB', { timeZone: wall.dataset.zone, hourCycle: 'h23', ...options });
  const minutes = format({ hour: '2-digit', minute: '2-digit' });
  const seconds = format({ hour: '2-digit', minute: '2-digit', second: '2-digit' });

  // Figures: a wide one is narrowed to its column, never set smaller. Words are narrowed a little, then smaller.
  const fit = () => {
    for (const text of wall.querySelectorAll('.fit')) {
      const room = text.parentElement.clientWidth, ratio = Math.min(1, room / (text.offsetWidth || 1));
      const isWord = !text.parentElement.matches('.figure:not(.word)');
      const high = isWord && ratio > 0 ? Math.min(1, ratio / NARROWEST) : 1;
      text.style.transform = ratio < 1 && ratio > 0 ? `scale(${ratio.toFixed(4)}, ${high.toFixed(4)})` : '';
    }
  };
  const span = (s) => s < 60 ? words.seconds.replace('{count}', s)
    : s < 3600 ? words.minutes.replace('{count}', Math.floor(s / 60))
      : words.hours.replace('{count}', Math.floor(s / 3600));

  const ageNow = () => Number(root.dataset.feedAge ?? NaN);
  const stateNow = (age_s) => {
    const feed = root.dataset.feed || 'connecting', known = !Number.isNaN(age_s);
    if (feed === 'lost' || age_s >= LOST_S) return 'lost';
    // Of unknown age is what the server can't say yet, or what may have slept for any time: nobody shows that.
    if (!known) return performance.now() - started < STALE_S * 1000 && !slept ? 'connecting' : 'lost';
    return age_s >= STALE_S ? 'stale' : feed;
  };

  let lastPicture = null, slept = false, left = false;
  const say = (state, age_s) => {
    const known = !Number.isNaN(age_s);
    if (state !== 'lost' || !known) lastPicture = null;
    const sentence = words[known || state === 'live' ? state : `${state}_unknown`];
    if (state === 'lost' && known) lastPicture ??= new Date(now() - age_s * 1000);
    return sentence.replace('{age}', span(age_s)).replace('{time}', lastPicture ? seconds.format(lastPicture) : '');
  };

  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = () => {
    if (left) return;
    const age_s = ageNow(), state = stateNow(age_s);
    if (state === 'live') slept = false;
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
  // Asked first: a reload without network would leave the browser's own error page on the wall.
  const isThere = async () => (await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => null))?.ok;
  const reload = () => {
    const last = Number(sessionStorage.getItem('wall-reload') || 0);
    if (Date.now() >= last && Date.now() - last < RELOAD_GAP_MS) return;
    sessionStorage.setItem('wall-reload', String(Date.now()));
    location.reload();
  };
  document.addEventListener('lotline:layout', reload);
  setInterval(async () => {
    if (root.dataset.wall === 'lost' && await isThere() && root.dataset.wall === 'lost') reload();
  }, RETRY_MS);
  // A visit keeps the pairing's cookie, which browsers forget after some months.
  setInterval(isThere, RENEW_MS);

  // Moved to another lot, or revoked: nothing of this lot is shown any longer.
  const leave = async () => {
    left = true;
    root.dataset.wall = 'lost';
    message.hidden = false;
    if (await isThere()) location.reload(); else setTimeout(leave, CHANGED_RETRY_MS);
  };
  document.addEventListener('htmx:ws:close', (event) => { if (event.detail.code === CHANGED) leave(); });

  new MutationObserver(fit).observe(cells, { childList: true });
  new MutationObserver(tick).observe(root, { attributes: true, attributeFilter: ['data-feed'] });
  document.addEventListener('feed:slept', () => { slept = true; tick(); });
  document.addEventListener('lotline:tick', (event) => { setTime(event.detail.now); tick(); });
  addEventListener('resize', fit);
  setInterval(shift, SHIFT_EVERY_MS);
  setInterval(tick, 1000);
  setTime(Number(cells.querySelector('[data-now]')?.dataset.now));
  shift();
  fit();
  tick();
})();

// The live feed on a page: applies what hx-ws receives, and says how old it is.
//   in   frames {lot, seq: "epoch:n", layout, now, as_of, tiles | whole, states, figures, content}
//   out  html[data-feed] connecting | live | stale | lost, html[data-feed-age] in whole seconds, words in
//        #feed-state; on document lotline:tick {changed, snapshot}, lotline:layout {layout}
(() => {
  const STALE_S = 6, LOST_S = 30, REVIVE_MS = 30_000, READ_MS = 4000, BEAT_MS = 2000;
  const CODES = ['free', 'reserved', 'occupied', 'closed'];
  const root = document.documentElement;
  const feed = () => document.getElementById('feed');
  const on = (name, work) => document.addEventListener(`htmx:ws:${name}`, work);

  const lots = new Map();      // lot → { epoch, number }
  let heardAt = performance.now(), knownAt = performance.now();
  let lostAt = null;

  const set = (id, state) => {
    const node = document.getElementById(id);
    if (node && node.dataset.state !== state) node.dataset.state = state;
  };
  const draw = (position, code) => { set(`s${position}`, CODES[code]); set(`l${position}`, CODES[code]); };

  const apply = (frame, socket) => {
    const cut = frame.seq.lastIndexOf(':'), epoch = frame.seq.slice(0, cut), number = Number(frame.seq.slice(cut + 1));
    const known = lots.get(frame.lot), whole = frame.whole || !known;
    // What is not newer is dropped; another life of the server starts with a whole picture.
    if (known && !whole && (known.epoch !== epoch || number < known.number)) return null;
    lots.set(frame.lot, { epoch, number });
    feedClock.frame(frame.lot, frame.now, frame.as_of, socket);
    const changed = [];
    // Positions of another layout are other slots: this page is loaded again in a moment.
    const own = document.querySelector('[data-layout]')?.dataset.layout;
    if (own !== undefined && lots.size === 1 && String(frame.layout) !== own) return { changed, snapshot: Boolean(frame.whole) };
    if (frame.states !== undefined) {
      [...frame.states].forEach((code, position) => draw(position, code));
    }
    for (let k = 0; k < (frame.tiles?.length ?? 0); k += 2) {
      draw(frame.tiles[k], frame.tiles[k + 1]);
      changed.push(frame.tiles[k]);
    }
    // Counts by the id of what shows them: an out-of-band swap for each would cost more than all the tiles.
    for (const id in frame.figures) {
      const node = document.getElementById(id), figure = String(frame.figures[id]);
      if (node && node.textContent !== figure) node.textContent = figure;
    }
    return { changed, snapshot: Boolean(frame.whole) };
  };

  // In the zone of the clock that the page shows, if it shows one.
  const timeZone = document.querySelector('[data-zone]')?.dataset.zone;
  const clock = new Intl.DateTimeFormat(root.lang || 'en', { timeStyle: 'medium', hourCycle: 'h23', timeZone });
  const say = () => {
    const old = feedClock.age(), known = Number.isFinite(old);
    if (known) knownAt = performance.now();
    const quiet = (performance.now() - knownAt) / 1000;
    const silent_s = Math.floor(known ? old : quiet);
    const state = silent_s >= LOST_S ? 'lost' : silent_s >= STALE_S ? 'stale' : known && lots.size ? 'live' : 'connecting';
    if (state === 'lost') lostAt ??= clock.format(new Date(Date.now() - silent_s * 1000)); else lostAt = null;
    const words = document.getElementById('feed-state');
    const isHeard = performance.now() - heardAt < STALE_S * 1000;
    const text = words?.dataset[state === 'lost' && isHeard ? 'since' : state].replace('{seconds}', silent_s).replace('{time}', lostAt);
    if (words && words.textContent !== text) words.textContent = text;
    if (known) root.dataset.feedAge = String(Math.floor(old)); else delete root.dataset.feedAge;
    if (root.dataset.feed !== state) root.dataset.feed = state;
  };

  on('before:message:incoming', (event) => {
    const data = event.detail.message?.data;
    if (typeof data !== 'string' || data[0] !== '{') return;
    feedClock.look();
    heardAt = performance.now();
    const frame = JSON.parse(data);
    const done = apply(frame, event.detail.connection?.socket);
    if (done === null || frame.content === undefined) event.preventDefault();
    if (done === null) return;
    const own = document.querySelector('[data-layout]')?.dataset.layout;
    if (own !== undefined && lots.size === 1 && String(frame.layout) !== own) {
      document.dispatchEvent(new CustomEvent('lotline:layout', { detail: { layout: frame.layout } }));
    }
    const tick = () => document.dispatchEvent(new CustomEvent('lotline:tick', { detail: { ...done, now: frame.now } }));
    // After htmx has swapped what else the frame says.
    if (frame.content === undefined) tick(); else setTimeout(tick);
    feed().dataset.seq = frame.seq;
    say();
    if (feedClock.isVague()) askAgain(); else vagueWait = FIRST_VAGUE_MS;
  });

  // A half-open socket closes by no event at all: when nothing was heard for long, a new one is opened.
  const revive = () => {
    if (!feed()) return;
    heardAt = performance.now() - STALE_S * 1000;
    htmx.process(feed(), true);
  };
  // Another connection may be quicker. One that never is must not be tried again all the time.
  const FIRST_VAGUE_MS = 1000, LONGEST_VAGUE_MS = 60_000;
  let vagueWait = FIRST_VAGUE_MS, vagueAt = -Infinity;
  const askAgain = () => {
    if (performance.now() - vagueAt < vagueWait) return;
    if (vagueAt > -Infinity) vagueWait = Math.min(2 * vagueWait, LONGEST_VAGUE_MS);
    vagueAt = performance.now();
    setTimeout(revive);
  };
  setInterval(() => {
    feedClock.look();
    say();
    // A wall is looked at, whatever its browser says.
    const isSeen = !document.hidden || root.classList.contains('wall');
    if (performance.now() - heardAt > REVIVE_MS && isSeen) revive();
  }, 1000);
  addEventListener('pageshow', (event) => { if (event.persisted) revive(); });
  // Over another network what was open says nothing more; a tab that wakes may have missed its end.
  addEventListener('online', revive);
  const wake = () => {
    feedClock.look();
    say();
    if (!document.hidden && performance.now() - heardAt > BEAT_MS * 1.5) revive();
  };
  document.addEventListener('visibilitychange', wake);
  document.addEventListener('resume', wake);
  document.addEventListener('feed:slept', () => {
    knownAt = performance.now();
    say();
    revive();
  });

  // Another outline: the map is loaded again, at most once in a few seconds.
  document.addEventListener('lotline:layout', () => {
    if (root.classList.contains('wall')) return;
    const last = Number(sessionStorage.getItem('lotline-layout') || 0);
    if (Math.abs(Date.now() - last) < 5000) return;
    sessionStorage.setItem('lotline-layout', String(Date.now()));
    setTimeout(reload, 300);
  });
  // Who has just pressed something is left the time to read what came of it.
  let answeredAt = -READ_MS;
  document.addEventListener('htmx:after:request', (event) => {
    if (!event.target.closest?.('[data-background]')) answeredAt = performance.now();
  });
  const reload = () => {
    const waits = document.querySelector('form.htmx-request') || performance.now() - answeredAt < READ_MS;
    if (waits) setTimeout(reload, 300); else location.reload();
  };
})();

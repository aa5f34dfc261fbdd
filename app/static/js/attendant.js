// The attendant's desk: keys, search by arrows, lists that follow the feed and wait while someone points at them.
//   in   lotline:tick (the feed), lotline:select (the map: detail.name)
//   out  lotline:chosen {position, note} and lotline:deselect on document, after the panel has changed
(() => {
  const desk = document.getElementById('desk');
  if (!desk) return;
  const FEED_MS = 1000, QUEUE_MS = 5000, CLOCK_MS = 30_000;
  const panel = document.getElementById('slot-panel'), results = document.getElementById('results');
  const search = document.getElementById('search'), keys = document.getElementById('keys');
  const slot = () => panel.querySelector('[data-slot]');

  // Clock, in the lot's zone and the server's time.
  const clock = document.getElementById('clock');
  const ahead = Number(clock.dataset.now) * 1000 - performance.now();
  const minutes = new Intl.DateTimeFormat('en-GB', { timeZone: clock.dataset.zone, hour: '2-digit', minute: '2-digit' });
  setInterval(() => {
    const text = minutes.format(new Date(performance.now() + ahead));
    if (clock.textContent !== text) clock.textContent = text;
  }, 1000);

  // Lists follow the feed: at most once in their interval, and the last change is never left out.
  const follow = (list, everyMs, waits = () => false) => {
    let last = 0, timer = 0, behind = false;
    const fetchNow = (anyway = false) => {
      clearTimeout(timer);
      timer = 0;
      behind = !anyway && waits();
      if (behind) return;
      last = performance.now();
      htmx.ajax('GET', list.dataset.refresh, { target: list, swap: 'innerMorph', source: list }).catch(() => {});
    };
    const soon = () => { timer ||= setTimeout(() => fetchNow(), Math.max(0, last + everyMs - performance.now())); };
    document.addEventListener('lotline:tick', ({ detail }) => {
      if (detail?.snapshot || detail?.changed?.length) soon();
    });
    // Money changes no slot: what was done here is looked up whatever the feed says, also by who still points at it.
    document.addEventListener('desk:done', () => fetchNow(true));
    // What is late grows later while nothing else happens.
    setInterval(soon, CLOCK_MS);
    return () => { if (behind && !waits()) soon(); };
  };
  const justNow = document.getElementById('just-now');
  let pointed = false;
  const resume = follow(justNow, FEED_MS, () => pointed || justNow.contains(document.activeElement));
  // A finger leaves no pointer behind: only a mouse can rest on the list.
  justNow.addEventListener('pointerenter', (event) => { pointed = event.pointerType === 'mouse'; });
  justNow.addEventListener('pointerleave', () => { pointed = false; resume(); });
  justNow.addEventListener('focusout', () => setTimeout(resume));
  for (const id of ['todo', 'arriving', 'waiting', 'closed']) follow(document.getElementById(id), QUEUE_MS);

  // The slot: chosen on the map, or changed by someone else while it is looked at.
  const busy = () => panel.querySelector('details[open], form.htmx-request') || panel.querySelector('input:not([type=hidden]):focus, [aria-invalid]')
    || [...panel.querySelectorAll('input:not([type=hidden])')].some((input) => input.value !== input.defaultValue);
  const open = (url, source = panel) => htmx.ajax('GET', url, { target: panel, swap: 'innerHTML', source });
  document.addEventListener('lotline:select', (event) => {
    event.preventDefault();
    const url = `${desk.dataset.url}/slots/${encodeURIComponent(event.detail.name)}`;
    open(url).then(() => history.replaceState(history.state, '', url));
  });
  document.addEventListener('lotline:tick', ({ detail }) => {
    const chosen = slot();
    if (chosen && detail?.changed?.includes(Number(chosen.dataset.selectedPosition)) && !busy()) open(chosen.dataset.url, chosen);
  });
  // What the feed asked for may say nothing new: then the words of the last action stay. Nor does it close what
  // was opened, take what was typed, or throw out the form of an action that is still under way.
  document.addEventListener('htmx:before:swap', (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement !== slot()) return;
    const said = /name="version" value="(\d+)"/.exec(ctx.text)?.[1];
    if (busy() || (said && said === panel.querySelector('[name=version]')?.value)) event.preventDefault();
  });

  let shown = slot()?.dataset.slot ?? null;
  // What the swap of a panel leaves the focus with: never nothing; the slot itself after a search and after what
  // was done, so that the next key is an action and no letter; a field that is wrong keeps it.
  const acted = (ctx) => ctx?.request?.method === 'POST';
  const place = (ctx) => {
    const away = ctx?.sourceElement?.closest?.('#results') || acted(ctx) && !panel.querySelector('[autofocus]');
    if (away || document.activeElement === document.body) document.getElementById('slot-name')?.focus({ preventScroll: true });
  };
  const chosen = (ctx) => {
    const now = slot(), name = now?.dataset.slot ?? null;
    for (const task of document.querySelectorAll('.task')) {
      if (task.dataset.slot === name) task.setAttribute('aria-current', 'true'); else task.removeAttribute('aria-current');
    }
    const detail = now && { position: Number(now.dataset.selectedPosition), note: now.dataset.selectedNote };
    document.dispatchEvent(new CustomEvent(now ? 'lotline:chosen' : 'lotline:deselect', { detail }));
    place(ctx);
    if (name !== shown && innerWidth < 1000) panel.scrollIntoView({ block: 'start' });
    shown = name;
  };

  // Search: Enter opens the first hit, but only one that belongs to what is typed now.
  const plain = (text) => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '');
  const hits = () => [...results.querySelectorAll('a.hit')];
  const answered = () => plain(results.querySelector('[data-query]')?.dataset.query ?? '') === plain(search.value);
  let entered = false;
  search.form.addEventListener('submit', (event) => event.preventDefault());
  search.addEventListener('input', () => { entered = false; });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      if (answered()) hits()[0]?.click(); else entered = true;
    } else if (event.key === 'ArrowDown' && hits().length) {
      event.preventDefault();
      hits()[0].focus();
    }
  });
  results.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    const all = hits(), at = all.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
    (at < 0 ? search : all[Math.min(at, all.length - 1)]).focus();
  });

  // A list that is morphed may lose the row that has the focus: it goes to the first row then.
  let held = null;
  document.addEventListener('htmx:before:swap', ({ detail }) => {
    const where = detail?.ctx?.target;
    held = where && where !== panel && where.contains(document.activeElement) ? where : null;
  });
  const works = document.getElementById('works');
  document.addEventListener('htmx:after:swap', ({ target, detail }) => {
    const ctx = detail?.ctx, where = ctx?.target ?? target;
    if (where === panel) chosen(ctx);
    if (acted(ctx)) document.dispatchEvent(new Event('desk:done'));
    if (where === works) {
      const asks = document.getElementById('works-no');
      if (asks) asks.focus();
      else if (ctx?.sourceElement?.closest?.('#closed')) document.getElementById('works-first').focus();
      else if (!works.querySelector('[autofocus]')) document.getElementById('works-open').focus();
    } else if (where === held && document.activeElement === document.body) {
      (held.querySelector('a, button') ?? search).focus({ preventScroll: true });
    }
    held = null;
    if (where === results && entered && answered()) { entered = false; hits()[0]?.click(); }
    if (where?.id === 'todo') {
      document.querySelector(`.task[data-slot="${CSS.escape(shown ?? '')}"]`)?.setAttribute('aria-current', 'true');
    }
  });

  // Single keys, unless turned off on this device or something is being typed.
  const on = document.getElementById('keys-on');
  on.checked = localStorage.getItem('desk-keys') !== 'off';
  const mark = () => { desk.dataset.keys = on.checked ? 'on' : 'off'; };
  on.addEventListener('change', () => { localStorage.setItem('desk-keys', on.checked ? 'on' : 'off'); mark(); });
  mark();
  document.getElementById('keys-open').addEventListener('click', () => keys.showModal());

  const step = (by) => {
    const tasks = [...document.querySelectorAll('.task')];
    if (!tasks.length) return;
    const at = tasks.findIndex((task) => task.hasAttribute('aria-current'));
    const next = tasks[at < 0 ? 0 : Math.min(Math.max(at + by, 0), tasks.length - 1)];
    next.focus();
    next.click();
  };
  const press = (key) => {
    const control = panel.querySelector(`[data-key="${CSS.escape(key)}"]`);
    control?.focus();
    if (control && control.localName !== 'input') control.click();
    return Boolean(control);
  };
  const actions = {
    '/': () => { search.focus(); search.select(); return true; },
    '?': () => { keys.showModal(); return true; },
    j: () => { step(1); return true; },
    k: () => { step(-1); return true; },
    u: () => {
      const undo = panel.querySelector('[data-undo]') ?? justNow.querySelector('[data-undo]');
      undo?.focus();
      undo?.click();
      return Boolean(undo);
    },
  };
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || keys.open) return;
    const typing = event.target.closest?.('input:not([type=checkbox]), select, textarea');
    if (event.key === 'Escape') {
      const asking = panel.querySelector('details[open]');
      if (asking) { asking.open = false; asking.querySelector('summary').focus(); } else if (event.target !== search) search.focus();
      return;
    }
    if (typing || !on.checked || event.repeat) return;
    const act = actions[event.key] ?? (() => /^[a-z]$/i.test(event.key) && press(event.key.toLowerCase()));
    if (act()) event.preventDefault();
  });
})();

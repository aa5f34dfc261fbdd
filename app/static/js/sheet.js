// The sheet under the map. Slots chosen in the list open in it without a new page; whatever it comes to show,
// the list marks and the address bar names, so that a reload keeps it. The map reads data-selected-position by
// itself, and is told by lotline:deselect when there is none.
(() => {
  const sheet = document.getElementById('sheet');
  if (!sheet) return;
  let shown;

  const address = (name) => {
    const pattern = document.getElementById('map')?.dataset.selectUrl || `${location.pathname}?slot={slot}`;
    return pattern.replace('{slot}', encodeURIComponent(name));
  };
  const open = (url) => htmx.ajax('GET', url, { target: '#sheet', swap: 'innerMorph' });

  const follow = () => {
    const panel = document.getElementById('panel');
    const name = panel?.dataset.slot ?? null;
    if (name === shown) return;
    const first = shown === undefined;
    shown = name;
    document.querySelectorAll('.free-slot[aria-current]').forEach((link) => link.removeAttribute('aria-current'));
    if (!name) {
      if (!first) document.dispatchEvent(new CustomEvent('lotline:deselect'));
      return;
    }
    document.querySelector(`#l${panel.dataset.selectedPosition} .free-slot`)?.setAttribute('aria-current', 'true');
    if (first) return;
    history.replaceState(history.state, '', address(name) + location.hash);
    // Whoever chose with a key goes on in the form, and a screen reader hears what the sheet now says.
    if (!sheet.contains(document.activeElement)) sheet.focus({ preventScroll: true });
    sheet.scrollIntoView({ block: 'nearest' });
  };

  // A touch on the map: morphed, so that a plate that was typed for one slot stays for the next.
  document.addEventListener('lotline:select', (event) => {
    event.preventDefault();
    open(address(event.detail.name));
  });

  // A new tab stays a new tab.
  const plain = (event) => !event.defaultPrevented && !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  document.addEventListener('click', (event) => {
    const link = event.target.closest('.free-slot');
    if (!link || !plain(event)) return;
    event.preventDefault();
    open(link.getAttribute('href'));
  });

  // An area without a free slot says so. By :has() every change would restyle the whole list.
  const none = (list) => list?.toggleAttribute('data-none', !list.querySelector('[data-state="free"]'));
  document.addEventListener('lotline:tick', ({ detail }) => {
    const lists = detail.snapshot
      ? document.querySelectorAll('.free-slots')
      : new Set(detail.changed.map((position) => document.getElementById(`l${position}`)?.parentNode));
    lists.forEach(none);
  });

  // The panel asks again when the map says something else than it. In line, whatever changes may be one's turn.
  // A moment later, so that a busy lot asks less often; and once more when the answer came from a process that
  // had not heard of it yet.
  let asking = null;
  const isFree = (position) => document.getElementById(`s${position}`)?.dataset.state === 'free';
  const anyFree = () => Boolean(document.querySelector('#map .slot[data-state="free"]'));
  const differs = ({ kind, selectedPosition } = document.getElementById('panel')?.dataset ?? {}) => ({
    full: () => anyFree(), choose: () => !anyFree(), unavailable: () => isFree(selectedPosition),
  })[kind]?.() ?? false;
  const ask = () => { asking = null; if (document.getElementById('panel-news')) htmx.trigger('#panel-news', 'lotline:news'); };
  const askIn = (ms) => { if (!asking && document.getElementById('panel-news')) asking = setTimeout(ask, ms); };
  document.addEventListener('lotline:tick', ({ detail }) => {
    if (!detail.snapshot && !detail.changed.length) return;
    if (differs() || document.getElementById('panel')?.dataset.kind === 'waiting') askIn(150);
  });
  document.addEventListener('htmx:after:swap', () => { if (differs()) askIn(2000); });

  // What is held is held for so many seconds more, by differences of this clock alone; then the panel asks again.
  let held = null, heldSince = 0;
  setInterval(() => {
    const place = document.getElementById('held-left');
    if (!place) { held = null; return; }
    if (held !== place.dataset.leftS) [held, heldSince] = [place.dataset.leftS, performance.now()];
    const left = Math.max(0, Math.ceil(Number(held) - (performance.now() - heldSince) / 1000));
    const text = place.dataset.text.replace('{seconds}', left);
    if (place.textContent !== text) place.textContent = text;
    if (left === 0 && !('over' in place.dataset)) {
      place.dataset.over = '';
      htmx.trigger('#panel-choices', 'lotline:taken');
    }
  }, 250);

  // Somebody was faster, or gave it back: the panel asks again, and says so.
  document.addEventListener('lotline:tick', ({ detail }) => {
    const panel = document.getElementById('panel'), position = Number(panel?.dataset.selectedPosition ?? -1);
    if (panel?.dataset.kind !== 'book' || 'held' in panel.dataset || !(detail.snapshot || detail.changed.includes(position))) return;
    if (isFree(position) !== ('gone' in panel.dataset)) return;
    htmx.trigger('#panel-choices', 'lotline:taken');
  });

  document.addEventListener('htmx:after:swap', follow);
  follow();
})();

// Says what happened when a request of htmx got no usable answer. What carries its own words is left alone:
// 404, 409 and 422 are swapped into the page where the question was asked.
(() => {
  // By status, besides "server" for the others above 500 and "none" where no answer came.
  const WORDS = JSON.parse(document.getElementById('toasts')?.dataset.errors ?? '{}');

  const say = (text) => document.dispatchEvent(new CustomEvent('lotline:toast', { detail: { text, tone: 'problem' } }));
  // Background refreshes fail in silence: the feed's own banner already speaks of the connection.
  const asked = (event) => !event.target.closest?.('[data-background]');

  document.addEventListener('htmx:response:error', (event) => {
    const status = event.detail.ctx?.response?.status ?? 0;
    const words = WORDS[status] ?? (status >= 500 ? WORDS.server : '');
    if (words && asked(event)) say(words);
  });
  document.addEventListener('htmx:error', (event) => {
    if (asked(event) && !event.detail.ctx?.response) say(WORDS.none);
  });
})();

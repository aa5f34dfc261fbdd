// Says what happened when a request of htmx got no usable answer. What carries its own words is left alone:
// 404, 409 and 422 are swapped into the page where the question was asked.
(() => {
  const WORDS = {
    401: 'You are signed out. Sign in again to go on.',
    403: 'This page is too old to change anything. Reload it and try again.',
    413: 'That was too large to send.',
    429: 'Too many tries in a short time. Nothing was changed; try again in a minute.',
    503: 'This cannot be done for the moment. Nothing was changed; try again shortly.',
  };
  const SERVER = 'The server could not do that. Try again; a repeated booking is not made twice.';
  const NO_ANSWER = 'No answer from the server. Check your connection, then try again; a repeated booking is not made twice.';

  const say = (text) => document.dispatchEvent(new CustomEvent('lotline:toast', { detail: { text, tone: 'problem' } }));
  // Background refreshes fail in silence: the feed's own banner already speaks of the connection.
  const asked = (event) => !event.target.closest?.('[data-background]');

  document.addEventListener('htmx:response:error', (event) => {
    const status = event.detail.ctx?.response?.status ?? 0;
    const words = WORDS[status] ?? (status >= 500 ? SERVER : '');
    if (words && asked(event)) say(words);
  });
  document.addEventListener('htmx:error', (event) => {
    if (asked(event) && !event.detail.ctx?.response) say(NO_ANSWER);
  });
})();

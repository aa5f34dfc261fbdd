// Copies the feed's words into the banner that html[data-feed] shows, and tells a screen reader of a change
// of state once, not every second.
(() => {
  const SAID = {
    live: 'Live again.',
    stale: 'No update for some seconds. Counts may have changed.',
    lost: 'No update for long. What you see is not current.',
  };
  const root = document.documentElement;
  const words = document.getElementById('feed-state');
  const said = document.getElementById('feed-said');
  let before = root.dataset.feed;

  const show = () => {
    const state = root.dataset.feed;
    if (words && (state === 'stale' || state === 'lost')) {
      document.querySelectorAll(`[data-shown="${state}"] [data-feed-text]`)
        .forEach((place) => { place.textContent = `${words.textContent.trim()}.`; });
    }
    if (said && state !== before && SAID[state] && before !== 'connecting') said.textContent = SAID[state];
    before = state;
  };

  const observer = new MutationObserver(show);
  observer.observe(root, { attributes: true, attributeFilter: ['data-feed'] });
  if (words) observer.observe(words, { childList: true, characterData: true, subtree: true });
})();

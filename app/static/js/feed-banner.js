// Copies the feed's words into the banner that html[data-feed] shows, and tells a screen reader of a change
// of state once, not every second.
(() => {
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
    // data-live, data-stale and data-lost are what it says.
    const text = said?.dataset[state];
    if (text && state !== before && before !== 'connecting') said.textContent = text;
    before = state;
  };

  const observer = new MutationObserver(show);
  observer.observe(root, { attributes: true, attributeFilter: ['data-feed'] });
  if (words) observer.observe(words, { childList: true, characterData: true, subtree: true });
})();

// The page that stands in for one that could not be fetched: it asks for that one again until it comes.
(() => {
  const EVERY_MS = 5000;
  // A wall has nobody to press a button: it is dark, and its words are large.
  if (location.pathname.startsWith('/display')) document.documentElement.classList.add('wall');
  if (location.pathname === '/offline') return;
  const again = () => fetch(location.href, { cache: 'no-store' }).then((answer) => { if (answer.status < 500) location.reload(); }, () => {});
  addEventListener('online', again);
  setInterval(again, EVERY_MS);
})();

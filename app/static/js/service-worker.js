// Answers with the page that was kept when another one can't be fetched at all; nothing else goes through it.
// Its address names the version of the static files and the language: where either changes, it is another worker.
const asked = new URL(self.location.href).searchParams;
const version = asked.get('version'), language = asked.get('language');
const CACHE = `lotline-${version}-${language}`;
const PAGE = `/offline?language=${encodeURIComponent(language)}`;
const FILES = ['css/tokens.css', 'css/base.css', 'css/components.css', 'css/offline.css', 'js/offline-page.js', 'icon.svg']
  .map((file) => `/static/${version}/${file}`);

self.addEventListener('install', (event) => {
  self.skipWaiting();
  const kept = [new Request(PAGE, { cache: 'reload', headers: { accept: 'text/html' } }), ...FILES];
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(kept)));
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith('lotline-') && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    // The page is asked for while the worker still starts: it costs nobody a moment.
    await self.registration.navigationPreload?.enable();
    await self.clients.claim();
  })());
});

const fetched = async (event) => {
  try {
    return (await event.preloadResponse) || (await fetch(event.request));
  } catch {
    return caches.match(PAGE);
  }
};

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  if (request.mode === 'navigate') event.respondWith(fetched(event));
  else if (FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept || fetch(request)));
  }
});

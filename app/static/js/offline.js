// Lets the browser keep the page that it shows without a connection. Without such a worker all else works.
(() => {
  const { worker } = document.currentScript.dataset;
  addEventListener('load', () => navigator.serviceWorker?.register(worker).catch(() => {}));
})();

// Shows a short message over the page. Any file may ask for one:
//   document.dispatchEvent(new CustomEvent('lotline:toast', { detail: { text, tone } }))   tone: '' or 'problem'
(() => {
  const LIFE_MS = 8000;
  const MOST = 3;

  const close = (toast) => toast.remove();

  document.addEventListener('lotline:toast', ({ detail }) => {
    const region = document.getElementById('toasts');
    if (!region) return;
    const same = [...region.children].find((toast) => toast.firstChild.textContent === detail.text);
    if (same) close(same);
    const toast = document.createElement('div');
    toast.className = detail.tone ? `toast toast-${detail.tone}` : 'toast';
    const words = document.createElement('p');
    words.textContent = detail.text;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = '×';
    button.setAttribute('aria-label', region.dataset.close);
    button.addEventListener('click', () => close(toast));
    toast.append(words, button);
    region.append(toast);
    while (region.children.length > MOST) close(region.firstChild);
    // A problem stays until it is closed; the rest goes by itself, but never under the pointer or the focus.
    if (detail.tone === 'problem') return;
    const leave = () => (toast.matches(':hover, :focus-within') ? setTimeout(leave, 1000) : close(toast));
    setTimeout(leave, LIFE_MS);
  });

  // A new try takes the old problem away.
  document.addEventListener('htmx:before:request', (event) => {
    if (!event.target.closest?.('[data-background]')) document.querySelectorAll('.toast-problem').forEach(close);
  });
})();

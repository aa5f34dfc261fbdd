// Shows and serves every button that copies an address; without the script, or a clipboard, there is none.
(() => {
  const DONE_MS = 2500;
  if (!navigator.clipboard) return;
  document.querySelectorAll('[data-copy]').forEach((button) => {
    const words = button.textContent, { copied, told, refused } = button.dataset;
    button.hidden = false;
    button.addEventListener('click', async () => {
      const say = (text, tone) => document.dispatchEvent(new CustomEvent('lotline:toast', { detail: { text, tone } }));
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = copied;
        setTimeout(() => { button.textContent = words; }, DONE_MS);
        say(told, '');
      } catch {
        say(refused, 'problem');
      }
    });
  });
})();

// After a part of the page was replaced, the focus is where it was, or on the part that came: never nowhere.
// What else moves it (a panel that says where to go on, a field that is wrong) comes first.
(() => {
  let kept = null;

  document.addEventListener('htmx:before:request', ({ target }) => {
    const on = document.activeElement;
    if (target.closest?.('[data-background]') || !on || on === document.body) return;
    kept = { id: on.id, within: on.closest('[tabindex="-1"]')?.id };
  });

  const restore = () => {
    if (!kept || (document.activeElement && document.activeElement !== document.body)) return;
    const same = kept.id && document.getElementById(kept.id);
    const part = document.getElementById(kept.within) ?? document.getElementById('main');
    kept = null;
    same?.focus();
    if (document.activeElement !== same) part?.focus({ preventScroll: true });
    document.activeElement.scrollIntoView({ block: 'nearest' });
  };
  // While a request is under way its button is disabled and has no focus: what comes in the background meanwhile
  // is not what was waited for.
  document.addEventListener('htmx:after:swap', ({ target }) => {
    if (!target.closest?.('[data-background]')) setTimeout(restore);
  });
})();

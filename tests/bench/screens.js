/* In the measured page: when the map can be used, ticks and gestures by the clock, and a canvas in the map's place. */
window.bench = (() => {
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))));
  const bench = { usable: 0 };
  const seen = new MutationObserver(() => {
    if (!document.querySelector('.map-world[transform]')) return;
    seen.disconnect();
    frame().then(now => { bench.usable = now; });
  });
  seen.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['transform'] });

  bench.loaded = () => ({
    'first paint': performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    'map usable': bench.usable,
  });

  const map = () => document.getElementById('map');
  const view = () => document.querySelector('.map-view');
  const middle = () => { const b = view().getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2]; };
  const key = name => { map().focus(); map().dispatchEvent(new KeyboardEvent('keydown', { key: name })); };

  /* The way back to what is shown first, or so far out that all of it is in view. */
  bench.look = async what => {
    key('0');
    if (what === 'all') for (let n = 0; n < 12; n++) key('-');
    await frame();
    await frame();
  };

  /* From a pointer that is lifted to the picture that shows what it chose. */
  bench.tapped = () => document.addEventListener('lotline:select', event => event.preventDefault());
  bench.tap = async () => {
    const [x, y] = middle(), began = performance.now();
    const at = { clientX: x, clientY: y, pointerId: 7, pointerType: 'touch', bubbles: true };
    const target = document.elementFromPoint(x, y) || view();
    target.dispatchEvent(new PointerEvent('pointerdown', at));
    target.dispatchEvent(new PointerEvent('pointerup', at));
    return await frame() - began;
  };

  /* From the message to the picture: script, style and paint. */
  bench.tick = () => new Promise(done => {
    document.addEventListener('htmx:ws:before:message:incoming', () => {
      const began = performance.now();
      setTimeout(() => frame().then(now => done(now - began)));
    }, { once: true, capture: true });
  });

  /* Milliseconds from frame to frame while the map is dragged or zoomed in every one. */
  bench.move = async (what, steps) => {
    const [x, y] = middle(), gaps = [];
    const send = (type, px, py) => view().dispatchEvent(new PointerEvent(type, { clientX: px, clientY: py, pointerId: 8, pointerType: 'touch', bubbles: true }));
    if (what === 'pan') send('pointerdown', x, y);
    let last = await frame();
    for (let n = 1; n <= steps; n++) {
      if (what === 'pan') send('pointermove', x + 90 * Math.sin(n / 10), y + 60 * Math.sin(n / 7));
      else view().dispatchEvent(new WheelEvent('wheel', { deltaY: n <= steps / 2 ? -40 : 40, clientX: x, clientY: y, bubbles: true, cancelable: true }));
      const now = await frame();
      gaps.push(now - last);
      last = now;
    }
    if (what === 'pan') send('pointercancel', x, y);
    return gaps;
  };

  /* The same tiles on a canvas: all of what is in view is drawn anew whenever anything has moved or changed. */
  bench.toCanvas = () => {
    const svg = view(), world = svg.querySelector('.map-world'), box = svg.getBoundingClientRect();
    const style = getComputedStyle(map()), colour = name => style.getPropertyValue(`--${name}`).trim();
    const ink = { free: colour('accent'), reserved: colour('reserved'), occupied: colour('occupied'), closed: colour('ink2') };
    const fill = colour('free-fill');
    const tiles = [...svg.querySelectorAll('.slot')].map(tile => {
      const path = new Path2D(), own = new Path2D(tile.getAttribute('d')), [x, y] = tile.dataset.at.split(' ').map(Number);
      path.addPath(own, tile.transform.baseVal.consolidate()?.matrix);
      return { tile, path, x, y };
    });
    const canvas = document.createElement('canvas'), density = devicePixelRatio;
    canvas.width = box.width * density;
    canvas.height = box.height * density;
    canvas.style.cssText = 'position:absolute;inset:0;width:100%;height:100%;pointer-events:none';
    svg.after(canvas);
    const context = canvas.getContext('2d');
    svg.querySelector('.map-slots').style.display = 'none';
    let waiting = 0;
    const draw = () => {
      waiting = 0;
      const m = world.transform.baseVal.consolidate().matrix, k = Math.hypot(m.a, m.b);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.setTransform(m.a * density, m.b * density, m.c * density, m.d * density, m.e * density, m.f * density);
      context.lineWidth = 1.5 / k;
      for (const { tile, path, x, y } of tiles) {
        const px = m.a * x + m.c * y + m.e, py = m.b * x + m.d * y + m.f, state = tile.dataset.state;
        if (px < -40 || py < -40 || px > box.width + 40 || py > box.height + 40) continue;
        context.fillStyle = state === 'free' ? fill : ink[state];
        if (state !== 'closed') context.fill(path);
        context.strokeStyle = ink[state];
        if (state !== 'occupied') context.stroke(path);
      }
    };
    const later = () => { waiting ||= requestAnimationFrame(draw); };
    new MutationObserver(later).observe(world, { attributes: true, attributeFilter: ['transform'] });
    document.addEventListener('lotline:tick', later);
    draw();
  };
  return bench;
})();

/* The lot map: fit, pan, zoom, keyboard, choosing a slot. Its states are drawn by map.css from data-state, which
   feed.js sets: nothing here changes a tile.
     in   lotline:tick {changed, snapshot}, lotline:deselect, lotline:chosen {position or null, note}
     out  lotline:select {position, name}; prevent it to keep the map from opening the slot itself
   A panel that names its slot by data-selected-position (and -note) is followed after every swap, and so are all
   that carry data-overstay-position. */
(() => {
  'use strict';
  const NS = 'http://www.w3.org/2000/svg';
  const LEVELS = [['cars', 1.8], ['glyphs', 3.6], ['words', 5.5], ['small', 9], ['numbers', 10]];
  const TELL_MS = 5000, COUNTED = '#count-free, #count-reserved, #count-occupied, #count-closed';
  const REST_MS = 140, FAR = 0.6;
  const DESK = 640, TOUCH_PX = 22, MOST_RINGS = 12, LEGIBLE_K = 3.6, WATCHED_K = 2, CLOSE_K = 5.6, MOST_K = 40;
  let stop = null;

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const pair = element => element.dataset.at.split(' ').map(Number);

  function start(root) {
    const off = new AbortController(), one = query => root.querySelector(query);
    const view = one('.map-view'), world = one('.map-world'), tag = one('.map-tag'), say = one('[data-say]');
    const [left, top, wide, high] = root.dataset.box.split(' ').map(Number);
    const home = root.dataset.home.split(' ').map(Number);
    const words = JSON.parse(root.dataset.words);
    const slots = [...root.querySelectorAll('.slot')].map(tile => ({ tile, at: pair(tile) }));
    const signs = [...root.querySelectorAll('.sign')].map(sign => ({ sign, at: pair(sign), chip: null }));
    const within = new Map();
    for (const slot of slots) {
      const block = slot.tile.parentNode;
      if (within.has(block)) within.get(block).push(slot); else within.set(block, [slot]);
    }
    const blocks = [...within].map(([block, inside]) => {
      const xs = inside.map(slot => slot.at[0]), ys = inside.map(slot => slot.at[1]);
      return { block, away: false, box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)], slots: inside };
    });
    const byId = new Map(slots.map(slot => [slot.tile.id, slot]));
    let W = 0, H = 0, k = 0, shown = 0, widths = 0, turned = false, moved = false, waiting = 0;
    let painted = null, resting = 0, level = root.dataset.level, tagged = null, placed = '', telling = 0, told = performance.now(), heard = counted();
    let centre = [left + wide / 2, top + high / 2], chosen = null, cursor = null, panel = null, asked = 0;
    const on = (target, name, act, options) => target.addEventListener(name, act, { signal: off.signal, ...options });

    /* Lot metres to pixels and back. A turned map has its top at the lot's right. */
    const turn = ([x, y]) => turned ? [y, -x] : [x, y];
    const unturn = ([x, y]) => turned ? [-y, x] : [x, y];
    const toView = at => { const p = turn(at), c = turn(centre); return [W / 2 + k * (p[0] - c[0]), H / 2 + k * (p[1] - c[1])]; };
    const toLot = (x, y) => { const c = turn(centre); return unturn([c[0] + (x - W / 2) / k, c[1] + (y - H / 2) / k]); };

    function fit(w, h) {
      const pad = W < DESK ? [8, 12] : [16, 20], size = turned ? [h, w] : [w, h];
      return Math.min((W - 2 * pad[0]) / size[0], (H - 2 * pad[1]) / size[1]);
    }
    const least = () => Math.min(fit(wide, high), CLOSE_K);

    /* First the main part of the lot; if that is too small to read, as much of it as is legible, by the gate.
       Whoever watches all of it all day (any slot may be picked) gets all of it on a desk. */
    function goHome() {
      if (root.dataset.pick === 'any' && W >= DESK) {
        k = Math.max(fit(wide, high), WATCHED_K);
        centre = [left + wide / 2, top + high / 2];
        return;
      }
      k = Math.max(fit(home[2], home[3]), W < DESK ? LEGIBLE_K : LEGIBLE_K - 0.4);
      centre = [home[0] + home[2] / 2, home[1] + home[3] / 2];
      const gate = one('.gate'), [w, h] = turned ? [H / k, W / k] : [W / k, H / k];
      if (!gate) return;
      const at = pair(gate), margin = 40 / k;
      [[0, w], [1, h]].forEach(([axis, span]) => {
        if (home[axis + 2] + 2 * margin > span) centre[axis] = clamp(at[axis], home[axis] + span / 2 - margin, home[axis] + home[axis + 2] - span / 2 + margin);
      });
    }

    function measure() {
      [W, H] = [view.clientWidth, view.clientHeight];
      if (!W || !H) return;
      turned = (W >= DESK && W > H) ? home[3] > home[2] : home[2] > home[3];
      root.dataset.turn = turned ? '-90' : '0';
      root.style.setProperty('--back', turned ? '90deg' : '0deg');
      view.setAttribute('viewBox', `0 0 ${W} ${H}`);
      if (!moved) goHome();
      one('.map-foot').hidden = W < DESK;
      painted = null;
      const keys = one('.map-controls');
      placeControls(keys);
      panel = [keys.offsetLeft, keys.offsetTop, keys.offsetWidth, keys.offsetHeight];
      draw();
    }

    /* The buttons stand at the right, above or below: where they cover fewer slots of what is shown first. */
    function placeControls(keys) {
      delete keys.dataset.at;
      const [l, t, w, h] = [keys.offsetLeft, keys.offsetTop, keys.offsetWidth, keys.offsetHeight], above = t < H / 2, other = H - t - h;
      const under = y => slots.filter(slot => {
        const p = toView(slot.at);
        return levelOf(slot) === level && p[0] > l - k && p[0] < l + w + k && p[1] > y - k && p[1] < y + h + k;
      }).length;
      if (!moved && under(other) < under(t)) keys.dataset.at = above ? 'below' : 'above';
    }

    function draw() {
      waiting ||= requestAnimationFrame(() => { waiting = 0; if (root.isConnected && W) paint(); });
    }

    /* While it moves, the picture that is there is shifted and scaled, which costs no painting; at rest, or when it
       has come too far, it is drawn anew. */
    function glide() {
      clearTimeout(resting);
      resting = setTimeout(() => { resting = 0; draw(); }, REST_MS);
      draw();
    }

    function shift() {
      if (!resting || !painted) return false;
      const s = k / painted.k, c = turn(centre), was = turn(painted.centre);
      const [x, y] = [0, 1].map(axis => (axis ? H : W) / 2 * (1 - s) + k * (was[axis] - c[axis]));
      if (s > 1.7 || s < 0.6 || Math.abs(x + W * (s - 1) / 2) > W * FAR || Math.abs(y + H * (s - 1) / 2) > H * FAR) return false;
      view.style.transform = `translate(${x}px, ${y}px) scale(${s})`;
      return true;
    }

    /* Blocks of tiles far out of view are not there for the browser: they need neither style nor paint. */
    function cull() {
      const low = toLot(-W * FAR, -H * FAR), high = toLot(W * (1 + FAR), H * (1 + FAR));
      const [x0, x1] = [Math.min(low[0], high[0]) - 5, Math.max(low[0], high[0]) + 5], [y0, y1] = [Math.min(low[1], high[1]) - 5, Math.max(low[1], high[1]) + 5];
      for (const each of blocks) {
        const [left, top, right, bottom] = each.box, away = right < x0 || left > x1 || bottom < y0 || top > y1;
        if (away === each.away) continue;
        each.away = away;
        each.block.toggleAttribute('hidden', away);
      }
    }

    function paint() {
      k = clamp(k, least(), MOST_K);
      centre = [clamp(centre[0], left, left + wide), clamp(centre[1], top, top + high)];
      if (shift()) {
        placeTag(true);
        placeChips();
        return;
      }
      view.style.transform = '';
      painted = { k, centre: [...centre] };
      cull();
      const c = turn(centre);
      const place = `translate(${W / 2 - k * c[0]} ${H / 2 - k * c[1]})scale(${k})${turned ? 'rotate(-90)' : ''}`;
      if (place !== placed) world.setAttribute('transform', placed = place);
      if (k !== shown) rescale();
      if (k >= 10) number();
      placeTag();
      placeChips();
    }

    function rescale() {
      shown = k;
      for (const sized of root.querySelectorAll('.map-signs, .gate, .map-rings')) {
        sized.style.setProperty('--u', 1 / k);
        sized.style.setProperty('--sign', clamp(k / 4, 0.6, 1));
      }
      giveWay();
      /* Widths go in steps of a tenth: every change of theirs restyles all slots. */
      const q = 1.1 ** Math.round(Math.log(k) / Math.log(1.1));
      if (q !== widths) {
        widths = q;
        const metres = { line: clamp(0.2, 1.35 / q, 2.2 / q), thin: clamp(0.14, 1 / q, 1.6 / q), ring: Math.max(0.24, 2 / q), gap: Math.max(0.35, 2.5 / q) };
        for (const name in metres) root.style.setProperty(`--${name}`, `${metres[name]}px`);
      }
      const levels = LEVELS.filter(level => k >= level[1]).map(level => level[0]).join(' ');
      if (levels !== root.dataset.zoom) root.dataset.zoom = levels;
      const step = [100, 50, 20, 10, 5, 2].find(length => length * k <= 130) || 1;
      one('.map-scale i').style.width = `${step * k}px`;
      one('.map-scale span').textContent = `${step} m`;
      one('.map-north path').setAttribute('transform', `rotate(${Number(root.dataset.north) - (turned ? 90 : 0)})`);
    }

    /* Numbers in free slots come when first legible: a text for each of 5,000 slots would slow every page. */
    function number() {
      for (const { tile, at } of blocks.filter(each => !each.away).flatMap(each => each.slots)) {
        const p = toView(at);
        if (p[0] < -50 || p[1] < -50 || p[0] > W + 50 || p[1] > H + 50 || tile.nextElementSibling?.matches('.glyph, .slot-number')) continue;
        const group = make('g', { class: 'slot-number', transform: `translate(${at[0]} ${at[1]})` }, tile.parentNode);
        make('text', { dy: '.35' }, group).textContent = /\d+$/.exec(tile.dataset.name)?.[0] || tile.dataset.name.slice(0, 4);
        tile.after(group);
      }
    }

    function make(name, attributes, into) {
      const element = document.createElementNS(NS, name);
      for (const key in attributes) element.setAttribute(key, attributes[key]);
      return into.appendChild(element);
    }
    const frame = slot => slot.tile.getAttribute('transform') || '';
    const trace = (slot, more, into) => make('path', { d: slot.tile.getAttribute('d'), transform: frame(slot), ...more }, into);

    const around = ({ tile }, by, more, into) => {
      const { x, y, width, height } = tile.getBBox();
      return make('rect', { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by, rx: 0.5, transform: frame({ tile }), ...more }, into);
    };

    /* Marks lie over the tiles: chosen, over time, under the arrow keys. */
    function mark(kind, slot) {
      const group = make('g', { class: 'mark', 'data-mark': kind, 'data-level': levelOf(slot) }, one('.map-marks')), [cx, cy] = slot.at;
      group.toggleAttribute('hidden', levelOf(slot) !== level);
      for (const part of ['ring', 'gap', 'core']) trace(slot, { class: `mark-${part}` }, group);
      make('circle', { class: 'mark-dot', cx, cy, r: 0.5 }, group);
    }
    const unmark = kind => root.querySelectorAll(`[data-mark="${kind}"]`).forEach(each => each.remove());

    function point(slot) {
      unmark('cursor');
      cursor = slot;
      if (!slot) return;
      around(slot, Math.max(0.35, 3 / k), { class: 'cursor', 'data-mark': 'cursor' }, one('.map-marks'));
      const { name, area, state, has = '' } = slot.tile.dataset;
      say.textContent = [name, words[state], ...has.split(' ').map(kind => words[kind]), area && words.area.replace('{area}', area)].filter(Boolean).join(', ');
      reveal(slot);
    }

    function storey(to, write = true) {
      if (to === level) return;
      level = to;
      root.dataset.level = to;
      root.querySelectorAll('.map-world [data-level]').forEach(each => each.toggleAttribute('hidden', each.dataset.level !== to));
      for (const link of root.querySelectorAll('.map-levels a')) {
        if (link.dataset.level === to) link.setAttribute('aria-current', 'true'); else link.removeAttribute('aria-current');
      }
      const address = new URL(location.href);
      address.searchParams.set('level', to);
      if (write) history.replaceState(history.state, '', address);
      if (chosen && levelOf(chosen) !== to) show(null);
      cursor = null;
      unmark('cursor');
      draw();
    }
    const levelOf = slot => slot.tile.closest('[data-level]')?.dataset.level ?? level;

    function show(slot, note) {
      if (slot) storey(levelOf(slot), false);
      unmark('selected');
      unmark('cursor');
      chosen = slot;
      tag.hidden = !slot;
      if (!slot) return;
      if (!one(`[data-mark="mine"][data-of="${slot.tile.id}"]`)) mark('selected', slot);
      tag.children[0].textContent = slot.tile.dataset.name;
      tag.children[1].textContent = note || root.dataset.note;
      reveal(slot);
    }

    function choose(slot) {
      const { name } = slot.tile.dataset, url = root.dataset.selectUrl.replace('{slot}', encodeURIComponent(name));
      show(slot);
      cursor = slot;
      const detail = { position: Number(slot.tile.id.slice(1)), name };
      if (!document.dispatchEvent(new CustomEvent('lotline:select', { detail, cancelable: true })) || !url) return;
      if (!window.htmx || !document.getElementById('sheet')) return location.assign(url);
      asked += 1;
      const answered = () => { asked -= 1; follow(); };
      window.htmx.ajax('GET', url, { target: '#sheet', swap: 'innerHTML' }).then(answered, answered);
    }

    function reveal(slot) {
      const [x, y] = toView(slot.at), close = W >= DESK || k >= CLOSE_K;
      if (!close) k = CLOSE_K;
      if (close && x > 60 && y > 70 && x < W - 90 && y < H - 60) draw(); else moveTo(slot.at);
    }

    /* A sign in the gate's own aisle gives way to it, along the page: words to the right of its plate need more. */
    function giveWay() {
      const gate = one('.gate'), [gx, gy] = gate ? toView(pair(gate)) : [Infinity, Infinity];
      for (const { sign, at } of signs) {
        const [x, y] = toView(at), room = x < gx ? 95 : 60, near = Math.abs(y - gy) < 26 && Math.abs(x - gx) < room;
        const [dx, dy] = unturn([near ? (x < gx ? -1 : 1) * (room - Math.abs(x - gx)) / k : 0, 0]);
        sign.setAttribute('transform', `translate(${at[0] + dx} ${at[1] + dy})`);
      }
    }

    /* The tag lies above or below, straight or to a side: where it covers fewest slots, and no sign if it can. */
    function placeTag(moving = false) {
      if (!chosen) return;
      if (moving && tagged) {
        const [nowX, nowY] = toView(chosen.at);
        tag.style.transform = `translate(${Math.round(nowX + tagged[0])}px, ${Math.round(nowY + tagged[1])}px)`;
        return;
      }
      const [x, y] = toView(chosen.at), { left: rootX, top: rootY } = root.getBoundingClientRect();
      const w = tag.offsetWidth, h = tag.offsetHeight, lift = chosen.tile.getBoundingClientRect().height / 2 + Math.max(0.6 * k, 4.5) + 7;
      const near = slots.map(slot => toView(slot.at)).filter(p => Math.abs(p[0] - x) < w + k && Math.abs(p[1] - y) < lift + h + k);
      const plates = signs.map(({ sign }) => sign.getBoundingClientRect());
      const places = [y - lift - h, y + lift].flatMap(t => [0.5, 0.15, 0.85].map(tip => ({ tip, t, l: x - w * tip })));
      const best = nearest(places, ({ tip, t, l }) => (tip === 0.5 ? 0 : 1.5) + (t < 2 || t + h > H || l < 2 || l + w > W ? 500 : 0)
        + near.filter(p => Math.abs(p[0] - l - w / 2) < w / 2 + k && Math.abs(p[1] - t - h / 2) < h / 2 + k).length
        + 50 * plates.filter(p => p.left - rootX < l + w && p.right - rootX > l && p.top - rootY < t + h && p.bottom - rootY > t).length);
      tagged = [best.l - x, best.t - y];
      tag.dataset.side = best.t > y ? 'below' : 'above';
      tag.style.setProperty('--tip', `${best.tip * 100}%`);
      tag.style.transform = `translate(${Math.round(best.l)}px, ${Math.round(best.t)}px)`;
    }

    /* An area out of view becomes a chip at that edge, beside the signs; a small map has no room for it. */
    function placeChips() {
      const { left: rootX, top: rootY } = root.getBoundingClientRect(), used = [panel], gone = [];
      for (const each of signs) {
        const [x, y] = toView(each.at), out = W >= DESK && each.sign.dataset.level === level && (x < 14 || y < 14 || x > W - 14 || y > H - 14);
        each.sign.classList.toggle('is-out', out);
        if (out) { gone.push(each); continue; }
        each.chip?.remove();
        each.chip = null;
      }
      if (gone.length) {
        used.push(...signs.filter(each => !gone.includes(each)).map(({ sign }) => sign.getBoundingClientRect())
          .map(box => [box.left - rootX, box.top - rootY, box.width, box.height]));
      }
      for (const each of gone) {
        const [x, y] = toView(each.at);
        const chip = each.chip ||= makeChip(each), far = Math.hypot(each.at[0] - centre[0], each.at[1] - centre[1]);
        chip.children[1].textContent = each.sign.querySelector('tspan').textContent;
        chip.children[2].textContent = `${Math.round(far / 10) * 10} m`;
        const w = chip.offsetWidth, l = clamp(x - w / 2, 8, W - w - 8), by = y > H / 2 ? -36 : 36;
        let t = clamp(y - 16, 8, H - 64);
        while (used.some(box => l < box[0] + box[2] && box[0] < l + w && t < box[1] + box[3] && box[1] < t + 34)) t += by;
        used.push([l, t, w, 34]);
        chip.style.transform = `translate(${Math.round(l)}px, ${Math.round(t)}px)`;
      }
    }

    function makeChip({ sign, at }) {
      const chip = one('.map-chips template').content.firstElementChild.cloneNode(true), premium = 'premium' in sign.dataset;
      chip.toggleAttribute('data-premium', premium);
      chip.firstChild.textContent = premium ? '◆' : sign.dataset.code;
      chip.addEventListener('click', () => moveTo(at));
      return one('.map-chips').appendChild(chip);
    }

    function moveTo(at) {
      moved = true;
      centre = at;
      draw();
    }
    function zoom(by, x = W / 2, y = H / 2) {
      const was = toLot(x, y);
      k = clamp(k * by, least(), MOST_K);
      const now = toLot(x, y);
      glide();
      moveTo([centre[0] + was[0] - now[0], centre[1] + was[1] - now[1]]);
    }
    function pan(dx, dy) {
      const d = unturn([dx / k, dy / k]);
      glide();
      moveTo([centre[0] - d[0], centre[1] - d[1]]);
    }

    /* Pointers: one drags, two pinch, one that hardly moved chooses. */
    const fingers = new Map();
    let travelled = 0;
    on(view, 'pointerdown', event => {
      if (event.button) return;
      if (!fingers.size) travelled = 0;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    on(window, 'pointermove', event => {
      const was = fingers.get(event.pointerId), now = [event.clientX, event.clientY];
      if (!was) return;
      const dx = now[0] - was[0], dy = now[1] - was[1];
      travelled += Math.hypot(dx, dy);
      fingers.set(event.pointerId, now);
      if (travelled < 6) return;
      view.classList.add('is-dragged');
      const other = [...fingers].find(finger => finger[0] !== event.pointerId)?.[1];
      if (other) {
        const box = root.getBoundingClientRect(), gap = p => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
        zoom(gap(now) / gap(was), (now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top);
        pan(dx / 2, dy / 2);
      } else pan(dx, dy);
    });
    for (const end of ['pointerup', 'pointercancel']) {
      on(window, end, event => {
        if (!fingers.delete(event.pointerId) || fingers.size) return;
        view.classList.remove('is-dragged');
        if (end === 'pointerup' && travelled < 6) tap(event);
      });
    }

    function tap({ target, pointerType, clientX, clientY }) {
      const hit = slots.find(slot => slot.tile === target), box = root.getBoundingClientRect();
      const free = slot => levelOf(slot) === level && (root.dataset.pick === 'any' || slot.tile.dataset.state === 'free');
      const far = slot => { const p = toView(slot.at); return Math.hypot(p[0] + box.left - clientX, p[1] + box.top - clientY); };
      const near = pointerType !== 'mouse' && k < 9 && !(hit && free(hit)) ? nearest(slots.filter(free), far) : null;
      const taken = near && far(near) <= TOUCH_PX ? near : hit;
      if (taken) choose(taken);
    }

    function nearest(from, far) {
      let best = null, least = Infinity;
      for (const slot of from) { const length = far(slot); if (length < least) [best, least] = [slot, length]; }
      return best;
    }

    function step(dx, dy) {
      const from = cursor || chosen, c = turn(from ? from.at : centre), here = slots.filter(slot => levelOf(slot) === level);
      if (!from) return nearest(here, slot => Math.hypot(slot.at[0] - centre[0], slot.at[1] - centre[1]));
      return nearest(here, slot => {
        const p = turn(slot.at), along = (p[0] - c[0]) * dx + (p[1] - c[1]) * dy, across = Math.abs((p[0] - c[0]) * dy + (p[1] - c[1]) * dx);
        return slot !== from && along > 0.5 && across <= along * 1.2 ? along + 2 * across : Infinity;
      }) || from;
    }

    const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    on(root, 'keydown', event => {
      if (event.target !== root || event.ctrlKey || event.metaKey || event.altKey) return;
      const { key } = event;
      if (ARROWS[key]) point(step(...ARROWS[key]));
      else if (key === 'Enter' || key === ' ') { if (cursor) choose(cursor); }
      else if (key === '+' || key === '=') zoom(1.5);
      else if (key === '-') zoom(1 / 1.5);
      else if (key === '0') whole();
      else return;
      event.preventDefault();
    });
    on(root, 'blur', () => point(null));
    on(view, 'wheel', event => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.clientX - root.getBoundingClientRect().left, event.clientY - root.getBoundingClientRect().top);
    }, { passive: false });
    /* All of the lot; once more, and the part of it that is shown first. */
    function whole() {
      const all = Math.abs(k - least()) < 0.01;
      moved = !all;
      k = least();
      centre = [left + wide / 2, top + high / 2];
      if (all) measure(); else draw();
    }
    on(one('[data-fit]'), 'click', whole);
    root.querySelectorAll('.map-levels a').forEach(link => on(link, 'click', event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      storey(link.dataset.level);
    }));
    root.querySelectorAll('[data-zoom-by]').forEach(button => on(button, 'click', () => zoom(Number(button.dataset.zoomBy))));

    on(document, 'lotline:deselect', () => show(null));
    on(document, 'lotline:chosen', ({ detail }) => {
      const slot = byId.get(`s${detail.position}`) || null;
      if (slot !== chosen) show(slot, detail.note);
      else if (slot) tag.children[1].textContent = detail.note || root.dataset.note;
    });
    on(document, 'lotline:tick', ({ detail }) => {
      requestAnimationFrame(draw);
      const { changed = [], snapshot } = detail || {};
      telling ||= setTimeout(tell, Math.max(0, told + TELL_MS - performance.now()));
      if (!snapshot && changed.length <= MOST_RINGS) changed.forEach(position => ring(byId.get(`s${position}`)));
    });
    /* Who hears the page hears the counts, as the legend says them, and at most one sentence in five seconds. */
    function counted() {
      return [...document.querySelectorAll('.legend li')].filter(each => each.querySelector(COUNTED)).map(each => each.textContent.trim()).join(', ');
    }
    function tell() {
      [telling, told] = [0, performance.now()];
      const counts = counted();
      if (counts !== heard) one('[data-counts]').textContent = counts;
      heard = counts;
    }
    function ring(slot) {
      if (!slot || slot.tile.closest('[hidden]')) return;
      const drawn = around(slot, 0.3, { class: 'ring', 'data-state': slot.tile.dataset.state }, one('.map-rings'));
      drawn.addEventListener('animationend', () => drawn.remove());
    }

    function follow() {
      const about = !asked && document.querySelector('[data-selected-position]')?.dataset;
      const slot = about && byId.get(`s${about.selectedPosition}`);
      if (slot && slot !== chosen) show(slot, about.selectedNote);
      unmark('over');
      for (const { dataset } of document.querySelectorAll('[data-overstay-position]')) {
        const late = byId.get(`s${dataset.overstayPosition}`);
        if (late) mark('over', late);
      }
    }

    const size = new ResizeObserver(measure);
    size.observe(root);
    one('.map-controls').hidden = false;
    measure();
    follow();
    return { root, follow, end: () => { off.abort(); clearTimeout(telling); clearTimeout(resting); size.disconnect(); } };
  }

  function begin() {
    const root = document.getElementById('map');
    if (stop && stop.root === root) return stop.follow();
    stop?.end();
    stop = root && root.dataset.box ? start(root) : null;
  }
  document.addEventListener('htmx:after:swap', begin);
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin); else begin();
})();

// How old the feed's figures are, by clocks that are never set. For feed.js.
//
// A frame carries two instants of its server's steady clock: `now`, when it was sent, and `as_of`, when its figures
// were confirmed last. Of this page's own clock (performance.now) a connection shows how far it is from the
// server's: no frame arrives before it was sent, so the smallest difference seen is the nearest to the truth; and
// none was sent before its connection was asked for, so a frame that was held up on its way can't pass for new.
//
// performance.now stands still while a Linux or a Mac sleeps; Date goes on, but may be wrong and may be set. Where
// goes on by more than the other, the page may have slept: what was known is taken to be older by as much, what this
// connection still brings is not believed, and `feed:slept` asks for another one. If the clock was only set, that
// costs a blink.
const feedClock = (() => {
  const APART_MS = 3000, HELD_UP_S = 3;
  const confirmed = new Map();   // lot → as_of of this connection, or our own second of an earlier one
  const own = () => performance.now() / 1000;
  const apart = () => Date.now() - performance.now();
  let connection = null, forgotten = null, nearest = Infinity, earliest = -Infinity, before = apart();

  // When a socket was asked for is known to nobody else.
  window.WebSocket = class extends WebSocket {
    constructor(...parts) { super(...parts); this.askedForAt = own(); }
  };

  const offset = () => Math.min(nearest, earliest + HELD_UP_S);

  // The page itself was made after it had been asked for.
  const asked = performance.getEntriesByType('navigation')[0]?.requestStart ?? 0;
  let made = Number(document.documentElement.dataset.feedAge ?? NaN) - asked / 1000;

  const frame = (lot, now, asOf, socket) => {
    // What came by a connection of before a sleep may have waited all the while.
    if (socket === forgotten) return;
    if (socket !== connection) {
      for (const one of confirmed.values()) { one.own = at(one); one.asOf = null; }
      connection = socket;
      nearest = Infinity;
      earliest = (socket?.askedForAt ?? own()) - now;
    }
    nearest = Math.min(nearest, own() - now);
    const known = confirmed.get(lot);
    if (asOf !== undefined) confirmed.set(lot, { asOf, own: NaN });
    else if (!known) confirmed.set(lot, { asOf: null, own: NaN });
  };

  const at = ({ asOf, own: earlier }) => asOf === null ? earlier : asOf + offset();

  // Seconds; NaN where it is not known. Of several lots the oldest counts.
  const age = () => {
    if (!confirmed.size) return own() + made;
    const ages = [...confirmed.values()].map((one) => own() - at(one));
    return ages.some(Number.isNaN) ? NaN : Math.max(0, ...ages);
  };

  const look = () => {
    const jump = apart() - before;
    before += jump;
    if (Math.abs(jump) < APART_MS) return;
    // As if it had slept for all of it; where a clock went back, nobody can say.
    const by_s = jump > 0 ? jump / 1000 : NaN;
    for (const one of confirmed.values()) { one.own = at(one) - by_s; one.asOf = null; }
    made += by_s;
    forgotten = connection;
    document.dispatchEvent(new CustomEvent('feed:slept'));
  };

  // Whether this connection was so long in coming that nobody can tell how old what it brings is.
  const isVague = () => nearest - earliest > HELD_UP_S + 1;

  return { frame, age, look, isVague };
})();

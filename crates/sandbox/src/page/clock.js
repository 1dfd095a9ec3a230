// The clock: a slider for how far, and what that will do. It moves ahead only, so the slider alone moves nothing.

import { h, say } from './dom.js';
import { moment, span } from './words.js';

const STEPS = ['25s', '1m', '10m', '1h', '6h', '12h', '23h', '24h', '25h', '48h', '72h', '7d', '8d', '14d', '30d'];
const QUICK = [['25s', '+ 25 s', 'typing ends'], ['1h', '+ 1 h', ''], ['25h', '+ 25 h', 'the window closes'], ['8d', '+ 8 d', 'events are too old']];

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const toMs = (step) => Number.parseInt(step, 10) * UNIT_MS[step.at(-1)];

export function createClock(root, actions) {
  const now = h('p.big-time', { 'aria-label': 'The sandbox’s time' });
  const ahead = h('p.soft');
  const slider = h('input', { type: 'range', id: 'clock-step', min: '0', max: String(STEPS.length - 1), value: '8', step: '1' });
  const by = h('output', { for: 'clock-step' });
  const foresee = h('p.soft');
  const move = h('button.main', { type: 'button', onclick: () => actions.advance(STEPS[slider.value]) });
  let last = null;
  slider.addEventListener('input', () => last && foretell(...last));
  root.append(now, ahead,
    h('div.sheet-like', null, h('label', { for: 'clock-step' }, 'How far ahead'), h('div.row', null, slider, by), foresee, move),
    h('div.quick', { role: 'group', 'aria-label': 'Move the clock at once' }, QUICK.map(([step, text, what]) =>
      h('button.quiet', { type: 'button', onclick: () => actions.advance(step) }, text, what ? h('span.soft', null, what) : null))),
    h('p.soft', null, 'Time moves ahead only. In dev the gateway runs by the same clock, so its retries and expiries move along.'));

  function foretell(state, at) {
    const step = STEPS[slider.value];
    const ms = toMs(step);
    const then = at + ms;
    say(by, span(ms));
    slider.setAttribute('aria-valuetext', span(ms));
    const open = (until) => until && Date.parse(until) > at;
    const closing = state.chats.filter((row) => open(row.window_until) && Date.parse(row.window_until) <= then).length;
    const typing = state.chats.filter((row) => open(row.typing_until) && Date.parse(row.typing_until) <= then).length;
    const parts = [
      closing && `${closing} ${closing === 1 ? 'window closes' : 'windows close'}`,
      typing && 'the typing indicator ends',
    ].filter(Boolean);
    say(foresee, `${moment(then)}${parts.length ? `: ${parts.join(', ')}` : ''}`);
    say(move, `Move ${span(ms)} ahead`);
  }

  return {
    render(state, at) {
      last = [state, at];
      this.tick(state, at);
    },
    tick(state, at) {
      last = [state, at];
      say(now, moment(at));
      say(ahead, state.offset ? `${span(state.offset)} ahead of this machine` : 'the machine’s own time');
      foretell(state, at);
    },
  };
}

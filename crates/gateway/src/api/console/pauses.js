// What is paused: above the list for as long as it is, and nothing of it else.

import { ask } from './source.js';
import { h, moment, pill } from './dom.js';

/** A pause may begin and end without a change of an event of one's own, so it is looked for all the while. */
const AGAIN_MS = 5000;
/** So many are shown in full; the others are unfolded. */
const SHOWN = 2;

/** The gravest first: what a person must act on. */
const RANK = ['unauthorized', 'outage', 'throttled'];
const LOOKS = { unauthorized: 'bad', throttled: 'warm', outage: 'warm' };
const WORDS = { unauthorized: 'refused', throttled: 'throttled', outage: 'outage' };
const FAMILIES = { messages: 'Read marks and typing', blocks: 'Blocks and unblocks', conversions: 'Conversions' };

const $ = (id) => document.getElementById(id);
const counted = (count, one, many) => (count === 1 ? `1 ${one}` : `${count.toLocaleString('en-GB')} ${many}`);

/** What a pause covers, in a few words. */
function covered(pause) {
  const calls = pause.family ? FAMILIES[pause.family] : 'All calls';
  const whose = {
    number_family: () => `of ${pause.number}`,
    number: () => `of ${pause.number ?? counted(pause.numbers, 'number', 'numbers')}`,
    waba: () => `of WABA ${pause.waba_ids.join(', ')}`,
    credential: () => `with the token ${pause.secrets.join(', ')}`,
    app: () => 'of the app',
  }[pause.scope]();
  const numbers = ['waba', 'credential', 'app'].includes(pause.scope) ? `, ${pause.number ?? counted(pause.numbers, 'number', 'numbers')}` : '';
  return `${calls} ${whose}${numbers}${pause.route === 'cm' ? ', to CM.com' : ''}`;
}

/** What happens next, and what a person has to do for it. */
function next(pause) {
  const isRefused = pause.class === 'unauthorized';
  if (!pause.next_attempt_at) return 'One call tries just now';
  const at = h('time', { datetime: pause.next_attempt_at }, moment(pause.next_attempt_at));
  return isRefused ? ['One call tries at ', at, ', or as soon as the configuration or a token’s file changes'] : ['Goes on at ', at];
}

function row(pause) {
  const codes = [pause.code && `Code ${pause.code}`, pause.subcode && `subcode ${pause.subcode}`].filter(Boolean).join(', ');
  const waiting = pause.waiting_events;
  return h('li.pause', null,
    h('p.first', null, pill(WORDS[pause.class], LOOKS[pause.class]), h('strong', null, covered(pause))),
    h('p', null, [codes, pause.reason].filter(Boolean).join(': ') || 'No answer tells why'),
    h('p.second', null,
      h('span', null, 'Since ', h('time', { datetime: pause.since }, moment(pause.since))),
      h('span', null, next(pause)),
      waiting ? h('strong', null, counted(waiting, 'event waits behind it', 'events wait behind it')) : null));
}

let told = '[]';
let count = 0;

/** Shows these; whoever cannot see it is told when a pause begins and when the last one has ended. */
function show(pauses) {
  const look = JSON.stringify(pauses);
  if (look === told) return;
  told = look;
  pauses.sort((a, b) => RANK.indexOf(a.class) - RANK.indexOf(b.class));
  const rows = pauses.map(row);
  $('pauses').hidden = rows.length === 0;
  $('pauses').classList.toggle('refused', pauses.some((pause) => pause.class === 'unauthorized'));
  $('pauses-title').textContent = counted(rows.length, 'pause in force', 'pauses in force');
  $('more-pauses').hidden = rows.length <= SHOWN;
  $('more-pauses').firstElementChild.textContent = `${rows.length - SHOWN} more`;
  $('pauses-list').replaceChildren(...rows.slice(0, SHOWN));
  $('pauses-rest').replaceChildren(...rows.slice(SHOWN));
  if (rows.length > count) $('news').textContent = `Paused: ${covered(pauses[0])}`;
  if (rows.length === 0) $('news').textContent = 'Nothing is paused any more';
  count = rows.length;
}

export async function loadPauses() {
  show((await ask('/api/v1/pauses')).pauses);
}

/** Looks again all the while that somebody may be looking. What goes wrong is told by those who follow events. */
export async function followPauses() {
  for (;;) {
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    if (!document.hidden) await loadPauses().catch(() => null);
  }
}

// The page's own drawings.

import { drawing } from './dom.js';

const TICK = 'M1.5 7.2l3.4 3.6L11.6 2.6';
const SECOND = 'M8.1 10.1l.8.7L15.7 2.6';

export const tick = (label, kind) => drawing([TICK], { label, kind: `ticks ${kind}`, width: 17, height: 12 });
export const ticks = (label, kind) =>
  drawing([TICK, SECOND], { label, kind: `ticks ${kind}`, width: 17, height: 12 });

const lines = (...paths) => (label) => drawing(paths, { label, kind: 'drawn' });

export const send = lines('M4 12l16-8-6 16-3-7z', 'M11 13l9-9');
export const horn = lines('M4 10v4h3l8 4V6L7 10z', 'M18.5 9.5a4 4 0 0 1 0 5', 'M8 14l1 5h2l-1-4');
export const back = lines('M15 5l-7 7 7 7');
export const cross = lines('M6 6l12 12', 'M18 6L6 18');
export const barred = lines('M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M6.2 6.2l11.6 11.6');
export const keys = lines('M3 7h18v10H3z', 'M7 11h.01M11 11h.01M15 11h.01M8 14h8');
export const purse = lines('M5 8h14l-1 12H6z', 'M9 8a3 3 0 0 1 6 0');
export const shop = lines('M4 9l1.5-4h13L20 9', 'M5 9v10h14V9', 'M4 9a2.7 2.7 0 0 0 5.3 0 2.7 2.7 0 0 0 5.4 0A2.7 2.7 0 0 0 20 9');

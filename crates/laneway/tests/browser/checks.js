// Run in the page: what is wrong with what can be seen of it now, as a list of sentences.
// Contrast by WCAG 2.2, 1.4.3: 4.5 to 1, for large text 3 to 1. Targets by 2.5.8: 24 by 24 CSS pixels, inline links apart.

const faults = [];
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}

const over = (top, below) => {
  const a = top[3] + below[3] * (1 - top[3]);
  if (a === 0) return [0, 0, 0, 0];
  return [0, 1, 2].map((i) => (top[i] * top[3] + below[i] * below[3] * (1 - top[3])) / a).concat(a);
};

const luminance = (colour) => {
  const [r, g, b] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

function ratio(first, second) {
  const [high, low] = [luminance(first), luminance(second)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

/** What is behind an element's text; `null` where it is a picture. */
function behind(element) {
  let colour = [0, 0, 0, 0];
  for (let at = element; at; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (style.backgroundImage.includes('linear-gradient')) return null;
    colour = over(colour, rgba(style.backgroundColor));
    if (colour[3] >= 0.999) return colour;
  }
  return over(colour, [255, 255, 255, 1]);
}

const name = (element) => {
  const text = (element.textContent || element.getAttribute('aria-label') || '').trim().slice(0, 40);
  return `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ''}.${element.className} "${text}"`;
};
const top_ = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  && element.getClientRects().length > 0 && !element.closest('.unseen') && top_.contains(element);

for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const isField = element.matches('input, select, textarea');
  if (!shown(element) || (!own && !isField) || element.closest('svg, noscript, option, :disabled')) continue;
  const style = getComputedStyle(element);
  if (style.clipPath !== 'none' && element.offsetWidth <= 1) continue;
  const ground = behind(element);
  if (!ground) continue;
  const size = parseFloat(style.fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const found = ratio(over(rgba(style.color), ground), ground);
  if (found < (isLarge ? 3 : 4.5)) faults.push(`contrast ${found.toFixed(2)}: ${name(element)}`);
}

for (const icon of document.querySelectorAll('svg[role=img]')) {
  if (!shown(icon)) continue;
  const ground = behind(icon.parentElement);
  const found = ground && ratio(rgba(getComputedStyle(icon).color), ground);
  if (found && found < 3) faults.push(`contrast ${found.toFixed(2)}: the sign ${icon.getAttribute('aria-label')}`);
}

for (const target of document.querySelectorAll('button, a[href], summary, select, input, textarea, [role=tab]')) {
  if (!shown(target) || target.matches('.skip')) continue;
  const { width, height } = target.getBoundingClientRect();
  if (width < 23.5 || height < 23.5) faults.push(`${width.toFixed(0)} by ${height.toFixed(0)} pixels: ${name(target)}`);
}

/** Whether what is beyond the edge can be scrolled to. */
const scrolls = (element) => element && (/auto|scroll/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
for (const target of document.querySelectorAll('button, a[href], summary, select, input, textarea')) {
  const { left, right } = target.getBoundingClientRect();
  if (shown(target) && !target.matches('.skip') && (left < -0.5 || right > innerWidth + 0.5) && !scrolls(target.parentElement)) {
    faults.push(`beyond the edge of the screen, ${left.toFixed(0)} to ${right.toFixed(0)}: ${name(target)}`);
  }
}

const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push(`the id ${id} is there twice`);
for (const attribute of ['for', 'aria-controls', 'aria-labelledby', 'aria-describedby']) {
  for (const element of document.querySelectorAll(`[${attribute}]`)) {
    for (const id of element.getAttribute(attribute).split(/\s+/)) {
      if (!document.getElementById(id)) faults.push(`${attribute} names ${id}, which is not there: ${name(element)}`);
    }
  }
}

for (const element of document.querySelectorAll('[tabindex]')) {
  if (element.tabIndex > 0) faults.push(`a tabindex of its own order: ${name(element)}`);
}
for (const inner of document.querySelectorAll(':is(a, button, summary) :is(a, button, summary, input, select, textarea)')) {
  faults.push(`what is pressed inside of what is pressed: ${name(inner)}`);
}

if (document.documentElement.lang === '') faults.push('the page has no language');
if (document.querySelectorAll('h1').length !== 1) faults.push('there is not one h1');
const beyond = document.documentElement.scrollWidth - innerWidth;
if (beyond > 0) {
  const right = (element) => element.getBoundingClientRect().right;
  const widest = [...document.querySelectorAll('body *')].filter((element) => right(element) > innerWidth);
  faults.push(`wider than the screen by ${beyond}: ${widest.slice(0, 5).map(name).join(', ')}`);
}

return faults;

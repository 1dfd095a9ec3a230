// Building and patching elements. No markup is ever made from text, so nothing that anybody writes becomes an element.

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an element: `h('button.main', {type: 'button', onclick: go}, 'Go')`. */
export function h(name, properties, ...children) {
  const [tag, ...classes] = name.split('.');
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Makes a small drawing of lines; with a label it is announced, without one it is decoration. */
export function drawing(paths, { label, width = 24, height = 24, kind = '' } = {}) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('preserveAspectRatio', kind === 'hills' ? 'none' : 'xMidYMid');
  svg.setAttribute('class', `icon ${kind}`.trim());
  if (label) {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', label);
  } else {
    svg.setAttribute('aria-hidden', 'true');
  }
  for (const d of paths) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/**
 * Makes the children of `parent` follow `rows`. A row whose look has not changed keeps its element, and with it focus,
 * what is unfolded, and the silence of a screen reader.
 */
export function follow(parent, rows, key, look, make) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const row of rows) {
    const name = String(key(row));
    const shape = JSON.stringify(look(row));
    let element = old.get(name);
    old.delete(name);
    if (!element || element.dataset.look !== shape) {
      const fresh = make(row);
      fresh.dataset.key = name;
      fresh.dataset.look = shape;
      if (element) {
        if (element.open) fresh.open = true;
        const inner = element.querySelector(':scope > details');
        if (inner?.open) fresh.querySelector(':scope > details').open = true;
        const focused = element.contains(document.activeElement) && document.activeElement.dataset.focus;
        if (element === place) place = fresh;
        element.replaceWith(fresh);
        if (focused) fresh.querySelector(`[data-focus="${focused}"]`)?.focus();
      }
      element = fresh;
    }
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const gone of old.values()) gone.remove();
}

/** Sets a text only where it differs, so that nothing is announced twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const $ = (id) => document.getElementById(id);

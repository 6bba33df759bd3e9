/**
 * Makes an element. Children are elements or text; text becomes a text node, so no string is ever markup.
 * `on…` attributes are listeners, `true` sets an empty attribute, `false`, `null` and `undefined` set none.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Tells people who listen instead of looking. */
export function speak(text) {
  byId('spoken').textContent = text;
}

let toastTimer;

/** Something did not work: what, why, and what to do. Stays until the next one or for ten seconds. */
export function complain(problem) {
  const toast = byId('toast');
  const { what = 'That did not work', why = String(problem.message ?? problem), next } = problem;
  toast.replaceChildren(h('strong', {}, what), h('span', {}, why), h('span', {}, next ? `Next: ${next}` : ''));
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    toast.hidden = true;
  }, 10_000);
}

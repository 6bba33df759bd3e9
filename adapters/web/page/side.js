import { byId, h } from './dom.js';
import { initials } from './stream.js';

/** Radio buttons to choose who you are; `choose(id)` is called for clicks, arrows and Alt+1…9. */
export function createPeople(people, choose) {
  const group = byId('people');
  const inputs = people.map(({ id, name, about }, i) => {
    const input = h('input', { type: 'radio', name: 'person', value: id, id: `person-${i}`, class: 'unseen' });
    input.addEventListener('change', () => choose(id));
    group.append(
      input,
      h(
        'label',
        { for: `person-${i}` },
        h('span', { class: `face p${i % 6}`, 'aria-hidden': 'true' }, initials(name)),
        h('span', { class: 'name' }, name, h('small', {}, about)),
        i < 9 && h('kbd', { 'aria-hidden': 'true' }, `Alt ${i + 1}`),
      ),
    );
    return input;
  });
  // By the place of the key: on a Mac, Alt and 1 types another character.
  document.addEventListener('keydown', (event) => {
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    // An open form belongs to the person who opened it.
    if (byId('dialog').open) return;
    if (!event.altKey || event.ctrlKey || event.metaKey || !digit || !people[digit - 1]) return;
    event.preventDefault();
    choose(people[digit - 1].id);
  });
  return {
    show(id) {
      for (const input of inputs) input.checked = input.value === id;
      inputs.find((input) => input.checked)?.nextElementSibling.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    },
  };
}

export function createChannels(channels, choose) {
  const items = new Map();
  for (const channel of channels) {
    const button = h(
      'button',
      { type: 'button', onclick: () => choose(channel.id) },
      h('span', {}, `# ${channel.name}`),
    );
    const count = h('span', { class: 'count' });
    button.append(count);
    byId('channels').append(h('li', {}, button));
    items.set(channel.id, { channel, button, count, unread: 0 });
  }
  const write = ({ count, unread }) => {
    count.textContent = unread > 0 ? String(unread) : '';
    count.setAttribute('aria-label', unread > 0 ? `${unread} new` : '');
  };
  return {
    show(id) {
      for (const [key, item] of items) {
        if (key === id) item.button.setAttribute('aria-current', 'true');
        else item.button.removeAttribute('aria-current');
      }
      const item = items.get(id);
      item.unread = 0;
      write(item);
      byId('channel-name').textContent = `# ${item.channel.name}`;
      byId('channel-about').textContent = item.channel.about;
    },
    unread(id) {
      const item = items.get(id);
      if (!item) return;
      item.unread += 1;
      write(item);
    },
  };
}

/** Plugs to pull. A switch shows what the server says, not what was clicked. */
export function createPlugs(flip) {
  const rows = new Map();
  return {
    show(panel) {
      byId('plugs-block').hidden = !panel;
      if (!panel) return;
      byId('plugs-title').textContent = panel.title;
      const ids = new Set(panel.switches.map(({ id }) => id));
      for (const [id, row] of rows) {
        if (ids.has(id)) continue;
        row.item.remove();
        rows.delete(id);
      }
      for (const one of panel.switches) {
        const row = rows.get(one.id) ?? drawPlug(one, rows, flip);
        row.button.setAttribute('aria-checked', String(one.on));
        row.label.textContent = one.label;
        row.hint.textContent = one.hint;
      }
    },
  };
}

function drawPlug({ id }, rows, flip) {
  const label = h('b', {});
  const hint = h('small', {});
  const button = h('button', { type: 'button', role: 'switch', 'data-switch': id });
  button.append(h('span', { class: 'plug-text' }, label, hint), h('span', { class: 'rocker', 'aria-hidden': 'true' }));
  button.addEventListener('click', () => flip(id, button.getAttribute('aria-checked') !== 'true', button));
  const item = h('li', {}, button);
  byId('plugs').append(item);
  const row = { item, button, label, hint };
  rows.set(id, row);
  return row;
}

/** Steps for the newcomer. `start(step)` acts on one; `did(event)` ticks the first open step that it fulfils. */
export function createGuide(steps, start) {
  byId('guide-block').hidden = steps.length === 0;
  const items = steps.map((step) => {
    const button = h(
      'button',
      { type: 'button', onclick: () => start(step) },
      h('b', {}, step.title),
      h('small', {}, step.about),
      step.fill && h('code', {}, step.fill),
    );
    const item = h('li', {}, button);
    byId('guide').append(item);
    return { step, item, button, done: false };
  });
  const mark = () => {
    const next = items.find(({ done }) => !done);
    for (const one of items) {
      one.item.dataset.state = one.done ? 'done' : one === next ? 'next' : 'later';
      one.button.setAttribute('aria-label', `${one.step.title}${one.done ? ', done' : ''}. ${one.step.about}`);
    }
  };
  mark();
  return {
    did(event) {
      const found = items.find(({ step, done }) => !done && fulfils(step.done, event));
      if (found) found.done = true;
      mark();
    },
  };
}

function fulfils(wanted, event) {
  if ('said' in wanted) return event.said?.startsWith(wanted.said) === true;
  return Object.keys(wanted).every((key) => event[key] === true);
}

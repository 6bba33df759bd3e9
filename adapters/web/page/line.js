import { byId, h, speak } from './dom.js';
import { quote, suggest } from './suggest.js';

const REMEMBER = 100;

/**
 * The input line with its completions and history. `complete(query)` asks the server for values,
 * `send(text)` sends a line. Tab takes the first completion, arrows choose, Escape closes the list.
 */
export function createLine({ menu, complete, send }) {
  const input = byId('line');
  const list = byId('choices');
  let offer;
  let chosen = -1;
  let asked = 0;
  let timer;
  const past = [];
  let back = 0;

  const close = () => {
    asked += 1;
    clearTimeout(timer);
    offer = undefined;
    chosen = -1;
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const choose = (at) => {
    chosen = at;
    for (const [i, item] of [...list.children].entries()) item.setAttribute('aria-selected', String(i === at));
    if (at < 0) input.removeAttribute('aria-activedescendant');
    else input.setAttribute('aria-activedescendant', `choice-${at}`);
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  };
  const open = (from, choices) => {
    if (choices.length === 0) return close();
    offer = { from, choices };
    list.replaceChildren(...choices.map((choice, i) => drawChoice(choice, i, () => take(i))));
    list.hidden = false;
    list.scrollTop = 0;
    input.setAttribute('aria-expanded', 'true');
    choose(-1);
  };
  const put = (text) => {
    input.value = text;
    input.focus();
    input.setSelectionRange(text.length, text.length);
  };
  const take = (at) => {
    const { from, choices } = offer;
    put(input.value.slice(0, from) + choices[at].value);
    look();
  };

  const look = () => {
    if (input.value === '' || input.selectionStart !== input.value.length) return close();
    const found = suggest(menu(), input.value);
    if (!found) return close();
    if (found.kind === 'choices') {
      asked += 1;
      return open(found.from, found.choices);
    }
    asked += 1;
    const question = asked;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const { kind: _, from, ...query } = found;
      const choices = await complete(query).catch(() => []);
      if (question !== asked) return;
      open(
        from,
        choices.map(({ label, value }) => ({ label, value: `${quote(value)} ` })),
      );
      if (choices.length > 0) speak(`${choices.length} values`);
    }, 60);
  };

  const history = (step) => {
    const to = Math.min(Math.max(back + step, 0), past.length);
    if (to === back) return;
    back = to;
    put(back === 0 ? '' : past[past.length - back]);
    close();
  };

  const move = (step) => {
    const count = offer.choices.length;
    choose(chosen < 0 ? (step > 0 ? 0 : count - 1) : (chosen + step + count) % count);
  };

  input.addEventListener('input', () => {
    back = 0;
    look();
  });
  input.addEventListener('blur', () => setTimeout(() => document.activeElement !== input && close(), 100));
  /** Each answers whether the key was for the list or the history; otherwise the browser does what it always does. */
  const keys = {
    ArrowDown() {
      if (offer) move(1);
      else history(-1);
      return true;
    },
    ArrowUp() {
      if (offer) move(-1);
      else history(1);
      return true;
    },
    Escape() {
      if (!offer) return false;
      close();
      return true;
    },
    Tab(event) {
      if (!offer || event.shiftKey) return false;
      take(Math.max(chosen, 0));
      return true;
    },
    Enter() {
      if (chosen < 0) return false;
      take(chosen);
      return true;
    },
  };
  input.addEventListener('keydown', (event) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (keys[event.key]?.(event)) event.preventDefault();
  });

  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === '') return;
    if (past.at(-1) !== text) past.push(text);
    if (past.length > REMEMBER) past.shift();
    back = 0;
    input.value = '';
    close();
    send(text);
  });

  return {
    /** Puts a line there for the person to look at and send. */
    fill(text) {
      put(text);
      close();
    },
    focus: () => input.focus(),
  };
}

function drawChoice({ label, about, required }, i, take) {
  return h(
    'div',
    {
      id: `choice-${i}`,
      role: 'option',
      'aria-selected': 'false',
      onmousedown: (event) => event.preventDefault(),
      onclick: take,
    },
    h('code', {}, label),
    about && h('span', { class: 'about' }, about),
    required && h('span', { class: 'needed' }, 'required'),
  );
}

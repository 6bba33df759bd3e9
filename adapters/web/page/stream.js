import { drawCard } from './cards.js';
import { byId, h } from './dom.js';

const KEEP = 1_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/**
 * The list of messages. `context` tells who and where we are: `people`, `person()`, `channel()`, and
 * `press(message, action, button)` for buttons. Later versions of a message replace earlier ones in place.
 */
export function createStream(context) {
  const list = byId('messages');
  const scroller = byId('stream');
  const newest = byId('newest');
  const shown = new Map();
  let catchingUp = true;
  let untold = new Set();
  // So that arrow keys scroll in every browser.
  scroller.tabIndex = 0;

  const atBottom = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
  const toBottom = () => {
    scroller.scrollTop = scroller.scrollHeight;
    newest.hidden = true;
  };
  newest.addEventListener('click', toBottom);
  scroller.addEventListener('scroll', () => {
    if (atBottom()) newest.hidden = true;
  });

  const place = (entry) => {
    const parent = entry.message.thread === undefined ? undefined : shown.get(entry.message.thread);
    const home = parent ? parent.thread.list : list;
    const after = [...home.children].findLast((other) => Number(other.dataset.order) < entry.message.order);
    if (after) after.after(entry.element);
    else home.prepend(entry.element);
    if (!parent) return;
    countThread(parent.thread);
    // What comes while one looks is shown; what lies there from before only while the work goes on.
    if (!catchingUp || parent.message.card?.tone === 'busy') parent.thread.details.open = true;
  };

  const draw = (message, thread) => {
    const element = drawMessage(message, context);
    element.append(thread.details);
    element.dataset.order = message.order;
    element.hidden = message.channel !== context.channel();
    return element;
  };

  const drop = (id) => {
    const { element, message } = shown.get(id) ?? {};
    element?.remove();
    shown.delete(id);
    const parent = shown.get(message?.thread);
    if (parent) countThread(parent.thread);
  };

  return {
    /**
     * The server will tell everything again, perhaps to somebody else: what only the last person could see goes
     * at once, the rest stays until {@link ready} so that nothing flickers and the keyboard keeps its place.
     */
    reset() {
      catchingUp = true;
      scroller.setAttribute('aria-live', 'off');
      untold = new Set(shown.keys());
      for (const [id, { message }] of shown) if (message.only !== undefined) drop(id);
    },
    ready() {
      for (const id of untold) drop(id);
      untold = new Set();
      catchingUp = false;
      scroller.setAttribute('aria-live', 'polite');
      this.look();
    },
    /** Shows a new message or a new version of one. Returns whether it is new and in another channel. */
    show(message) {
      const stick = catchingUp || atBottom();
      untold.delete(message.id);
      const old = shown.get(message.id);
      if (old && old.message.version >= message.version) return false;
      const thread = old?.thread ?? drawThread();
      const entry = { message, thread, element: draw(message, thread) };
      shown.set(message.id, entry);
      if (old) replace(old.element, entry.element);
      else {
        place(entry);
        // Changes are told oldest first, so an edited message may come after what hangs under it.
        for (const other of shown.values()) if (other.message.thread === message.id) place(other);
      }
      for (const oldest of shown.keys()) {
        if (shown.size <= KEEP) break;
        drop(oldest);
      }
      this.empty();
      if (message.channel === context.channel()) {
        if (stick) toBottom();
        else if (!old) newest.hidden = false;
      }
      return !old && !catchingUp && message.channel !== context.channel();
    },
    /** After a change of channel, or once caught up. */
    look() {
      for (const { message, element } of shown.values()) element.hidden = message.channel !== context.channel();
      this.empty();
      toBottom();
    },
    empty() {
      byId('empty').hidden = [...shown.values()].some(({ message }) => message.channel === context.channel());
    },
  };
}

/** Swaps a message and keeps the keyboard where it was: on the same button, or on the card that lost it. */
function replace(old, fresh) {
  const had = old.contains(document.activeElement) ? document.activeElement : undefined;
  const ref = had?.dataset.ref;
  old.replaceWith(fresh);
  if (!had || fresh.contains(had)) return had?.focus();
  const same = ref && [...fresh.querySelectorAll('button')].find((button) => button.dataset.ref === ref);
  (same || fresh.querySelector('.card'))?.focus({ preventScroll: true });
}

/** The details of a message: a list that can be folded, and is not there while it is empty. */
function drawThread() {
  const summary = h('summary', {});
  const list = h('ol', { 'aria-label': 'Thread' });
  return { summary, list, details: h('details', { class: 'thread', hidden: true }, summary, list) };
}

function countThread({ details, summary, list }) {
  const count = list.children.length;
  details.hidden = count === 0;
  summary.textContent = count === 1 ? '1 message in the thread' : `${count} messages in the thread`;
}

function drawMessage(message, context) {
  const index = context.people.findIndex(({ id }) => id === message.from);
  const name = message.from === undefined ? 'Bascule' : (context.people[index]?.name ?? message.from);
  const mine = message.from !== undefined && message.from === context.person();
  return h(
    'li',
    { class: 'message', 'data-kind': message.card ? 'card' : 'said', 'data-id': message.id, 'data-mine': mine },
    message.from === undefined
      ? h('img', { class: 'face', src: '/icon.svg', alt: '', width: 28, height: 28 })
      : h('span', { class: `face p${index % 6}`, 'aria-hidden': 'true' }, initials(name)),
    h(
      'div',
      { class: 'body' },
      h(
        'p',
        { class: 'head' },
        h('b', {}, name),
        h(
          'time',
          { datetime: new Date(message.at).toISOString(), title: calendar.format(message.at) },
          clock.format(message.at),
        ),
        message.only !== undefined && h('span', { class: 'only' }, 'Only you see this'),
      ),
      message.text !== undefined && drawSaid(message),
      message.card && drawCard(message.card, (action, button) => context.press(message, action, button)),
    ),
  );
}

function drawSaid({ text, pending }) {
  const dots = pending && h('span', { class: 'dots', role: 'img', 'aria-label': 'Waiting for the answer' });
  return h('p', { class: 'said' }, h('code', {}, text), dots);
}

export function initials(name) {
  const words = name.trim().split(/\s+/);
  return (words.length > 1 ? words[0][0] + words.at(-1)[0] : name.slice(0, 2)).toUpperCase();
}

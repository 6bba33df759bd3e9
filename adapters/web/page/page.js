import { byId, complain, speak } from './dom.js';
import { askForm, askPrompt, showHome } from './forms.js';
import { createLine } from './line.js';
import { createChannels, createGuide, createPeople, createPlugs } from './side.js';
import { createStream } from './stream.js';
import { bare } from './suggest.js';
import { deliver, hello, listen, post } from './wire.js';

let session = await greet();
/** Each tab is somebody of its own. */
let person = remembered('person', session.people);
let channel = remembered('channel', session.channels);
let hangUp = () => undefined;
let epoch;

const stream = createStream({ people: session.people, person: () => person, channel: () => channel, press });
const people = createPeople(session.people, become);
const channels = createChannels(session.channels, enter);
const plugs = createPlugs(flip);
const guide = createGuide(session.guide, startStep);
const line = createLine({ menu: () => session.menu, complete, send });

async function greet() {
  for (;;) {
    try {
      return await hello();
    } catch (problem) {
      complain(problem.what ? problem : { what: 'The bot does not answer', why: 'it may still be starting' });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

function remembered(kind, list) {
  const kept = sessionStorage.getItem(`bascule-${kind}`);
  return (list.find(({ id }) => id === kept) ?? list[0])?.id;
}

const nameOf = (id) => session.people.find((one) => one.id === id)?.name ?? id;

function become(id) {
  const changed = id !== person;
  person = id;
  sessionStorage.setItem('bascule-person', id);
  people.show(id);
  stream.reset();
  if (changed) speak(`You are now ${nameOf(id)}`);
  hangUp();
  hangUp = listen(
    id,
    {
      reset: (start) => {
        stream.reset();
        if (epoch !== undefined && epoch !== start.epoch) refresh();
        epoch = start.epoch;
      },
      message: (message) => stream.show(message) && channels.unread(message.channel),
      ready: () => stream.ready(),
      panel: (panel) => plugs.show(panel),
    },
    showLink,
  );
}

/** The bot has started anew: its menu and panel may be others now. */
async function refresh() {
  try {
    session = await hello();
    plugs.show(session.panel);
  } catch (problem) {
    complain(problem);
  }
}

function showLink(state) {
  byId('link').dataset.state = state;
  byId('link').querySelector('b').textContent = state === 'open' ? 'live' : 'reconnecting';
}

function enter(id) {
  channel = id;
  sessionStorage.setItem('bascule-channel', id);
  channels.show(id);
  stream.look();
}

async function complete(query) {
  return (await post('/api/complete', { person, channel, ...query })).choices;
}

/** A line that lacks something opens its form; everything else is sent as it is. */
async function send(text) {
  const [as, where] = [person, channel];
  try {
    const { form } = await post('/api/form', { text: bare(text) });
    const about = session.menu.find(({ name }) => name === form?.command)?.summary;
    const options = form && (await askForm(form, about, complete));
    if (form && !options) return line.fill(text);
    const input = form ? { command: form.command, options } : { text: bare(text) };
    await deliver('/api/say', { person: as, channel: where, input });
    guide.did({ said: form ? form.command : bare(text).toLowerCase().replace(/\s+/g, ' ') });
  } catch (problem) {
    complain(problem);
    line.fill(text);
  }
}

async function press(message, action, button) {
  const [as, where] = [person, message?.channel ?? channel];
  button.setAttribute('aria-disabled', 'true');
  if (button.dataset.busy) return;
  button.dataset.busy = 'yes';
  try {
    const { prompt } = await post('/api/prompt', { ref: action.ref });
    const typed = prompt ? await askPrompt(prompt, action) : undefined;
    if (prompt && typed === undefined) return;
    const click = { person: as, channel: where, message: message?.id, ref: action.ref, typed };
    await deliver('/api/press', click);
    guide.did({ clicked: true });
  } catch (problem) {
    complain(problem);
  } finally {
    delete button.dataset.busy;
    button.removeAttribute('aria-disabled');
  }
}

async function flip(id, on, button) {
  button.setAttribute('aria-busy', 'true');
  try {
    await deliver('/api/flip', { switch: id, on });
    guide.did({ flipped: true });
  } catch (problem) {
    complain(problem);
  } finally {
    button.removeAttribute('aria-busy');
  }
}

function startStep(step) {
  if (step.person && step.person !== person) become(step.person);
  if ('flipped' in step.done) {
    byId('plugs').querySelector('button')?.focus();
    return;
  }
  togglePanel(false);
  if (step.fill) return line.fill(step.fill);
  const buttons = [...byId('messages').querySelectorAll('.message:not([hidden]) .action.primary')];
  if (buttons.length > 0) buttons.at(-1).focus();
  else line.focus();
}

/** On a phone the panel lies over the chat. */
function togglePanel(open) {
  document.body.classList.toggle('panel-open', open);
  byId('panel-toggle').setAttribute('aria-expanded', String(open));
  if (open) byId('panel-close').focus();
}

byId('panel-toggle').addEventListener('click', () => togglePanel(!document.body.classList.contains('panel-open')));
byId('panel-close').addEventListener('click', () => {
  togglePanel(false);
  byId('panel-toggle').focus();
});
byId('home').addEventListener('click', async () => {
  try {
    const { cards } = await post('/api/home', { person });
    await showHome(nameOf(person), cards, press);
  } catch (problem) {
    complain(problem);
  }
});
document.addEventListener('keydown', (event) => {
  const typing =
    /^(?:INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName) && document.activeElement.type !== 'radio';
  if (event.key === '/' && !typing && !byId('dialog').open) {
    event.preventDefault();
    line.focus();
  }
  if (event.key !== 'Escape' || byId('dialog').open || event.defaultPrevented) return;
  if (document.body.classList.contains('panel-open')) togglePanel(false);
  line.focus();
});

byId('app').hidden = false;
byId('toast').hidden = true;
plugs.show(session.panel);
channels.show(channel);
become(person);
line.focus();

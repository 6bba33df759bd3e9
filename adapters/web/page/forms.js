import { drawCard } from './cards.js';
import { byId, h } from './dom.js';

/**
 * Opens the dialog with `draw(finish)` in it; resolves to what `finish` was given, or to undefined when it was
 * closed. One at a time: a second one closes the first.
 */
function ask(draw) {
  const dialog = byId('dialog');
  if (dialog.open) dialog.close();
  return new Promise((resolve) => {
    let answer;
    const finish = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.replaceChildren(...draw(finish));
    dialog.addEventListener(
      'close',
      () => {
        // The browser gives the focus back to where it was; that may have been redrawn meanwhile.
        if (document.activeElement === document.body) byId('line').focus();
        resolve(answer);
      },
      { once: true },
    );
    dialog.showModal();
    dialog.querySelector('[autofocus]')?.focus();
  });
}

const title = (text) => h('h2', { id: 'dialog-title' }, text);

function buttons(label, finish, style = 'primary') {
  return h(
    'div',
    { class: 'actions' },
    h('button', { type: 'submit', class: `action ${style}` }, label),
    h('button', { type: 'button', class: 'action plain', onclick: () => finish(undefined) }, 'Cancel'),
  );
}

/** The prompt of a button; resolves to what was typed. */
export function askPrompt(prompt, action) {
  return ask((finish) => {
    const hint = prompt.hint && h('p', { class: 'hint', id: 'prompt-hint' }, prompt.hint);
    const input = h('input', {
      id: 'prompt-typed',
      type: 'text',
      autofocus: true,
      required: true,
      autocomplete: 'off',
      spellcheck: 'false',
      'aria-describedby': hint ? 'prompt-hint' : undefined,
    });
    const submit = (event) => {
      event.preventDefault();
      finish(input.value);
    };
    const field = h('div', { class: 'field' }, h('label', { for: 'prompt-typed' }, prompt.label), input, hint);
    return [title(prompt.title), h('form', { onsubmit: submit }, field, buttons(action.label, finish, action.style))];
  });
}

/** The form of a command (Form of contracts/chat.ts) and what it does; resolves to `{ name: value }` without the empty ones. */
export function askForm(form, about, complete) {
  return ask((finish) => {
    const inputs = new Map();
    const read = () =>
      Object.fromEntries([...inputs].map(([name, input]) => [name, input.value]).filter(([, value]) => value !== ''));
    const fields = form.fields.map((field, i) => drawField(field, i, inputs, read, form.command, complete));
    const first = form.fields.findIndex((field) => field.required && !field.value);
    inputs.get(form.fields[Math.max(first, 0)]?.name)?.setAttribute('autofocus', '');
    const optional = fields.filter((_, i) => !form.fields[i].required);
    const filled = form.fields.some((field) => !field.required && field.value);
    const submit = (event) => {
      event.preventDefault();
      finish(read());
    };
    return [
      title(form.title),
      h('p', { class: 'hint' }, form.title === form.command ? about : h('code', {}, form.command)),
      h(
        'form',
        { onsubmit: submit },
        fields.filter((_, i) => form.fields[i].required),
        optional.length > 0 &&
          h('details', { open: filled }, h('summary', {}, `${optional.length} more, not required`), optional),
        buttons('Continue', finish),
      ),
    ];
  });
}

function drawField(field, i, inputs, read, command, complete) {
  const id = `field-${i}`;
  const shared = { id, name: field.name, required: field.required, 'aria-describedby': `${id}-hint` };
  const input = field.choices
    ? h(
        'select',
        shared,
        ['', ...field.choices].map((choice) => h('option', { value: choice }, choice || '–')),
      )
    : h('input', {
        ...shared,
        type: 'text',
        autocomplete: 'off',
        spellcheck: 'false',
        list: field.completes ? `${id}-list` : undefined,
      });
  input.value = field.value ?? '';
  inputs.set(field.name, input);
  const list = field.completes && !field.choices && h('datalist', { id: `${id}-list` });
  if (list)
    offerValues(input, list, () =>
      complete({ command, option: field.name, typed: input.value, options: others(read(), field.name) }),
    );
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, field.name, field.required && h('span', { class: 'needed' }, 'required')),
    input,
    list,
    h('p', { class: 'hint', id: `${id}-hint` }, field.summary),
  );
}

const others = (options, name) => Object.fromEntries(Object.entries(options).filter(([key]) => key !== name));

/** Keeps a datalist filled; a late answer to an old question is dropped. */
function offerValues(input, list, find) {
  let asked = 0;
  const look = async () => {
    asked += 1;
    const question = asked;
    const choices = await find().catch(() => []);
    if (question === asked) list.replaceChildren(...choices.map(({ label, value }) => h('option', { value, label })));
  };
  input.addEventListener('focus', look);
  input.addEventListener('input', look);
}

/** What I may do and what waits for me. */
export function showHome(name, cards, press) {
  return ask((finish) => {
    const pressed = (action, button) => {
      finish(undefined);
      press(undefined, action, button);
    };
    const close = h(
      'button',
      { type: 'button', class: 'action plain', autofocus: true, onclick: () => finish(undefined) },
      'Close',
    );
    return [
      title(`For ${name}`),
      h(
        'div',
        { class: 'home-cards', tabindex: '0', role: 'group', 'aria-label': 'Cards' },
        cards.map((card) => drawCard(card, pressed)),
      ),
      h('div', { class: 'actions' }, close),
    ];
  });
}

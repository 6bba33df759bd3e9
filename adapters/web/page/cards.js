import { h, speak } from './dom.js';

/** Not by colour alone: each tone has a sign to see and a word to hear. */
const TONES = {
  plain: { sign: '', word: '' },
  good: { sign: '✓', word: 'Good: ' },
  warning: { sign: '!', word: 'Warning: ' },
  bad: { sign: '✕', word: 'Problem: ' },
  busy: { sign: '', word: 'At work: ' },
};

/** A card (CardView of render.ts) as an element. `press(action, button)` is called for its buttons. */
export function drawCard(card, press) {
  const tone = TONES[card.tone] ?? TONES.plain;
  return h(
    'article',
    { class: 'card', 'data-tone': card.tone, tabindex: '-1', 'aria-live': card.tone === 'busy' ? 'off' : undefined },
    h(
      'h3',
      {},
      card.tone === 'plain' ? undefined : h('span', { class: 'sign', 'aria-hidden': 'true' }, tone.sign),
      h('span', { class: 'unseen' }, tone.word),
      h('span', {}, card.title),
    ),
    card.lines.length > 0 &&
      h(
        'ul',
        { class: 'lines' },
        card.lines.map((line) => h('li', {}, line)),
      ),
    card.facts.length > 0 && drawFacts(card.facts),
    card.progress && drawProgress(card.progress),
    card.table && drawTable(card.table, card.title),
    card.code.map(drawCode),
    card.cuts.length > 0 && h('p', { class: 'cuts' }, card.cuts.join(' · ')),
    card.actions.length > 0 && drawActions(card.actions, press),
    card.footer && h('p', { class: 'footer' }, card.footer),
  );
}

function drawFacts(facts) {
  const rows = facts.map(({ label, value }) => h('div', {}, h('dt', {}, label), h('dd', {}, value)));
  return h('dl', { class: 'facts' }, rows);
}

function drawProgress({ done, total, says }) {
  return h(
    'div',
    { class: 'progress' },
    h('progress', { max: total, value: done, 'aria-label': says }),
    h('p', {}, h('span', {}, says), h('span', { class: 'count' }, `${done} of ${total}`)),
  );
}

const NUMBER = /^[\d.,]+\s?(%|[KMGT]i?B|ms|s|m|h|d)?$/;

function drawTable({ columns, rows }, title) {
  // A column of numbers reads better flush right.
  const numeric = columns.map((_, i) => rows.length > 0 && rows.every((row) => row[i] === '' || NUMBER.test(row[i])));
  const side = (i) => (numeric[i] ? 'number' : undefined);
  return h(
    'div',
    { class: 'table', role: 'region', 'aria-label': `Table of ${title}`, tabindex: '0' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((column, i) => h('th', { scope: 'col', class: side(i) }, column)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            row.map((cell, i) => h('td', { class: side(i) }, cell)),
          ),
        ),
      ),
    ),
  );
}

function drawCode(block) {
  const copy = h('button', { type: 'button', class: 'copy', 'aria-label': 'Copy this block' }, 'Copy');
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(block);
      copy.textContent = 'Copied';
      speak('Copied');
    } catch {
      copy.textContent = 'Not allowed';
      speak('The browser does not allow copying');
    }
    setTimeout(() => {
      copy.textContent = 'Copy';
    }, 1_500);
  });
  return h('div', { class: 'code' }, h('pre', { tabindex: '0' }, h('code', {}, block)), copy);
}

function drawActions(actions, press) {
  const buttons = actions.map((action) => {
    const button = h(
      'button',
      { type: 'button', class: `action ${action.style}`, 'data-ref': action.ref },
      action.label,
    );
    button.addEventListener('click', () => press(action, button));
    return button;
  });
  return h('div', { class: 'actions' }, buttons);
}

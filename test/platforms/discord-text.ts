/** What a person sees of Discord messages: rendered words, markdown signs gone. */

type Json = Record<string, unknown>;

interface Shown {
  content: string;
  embeds: Json[];
  components: Json[];
  loading?: boolean;
  attachments?: { name: string; content: string }[];
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);
const part = (value: unknown, name: string): string => String((value as Json | undefined)?.[name] ?? '');

/** All text a person would see, buttons in brackets, disabled ones in parentheses. */
export function visibleText(message: Shown): string {
  const lines = [
    message.loading ? 'thinking…' : '',
    markdown(message.content),
    ...message.embeds.map(embedText),
    ...message.components.map(componentText),
    ...(message.attachments ?? []).map((one) => `file ${one.name}:\n${one.content}`),
  ];
  return lines.filter((line) => line !== '').join('\n');
}

/** The words of a modal. */
export const modalText = (modal: Json): string =>
  [String(modal.title), ...list(modal.components).map(componentText)].join('\n');

function embedText(embed: Json): string {
  const fields = list(embed.fields).map((one) => `${markdown(part(one, 'name'))}: ${markdown(part(one, 'value'))}`);
  const lines = [
    part(embed.author, 'name'),
    markdown(part(embed, 'title')),
    markdown(part(embed, 'description')),
    ...fields,
  ];
  return [...lines, part(embed.footer, 'text')].filter((line) => line !== '').join('\n');
}

function componentText(one: Json): string {
  const inside = [...list(one.components), ...(one.accessory ? [one.accessory as Json] : [])].map(componentText);
  switch (one.type) {
    case 1:
      return inside.join(' ');
    case 2:
      return one.disabled === true ? `(${String(one.label ?? '')})` : `[${String(one.label ?? '')}]`;
    case 3:
      return [part(one, 'placeholder'), ...list(one.options).map((option) => part(option, 'label'))]
        .filter(Boolean)
        .join(' / ');
    case 4:
      return [part(one, 'label'), part(one, 'placeholder'), part(one, 'value')].filter(Boolean).join(' / ');
    case 10:
      return markdown(part(one, 'content'));
    case 14:
      return '────';
    case 18:
      return [part(one, 'label'), part(one, 'description'), componentText(one.component as Json)]
        .filter(Boolean)
        .join('\n');
    default:
      return inside.filter((line) => line !== '').join('\n');
  }
}

/** Rendered markdown: code is verbatim, backslash escapes and emphasis signs disappear, links show their label. */
export function markdown(text: string): string {
  const pieces = text.split(/(```[\s\S]*?```|(?<!\\)`[^`\n]+`)/);
  return pieces.map((piece, index) => (index % 2 === 1 ? code(piece) : prose(piece))).join('');
}

function code(piece: string): string {
  if (!piece.startsWith('```')) return piece.slice(1, -1);
  const inner = piece.slice(3, -3);
  // A language name stands alone on the first line.
  return inner.replace(/^[a-zA-Z0-9+-]*\n/, '').replace(/\n$/, '');
}

function prose(piece: string): string {
  const kept: string[] = [];
  const held = piece.replace(/\\([^\sa-zA-Z0-9])/g, (_, sign: string) => `\uE000${kept.push(sign) - 1}\uE001`);
  return held
    .replace(/\[([^\]\n]+)\]\(<?(https?:[^)\s>]+)>?(?: "[^"]*")?\)/g, '$1')
    .replace(/^(#{1,3}|-#|>{1,3}) /gm, '')
    .replace(/(\*\*\*|\*\*|__|~~|\|\||\*)(?=\S)([\s\S]*?\S)\1/g, '$2')
    .replace(/(?<![\p{L}\p{N}])_(?=\S)([^_\n]*\S)_(?![\p{L}\p{N}])/gu, '$1')
    .replace(/\uE000(\d+)\uE001/g, (_, index: string) => kept[Number(index)]!);
}

/** Mentions and masked links that are live in a message, wherever they stand. */
export function liveMarkup(message: Shown): { mentions: string[]; links: { url: string; label: string }[] } {
  const found = { mentions: [] as string[], links: [] as { url: string; label: string }[] };
  const scan = (text: string) => {
    const noCode = text.replace(/```[\s\S]*?```|(?<!\\)`[^`\n]+`/g, '').replace(/\\[^\sa-zA-Z0-9]/g, '');
    for (const [hit] of noCode.matchAll(/<@[!&]?\d+>|<#\d+>|@everyone|@here/g)) found.mentions.push(hit);
    for (const [, label = '', url = ''] of noCode.matchAll(/\[([^\]\n]+)\]\(<?(https?:[^)\s>]+)/g))
      found.links.push({ url, label });
  };
  const walk = (value: unknown): void => {
    if (typeof value === 'string') scan(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  walk([message.content, message.embeds, message.components]);
  return found;
}

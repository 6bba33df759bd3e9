/** What a person sees of Slack messages: the words, without the wire format around them. */

type Json = Record<string, unknown>;

interface Shown {
  text: string;
  blocks: Json[];
  files?: { title: string; content: string }[];
}

/** All text a person would see; with blocks the top-level text is only a notification and not shown. */
export function visibleText(message: Shown): string {
  const body = message.blocks.length > 0 ? message.blocks.map(blockText) : [mrkdwn(message.text)];
  const files = (message.files ?? []).map((file) => `file ${file.title}:\n${file.content}`);
  return [...body, ...files].filter((line) => line !== '').join('\n');
}

/** The words of a modal or a home tab. */
export function viewText(view: Json): string {
  const ends = [view.title, view.submit, view.close].filter(Boolean).map(textOf);
  const [title = '', ...buttons] = ends;
  return [title, ...list(view.blocks).map(blockText), ...buttons.map((label) => `[${label}]`)].join('\n');
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

function blockText(block: Json): string {
  switch (block.type) {
    case 'header':
    case 'alert':
      return textOf(block.text);
    case 'section':
      return [textOf(block.text), ...list(block.fields).map(textOf), elementText(block.accessory)]
        .filter(Boolean)
        .join('\n');
    case 'context':
      return list(block.elements)
        .map((one) => (one.type === 'image' ? String(one.alt_text) : textOf(one)))
        .join(' ');
    case 'actions':
      return list(block.elements).map(elementText).join(' ');
    case 'input':
      return [textOf(block.label), textOf(block.hint), elementText(block.element)].filter(Boolean).join('\n');
    case 'table':
      return list(block.rows)
        .map((row) => list(row).map(cellText).join(' | '))
        .join('\n');
    case 'markdown':
      return String(block.text);
    case 'image':
      return String(block.alt_text);
    case 'divider':
      return '────';
    default:
      return richText(block);
  }
}

const cellText = (cell: Json): string => (cell.type === 'rich_text' ? richText(cell) : String(cell.text ?? ''));

function elementText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const element = value as Json;
  if (element.type === 'image') return String(element.alt_text);
  if (element.type === 'button') return `[${textOf(element.text)}]`;
  const initial = element.initial_option as Json | undefined;
  const chosen = initial ? textOf(initial.text) : String(element.initial_value ?? '');
  const options = list(element.options).map((one) => textOf(one.text));
  return [textOf(element.placeholder), chosen, ...options].filter(Boolean).join(' / ');
}

function richText(block: Json): string {
  if (block.type === 'rich_text' || block.type === 'rich_text_list')
    return list(block.elements)
      .map((part) => (block.type === 'rich_text_list' ? `• ${richText(part)}` : richText(part)))
      .join('\n');
  return list(block.elements).map(inline).join('');
}

function inline(part: Json): string {
  switch (part.type) {
    case 'link':
      return String(part.text ?? part.url);
    case 'emoji':
      return `:${part.name}:`;
    case 'user':
      return `@${part.user_id}`;
    case 'usergroup':
      return `@${part.usergroup_id}`;
    case 'channel':
      return `#${part.channel_id}`;
    case 'broadcast':
      return `@${part.range}`;
    case 'date':
      return String(part.fallback ?? new Date(Number(part.timestamp) * 1000).toISOString());
    default:
      return String(part.text ?? '');
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const { type, text } = value as Json;
  return type === 'mrkdwn' ? mrkdwn(String(text)) : String(text ?? '');
}

/** mrkdwn as shown: links by their label, mentions as @id, then the three entities decoded. */
function mrkdwn(text: string): string {
  return text
    .replace(/<([^<>]*)>/g, (_, token: string) => {
      const [target = '', label] = token.split('|', 2);
      return label ?? target.replace(/^!/, '@');
    })
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

/** Mentions and links that act when clicked or that ping, wherever they hide in a message. */
export function liveMarkup(message: Shown): { mentions: string[]; links: { url: string; label?: string }[] } {
  const found = { mentions: [] as string[], links: [] as { url: string; label?: string }[] };
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const part = value as Json;
    if (part.type === 'mrkdwn') scan(String(part.text), found);
    if (part.type === 'markdown') scan(String(part.text), found);
    if (part.type === 'link') found.links.push({ url: String(part.url), label: part.text as string | undefined });
    if (['user', 'usergroup', 'broadcast', 'channel'].includes(String(part.type))) found.mentions.push(inline(part));
    Object.values(part).forEach(walk);
  };
  walk(message.blocks);
  // The notification text is parsed too: a <!channel> in it pings although nobody sees it.
  scan(message.text, found);
  return found;
}

function scan(text: string, found: ReturnType<typeof liveMarkup>): void {
  for (const [, token = ''] of text.matchAll(/<([^<>]+)>/g)) {
    const [target = '', label] = token.split('|', 2);
    if (/^[!@#]/.test(target)) found.mentions.push(target);
    else if (/^(https?|mailto|slack):/i.test(target)) found.links.push({ url: target, label });
  }
}

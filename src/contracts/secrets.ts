import { isSecretName, isValue } from './secret-names.ts';

/**
 * Takes what looks like a secret out of a text before people see it. It errs on the safe side and is no proof that
 * nothing is left: who may see contents at all is policy's answer (`file.contents`).
 */
export class Masker {
  readonly #numbers = new Map<string, number>();

  /** How many different secrets were masked so far. */
  get count(): number {
    return this.#numbers.size;
  }

  /** The same secret has the same number in every text, so that a diff shows a change and not what changed. */
  mask(text: string): string {
    const blocks = MANY_LINES.reduce((rest, rule) => this.#apply(rest, rule), this.#kubernetes(text));
    const known = RULES.reduce((rest, rule) => this.#apply(rest, rule), blocks);
    return known
      .split('\n')
      .map((line) => this.#assignments(line))
      .join('\n');
  }

  #token(secret: string): string {
    const number = this.#numbers.get(secret) ?? this.#numbers.size + 1;
    this.#numbers.set(secret, number);
    return `***secret-${number}***`;
  }

  #apply(text: string, { pattern, when }: Rule): string {
    return text.replace(pattern, (...found) => {
      const groups = found.at(-1) as Readonly<Record<string, string | undefined>>;
      const { head = '', secret = '', tail = '' } = groups;
      const whole = found[0] as string;
      if (secret.trim() === '' || MASKED.test(secret)) return whole;
      if (when && !when(groups)) return whole;
      return `${head}${this.#token(secret)}${tail}`;
    });
  }

  /** Every value of a Secret of Kubernetes, which are only base64. */
  #kubernetes(text: string): string {
    if (!/^kind:\s*["']?Secret\b/m.test(text)) return text;
    let inside = false;
    return text
      .split('\n')
      .map((line) => {
        if (/^\S/.test(line)) inside = /^(?:data|stringData):/.test(line);
        if (!inside) return line;
        return line.replace(/^(\s+[^\s:]+:\s*)(\S.*)$/, (_all, head: string, value: string) =>
          /^[|>]/.test(value) ? `${head}${value}` : `${head}${this.#token(value)}`,
        );
      })
      .join('\n');
  }

  /** `name = value` in its many spellings, several of them in a line. */
  #assignments(line: string): string {
    let out = '';
    let done = 0;
    NAMED.lastIndex = 0;
    for (let found = NAMED.exec(line); found; found = NAMED.exec(line)) {
      const { name = '', open = '', close = '', between = '' } = found.groups ?? {};
      const at = found.index + found[0].length;
      if (!fits(line, found.index, name, between)) {
        NAMED.lastIndex = found.index + open.length + name.length;
        continue;
      }
      const [start, end] = extent(line, at, { first: beginningOf(line, found.index).trim(), open, close, between });
      const value = line.slice(start, end);
      NAMED.lastIndex = Math.max(end, at);
      if (value === '' || !isValue(value) || MASKED.test(value)) continue;
      out += `${line.slice(done, start)}${this.#token(value)}`;
      done = end;
    }
    return out + line.slice(done);
  }
}

/** Already one of ours. It holds nothing that ends a value, so later rules see it whole. */
const MASKED = /^["']?\*{3}secret-\d+\*{3}["']?[;,]?$/;

/** A name, perhaps in quotes, and what stands between it and its value. */
const NAMED =
  /(?<open>["']?)(?<![\w.$-])(?<name>(?:--?|\$)?[A-Za-z_][\w.-]{0,80})(?<close>["']?\]?)(?<between>\s*(?:=>|:=|==?|:)\s*|\s*,\s*(?=["'])|[ \t]+(?=[^\s=:,]))/g;

/** Whether this name with this in between gives a value to a secret. A mere blank does so only in a line of its own. */
function fits(line: string, index: number, name: string, between: string): boolean {
  if (!isSecretName(name)) return false;
  if (/[=:]/.test(between)) return true;
  const before = beginningOf(line, index);
  if (between.includes(',')) return /\(\s*$/.test(before); // define('DB_PASSWORD', '…')
  if (name.startsWith('-')) return true; // --password hunter2
  if (/(?:^|\s)(?:machine|default|login)\s/.test(before)) return true; // .netrc
  if (!/^\s*(?:set\s+)?["']?$/.test(before)) return false;
  return /^(?:"[^"]*"|'[^']*'|\S+)\s*;?$/.test(line.slice(index + name.length).trim());
}

/** What stands before a name; of a line that is too long for people, only so much that many names cost no more than their sum. */
const beginningOf = (line: string, index: number): string => line.slice(Math.max(0, index - 300), index);

interface Around {
  /** What stands before the name in its line. */
  readonly first: string;
  readonly open: string;
  readonly close: string;
  readonly between: string;
}

/** Where the value begins and ends. */
function extent(line: string, at: number, { first, open, close, between }: Around): readonly [number, number] {
  const quote = line[at];
  if (quote === '"' || quote === "'" || quote === '`') {
    const end = closing(line, at + 1, quote);
    return [at + 1, end];
  }
  // `"DB_PASSWORD=a b"`: the quote began before the name.
  if (open !== '' && !close.startsWith(open)) return [at, closing(line, at, open)];
  // A line of its own: whatever it holds, blanks and semicolons too.
  if (/[=:]/.test(between) && /^(?:export|set|-|\$|[#;]|\/\/)*$/.test(first.replaceAll(/\s/g, '')))
    return [at, trimmed(line)];
  const length = line.slice(at).search(/[\s;,&)}\]"'<]/);
  return [at, length < 0 ? line.length : at + length];
}

/** Where a line ends without its blanks and one comma or semicolon. By hand: `\s*[,;]?\s*$` takes the cube of the blanks. */
function trimmed(line: string): number {
  const end = line.trimEnd();
  return /[,;]$/.test(end) ? end.slice(0, -1).trimEnd().length : end.length;
}

function closing(line: string, from: number, quote: string): number {
  for (let at = from; at < line.length; at += 1) {
    if (line[at] === '\\') at += 1;
    else if (line[at] === quote) return at;
  }
  return line.length;
}

interface Rule {
  /** Global; groups head and tail stay, secret goes. */
  readonly pattern: RegExp;
  readonly when?: (groups: Readonly<Record<string, string | undefined>>) => boolean;
}

const named = (groups: Readonly<Record<string, string | undefined>>): boolean =>
  isSecretName(groups['name'] ?? '') && isValue(groups['secret'] ?? '');

const MANY_LINES: readonly Rule[] = [
  // A key that is cut off by the end of what is shown is masked to the end.
  {
    pattern:
      /(?<head>-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)(?<secret>[\s\S]*?)(?<tail>-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$(?![\s\S]))/g,
  },
  // The end of what a program printed may begin inside a key.
  { pattern: /(?<secret>(?:^[A-Za-z0-9+/=]{1,100}\n){1,120})(?<tail>-----END [A-Z0-9 ]*PRIVATE KEY)/gm },
  { pattern: /(?<head>^Private-Lines: \d+\n)(?<secret>(?:[A-Za-z0-9+/=]+\n?)+)/gm },
  // YAML: `password: |` and what is indented below it.
  {
    pattern:
      /(?<head>^(?<indent>[ \t]*)(?:- )?["']?(?<name>[\w.-]+)["']?:[ \t]*[|>][+-]?\d?[ \t]*\n)(?<secret>(?:\k<indent>[ \t]+\S.*(?:\n|$))+)/gm,
    when: (groups) => isSecretName(groups['name'] ?? ''),
  },
  // Kubernetes: `name: DB_PASSWORD` and on the next line `value: …`.
  {
    pattern: /(?<head>\bname:[ \t]*["']?(?<name>[\w.-]+)["']?[ \t]*\n[ \t]*value:[ \t]*)(?<secret>\S.*)/g,
    when: named,
  },
];

const RULES: readonly Rule[] = [
  // Hashes of passwords: crypt(3), bcrypt, Argon2, Django, LDAP, and htpasswd's DES and digest lines.
  { pattern: /(?<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|apr1|md5|argon2(?:id|i|d)|scrypt|P|H|S)\$[^\s:"',;]+)/g },
  { pattern: /(?<secret>\b(?:pbkdf2_sha\d+|bcrypt(?:_sha256)?|argon2|scrypt)\$[^\s:"',;]+)/g },
  { pattern: /(?<secret>\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[\w-]*)\}[A-Za-z0-9+/=.$]{8,})/g },
  { pattern: /(?<head>^[^\s:#]+:)(?<secret>[./0-9A-Za-z]{13})$/gm },
  { pattern: /(?<head>^[^\s:#]+:[^:\n]+:)(?<secret>[0-9a-f]{32})$/gm },
  // Tokens that say what they are.
  { pattern: /(?<secret>\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b)/g },
  { pattern: /(?<secret>\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl[a-z]{2,5}-[\w-]{20,}))/g },
  { pattern: /(?<secret>\bxox[abeoprsc]-[\w-]{8,}|\bxapp-\d-[\w-]{8,})/g },
  { pattern: /(?<head>hooks\.slack\.com\/(?:services|workflows)\/)(?<secret>[\w/-]+)/g },
  { pattern: /(?<head>discord(?:app)?\.com\/api\/webhooks\/\d+\/)(?<secret>[\w-]+)/g },
  { pattern: /(?<secret>\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\bsk-[\w-]{20,})/g },
  { pattern: /(?<secret>\bAIza[\w-]{30,}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,})/g },
  { pattern: /(?<secret>\b(?:npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|dop_v1_[0-9a-f]{60,}|hf_[A-Za-z0-9]{30,}))/g },
  { pattern: /(?<secret>\bSG\.[\w-]{16,}\.[\w-]{16,}|\bhv[sb]\.[\w-]{20,}|\bAGE-SECRET-KEY-1[0-9A-Z]{40,})/g },
  { pattern: /(?<secret>\b\d{8,10}:AA[\w-]{30,}|\beyJ[\w-]{8,2000}\.eyJ[\w-]{8,}\.[\w-]*)/g },
  // What is sent to log in.
  {
    pattern:
      /(?<head>\bauthorization["']?[\s:=,]{1,20}["']?(?:bearer|basic|token|digest|negotiate)\s+)(?<secret>[^\s"']+)/gi,
  },
  { pattern: /(?<head>\bbearer\s+)(?<secret>[\w.~+/=-]{16,})/gi },
  { pattern: /(?<head>\bP(?:VE|BS|MG)APIToken=[^\s=:]+[=:])(?<secret>[^\s"']+)/g },
  { pattern: /(?<head>\s(?:-u|--user)[ =]["']?[^\s:"'=]+:)(?<secret>[^\s"']+)/g },
  // URLs: `//user:password@`, `//token@`, `?api_key=…`.
  {
    pattern: /(?<head>\b[a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@"'<>]*:)(?<secret>[^\s/"'<>]+)(?<tail>@)/gi,
    when: noVariable,
  },
  { pattern: /(?<head>\b[a-z][a-z0-9+.-]{0,30}:\/\/)(?<secret>[\w-]{20,})(?<tail>@)/gi },
  { pattern: /(?<head>[?&](?<name>[\w.-]+)=)(?<secret>[^&\s"'#<>]+)/g, when: named },
  // SQL, XML, SNMP.
  { pattern: /(?<head>\bIDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS)\s+(?:PASSWORD\s+)?['"])(?<secret>[^'"\n]+)/gi },
  { pattern: /(?<head>\bPASSWORD\s+')(?<secret>[^'\n]+)(?<tail>')/gi },
  { pattern: /(?<head><(?<name>[\w.:-]+)(?:\s[^<>]*)?>)(?<secret>[^<>\n]+)(?<tail><\/\k<name>>)/g, when: named },
];

/** `//user:${PASSWORD}@` names the secret and does not hold it. */
function noVariable({ secret = '' }: Readonly<Record<string, string | undefined>>): boolean {
  return !/^(?:\$\{[^}]*\}|\$\w+|\{\{.*\}\}|%\(\w+\)s|<[^<>]*>)$/.test(secret);
}

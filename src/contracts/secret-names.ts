/** Which names of settings hold secrets, and which values are none although their name says so. */

/** `dbPassword`, `DB_PASSWORD` and `db-password` alike: db, password. */
export function wordsOf(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

/** A word that ends like this is a secret's. */
const ENDINGS =
  /(?:password|passwd|passphrase|passwort|secret|token|credentials?|apikey|accesskey|privatekey|secretkey|presharedkey|sharedkey|encryptionkey|masterkey|accountkey|authkey)\d*$/;
const WORDS = new Set(['pwd', 'psk', 'bindpw', 'rootpw', 'requirepass', 'masterauth', 'rocommunity', 'rwcommunity']);
const BEFORE_KEY = new Set(
  'api access private secret encryption encrypt signing auth shared preshared account master license app storage service deploy session cookie hmac jwt'.split(
    ' ',
  ),
);
/** `proxy_pass http://…` of nginx. */
const PROXIES = new Set(['proxy', 'fastcgi', 'uwsgi', 'scgi', 'grpc', 'memcached']);
/** What comes last says what the value is: `password_file`, `token_ttl`, `PasswordAuthentication`. */
const HARMLESS = new Set(
  (
    'file files path dir directory folder url uri endpoint host port name names type types length len size policy expires expiry expiration timeout ttl ' +
    'min max days hours minutes seconds age lifetime duration interval enabled disabled required allowed algorithm algorithms method methods attempts ' +
    'retries prompt label field column header prefix suffix count limit limits authentication auth reset change changed updated created at script command cmd ' +
    'check quality strength rotation renewal store storage manager provider providers backend ref refs encoding format scheme version rule rules rounds cost'
  ).split(' '),
);

export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  const last = words.at(-1);
  const before = words.at(-2) ?? '';
  if (last === undefined) return false;
  if (last === 'id') return before === 'secret';
  if (last === 'pass' || last === 'salt') return !PROXIES.has(before);
  if (HARMLESS.has(last)) return false;
  return words.some(
    (word, at) =>
      ENDINGS.test(word) || WORDS.has(word) || (/^key\d*$/.test(word) && BEFORE_KEY.has(words[at - 1] ?? '')),
  );
}

const NOTHING = /^(?:|yes|no|true|false|on|off|none|null|nil|undefined|~|-|\*+|x|!+\*?|prompt|ask|default|0|1)$/i;
/** Names of the value instead of the value: `${DB_PASSWORD}`, `$DB_PASSWORD`, `{{ vault_pw }}`, `os.environ["X"]`, `<password>`. */
const REFERENCE =
  /^(?:\$\{[^}]*\}|\$\([^)]*\)|\{\{.*\}\}|%\([^)]*\)s|<[^<>]*>|process\.env\.\w+;?|[\w.]{0,60}(?:env|environ|getpass|lookup|prompt|vault|secrets?|config|settings)[\w.]{0,60}[([].*[)\]];?|!(?:vault|secret|env|reference)\b.*|ENC\[.*\])$/is;
const VARIABLE = /^\$[A-Z_][A-Z0-9_]*;?$/;
const ROOTS =
  'etc|var|usr|opt|run|srv|home|root|tmp|mnt|data|proc|dev|secrets?|certs?|app|config|ssl|keys?|lib|media|boot|bin|sbin|private|work';
const PLACE = new RegExp(`^(?:~|\\.{1,2})?/(?:(?:${ROOTS})(?:/[\\w.@+-]*)*)?$`);
/** pam.d: `password required pam_unix.so`. nsswitch.conf: `passwd: files systemd`. */
const KEYWORDS =
  /^(?:\[\w+=[^\]]*\].*|(?:required|requisite|sufficient|optional|include|substack)(?:\s.*)?|(?:(?:files|compat|systemd|ldap|sss|nis|nisplus|winbind|db|extrausers)(?:\s+|$))+)$/;

/** Whether a value, without its quotes, can be a secret at all. */
export function isValue(value: string): boolean {
  const bare = value.trim();
  return (
    !NOTHING.test(bare) && !VARIABLE.test(bare) && !REFERENCE.test(bare) && !PLACE.test(bare) && !KEYWORDS.test(bare)
  );
}

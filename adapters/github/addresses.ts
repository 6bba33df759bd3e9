import { fail } from '../../src/contracts/failure.ts';

/** Where GitHub is: both without a slash at the end. */
export interface Addresses {
  readonly api: string;
  readonly web: string;
}

/**
 * Checks the two base URLs. An Enterprise API without its web address gets the one beside it, never github.com:
 * the same login there is somebody else.
 */
export function addresses(apiUrl = 'https://api.github.com', webUrl?: string): Addresses {
  const api = base(apiUrl, 'https://api.github.com or https://github.example/api/v3');
  const web = base(webUrl ?? webBeside(api), 'https://github.com');
  return { api: plain(api), web: plain(web) };
}

function webBeside(api: URL): string {
  if (api.pathname === '/api/v3' || api.pathname === '/api/v3/') return api.origin;
  // api.github.com, and api.SUBDOMAIN.ghe.com of Enterprise Cloud with data residency.
  if (api.hostname.startsWith('api.')) return `${api.protocol}//${api.host.slice('api.'.length)}`;
  return fail('bad-input', {
    what: 'GitHub cannot be used',
    why: `which web address belongs to ${plain(api)} cannot be told`,
    next: 'set the web address as well, like https://github.example',
  });
}

const plain = (url: URL): string => `${url.origin}${url.pathname.replace(/\/+$/, '')}`;

function base(text: string, example: string): URL {
  const url = URL.parse(text);
  if (!url) return bad(text, 'it is not an URL', example);
  if (url.username || url.password) return bad(url.host, 'it holds a login', example);
  if (url.search || url.hash) return bad(text, 'it must end after the path', example);
  // Whoever can change what is answered can log in everywhere: no plain HTTP over any network.
  const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
    return bad(text, 'it must be https://', example);
  return url;
}

function bad(text: string, why: string, example: string): never {
  return fail('bad-input', {
    what: `the GitHub address ${JSON.stringify(text.slice(0, 200))} cannot be used`,
    why,
    next: `write it like ${example}`,
  });
}

/**
 * Logins are letters, digits and hyphens, at most 39; those of Enterprise Managed Users end in `_shortcode`, and old
 * accounts with doubled or final hyphens still exist. Nothing else may ever reach an address or a Linux user name.
 * Throws Failed bad-input.
 */
export function checkLogin(login: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$/.test(login)) return login;
  return fail('bad-input', {
    what: 'GitHub was not asked',
    why: `${JSON.stringify(login.slice(0, 60))} is not a GitHub login (letters, digits and hyphens, at most 39)`,
    next: 'give the login as in the address of the profile: github:octocat',
  });
}

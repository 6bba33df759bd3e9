/** The one way to the server. Posts carry an id, so a post whose answer was lost is safely sent again. */

let token = '';

/** `{ people, channels, guide, menu, panel }`, and a fresh token for the posts. */
export async function hello() {
  const response = await fetch('/api/session', { cache: 'no-store' });
  if (!response.ok) throw await problemOf(response);
  const session = await response.json();
  token = session.token;
  return session;
}

const TRIES = 5;

/** Posts JSON and resolves to the answer's JSON; throws `{ what, why, next }`. */
export async function post(path, body) {
  const text = JSON.stringify(body);
  for (let tried = 1; ; tried += 1) {
    let response;
    try {
      response = await fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-bascule-token': token },
        body: text,
      });
    } catch {
      if (tried >= TRIES)
        throw { what: 'Nothing was heard from the bot', why: 'it does not answer', next: 'see whether it still runs' };
      await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** tried));
      continue;
    }
    if (response.ok) return response.json();
    const problem = await problemOf(response);
    if (problem.reason !== 'session' || tried >= TRIES) throw problem;
    await hello();
  }
}

/** As {@link post}, under a new delivery id. */
export const deliver = (path, body) => post(path, { id: crypto.randomUUID(), ...body });

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { what: 'That did not work', why: `the bot answered ${response.status}`, next: 'try again' };
  }
}

/**
 * Listens as one person until closed: `handlers` by event name, and `state('open' | 'waiting')`. The browser
 * reconnects by itself and says what it saw last; only when it gives up do we open a new stream.
 */
export function listen(person, handlers, state) {
  let source;
  let timer;
  const open = () => {
    source = new EventSource(`/api/events?person=${encodeURIComponent(person)}`);
    for (const [name, handle] of Object.entries(handlers))
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    source.addEventListener('open', () => state('open'));
    source.addEventListener('error', () => {
      state('waiting');
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(timer);
      timer = setTimeout(open, 1_000);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

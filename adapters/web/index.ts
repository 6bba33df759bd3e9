import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Chat, Panel } from '../../src/contracts/chat.ts';
import { fail } from '../../src/contracts/failure.ts';
import { refused, sendRefusal } from './answers.ts';
import { readFiles } from './files.ts';
import { createGuard, isLoopback } from './guard.ts';
import { defaultGuide, type GuideStep } from './guide.ts';
import { createMessages } from './messages.ts';
import { type PanelWatch, watchPanel } from './panel.ts';
import { createRoutes } from './routes.ts';
import { createStreams, type Streams } from './streams.ts';
import { createTalk, type Log } from './talk.ts';

export type { GuideStep } from './guide.ts';
export type { Log } from './talk.ts';

/** Somebody to act as. `about` says who that is: `admin`, `operator` … */
export interface PersonOfDemo {
  readonly id: string;
  readonly name: string;
  readonly about: string;
}

export interface Channel {
  readonly id: string;
  readonly name: string;
  readonly about: string;
}

export interface WebOptions {
  /** Loopback only: the page has no logins, whoever reaches it may be anybody. */
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly people: readonly PersonOfDemo[];
  readonly channels: readonly Channel[];
  readonly panel?: Panel;
  /** What a newcomer may try; made from the menu when left out. */
  readonly guide?: readonly GuideStep[];
  readonly log: Log;
}

export type Web = Chat & {
  /** `http://127.0.0.1:41234/`; throws before {@link Chat.start} has ended. */
  readonly url: string;
};

/**
 * The demo's chat page. Messages live in memory and end with the process. `post` never fails halfway, so
 * `perhaps` needs no look-up: a key that was posted is known. Throws Failed for a host that is not loopback.
 */
export function createWeb(options: WebOptions): Web {
  if (!isLoopback(options.host))
    fail('bad-input', {
      what: 'The web chat was not started',
      why: `${options.host} can be reached from other machines, and the page has no logins`,
      next: 'use 127.0.0.1',
    });
  const { people, channels, log } = options;
  const messages = createMessages();
  let running: Running | undefined;
  const talk = createTalk(messages, log, () => must(running).desk);

  return {
    platform: 'web',
    get url() {
      return must(running).url;
    },
    async start(desk) {
      if (running)
        fail('internal', { what: 'The web chat was not started', why: 'it runs already', next: 'stop it first' });
      const files = await readFiles();
      const streams = createStreams(messages);
      const panel =
        options.panel &&
        watchPanel(
          options.panel,
          (view) => streams.tell('panel', view),
          () => streams.count() > 0,
          log,
        );
      const guide = options.guide ?? defaultGuide(desk.menu, people, panel !== undefined);
      // Which names we answer to is known only once the port is, so the routes come after the socket.
      const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 });
      const port = await listen(server, options.host, options.port);
      const guard = createGuard(hostsOf(options.host, port), port);
      const answer = createRoutes({ people, channels, guide, desk, files, guard, talk, streams, panel, log });
      server.on('request', (request, response) => {
        answer(request, response).catch((error: unknown) => {
          log.error({ err: error, path: request.url?.split('?')[0] }, 'a request of the page failed');
          if (response.headersSent) response.destroy();
          else sendRefusal(response, refused(500, 'internal', 'something broke inside the bot', 'look at the log'));
        });
      });
      running = { desk, url: `http://${authority(options.host, port)}/`, server, streams, panel };
    },
    async post(place, card, key) {
      if (!channels.some(({ id }) => id === place.channel))
        fail('not-found', {
          what: 'The message was not posted',
          why: `the page has no channel ${place.channel}`,
          next: `use one of ${channels.map(({ id }) => id).join(', ')}`,
          sent: 'refused',
        });
      return talk.post(place, card, key);
    },
    async update(posted, card) {
      talk.update(posted, card);
    },
    async groupsOf() {
      return [];
    },
    async stop() {
      const was = running;
      if (!was) return;
      was.panel?.stop();
      was.streams.closeAll();
      await new Promise((resolve) => {
        was.server.close(resolve);
        was.server.closeAllConnections();
      });
      running = undefined;
    },
  };
}

interface Running {
  readonly desk: Parameters<Chat['start']>[0];
  readonly url: string;
  readonly server: ReturnType<typeof createServer>;
  readonly streams: Streams;
  readonly panel: PanelWatch | undefined;
}

function must(running: Running | undefined): Running {
  return (
    running ?? fail('internal', { what: 'The web chat has no address', why: 'it is not started', next: 'start it' })
  );
}

function listen(server: ReturnType<typeof createServer>, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const authority = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** `localhost` may be typed for any loopback address: no DNS server is asked about it. */
function hostsOf(host: string, port: number): ReadonlySet<string> {
  const names = [authority(host, port), authority('localhost', port)];
  // On port 80 browsers leave the port out.
  return new Set(names.flatMap((name) => (port === 80 ? [name, name.slice(0, -3)] : [name])));
}

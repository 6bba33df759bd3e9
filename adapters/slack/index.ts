import { App, type Receiver } from '@slack/bolt';
import type { Chat } from '../../src/contracts/chat.ts';
import { type Failed, fail } from '../../src/contracts/failure.ts';
import { type SlackApi, slackApi } from './api.ts';
import { editor } from './edits.ts';
import { groupLookup } from './groups.ts';
import { httpReceiver } from './http.ts';
import { listen } from './listeners.ts';
import { boltLogger, type Log, reasonOf } from './log.ts';
import { poster } from './posting.ts';
import { replies } from './replies.ts';
import { socketReceiver } from './socket.ts';

export type { Log, SlackEvent } from './log.ts';
export { type Mode, type SlackManifest, slackManifest } from './manifest.ts';
export { type Rendered, renderCard } from './render.ts';

export interface SlackOptions {
  readonly botToken: string;
  /** Socket Mode: an app-level token with `connections:write`. */
  readonly appToken?: string;
  /** HTTP mode: needs `http` as well. */
  readonly signingSecret?: string;
  readonly http?: { readonly port: number; readonly host: string };
  /** Default `https://slack.com/api/`. */
  readonly apiUrl?: string;
  /** The slash command: `/pve`. */
  readonly root: string;
  readonly log: Log;
  /** Milliseconds since the epoch; default Date.now. */
  readonly now?: () => number;
  /** Least time between two edits of one message; default 2000. */
  readonly editEveryMs?: number;
}

export interface SlackChat extends Chat {
  readonly platform: 'slack';
  /** HTTP mode: the address to give to Slack, once started. */
  readonly url: string | undefined;
}

interface Identity {
  readonly user: string;
  readonly user_id: string;
  readonly bot_id: string;
}

/** Slack over Socket Mode (`appToken`) or signed HTTP (`signingSecret` and `http`); exactly one of them. */
export function createSlack(options: SlackOptions): SlackChat {
  const {
    botToken,
    appToken,
    apiUrl = 'https://slack.com/api/',
    root,
    log,
    now = Date.now,
    editEveryMs = 2000,
  } = options;
  const api = slackApi(botToken, apiUrl, log);
  const sockets = appToken === undefined ? undefined : slackApi(appToken, apiUrl, log);
  const http = httpOf(options, now);
  const receiver: Receiver = http ?? socketReceiver({ address: () => socketAddress(sockets), log, now });
  const { post } = poster(api);
  const edits = editor(api, now, editEveryMs);
  const { groupsOf } = groupLookup(api, now);
  let me: Identity | undefined;
  let running = false;

  return {
    platform: 'slack',
    get url() {
      return http?.url;
    },
    async start(desk) {
      const identity = await api.patient<Identity>('auth.test', {}).catch(cannotStart);
      me = identity;
      // The identity is known, so Bolt neither asks for it at start nor, as with an unverified token, per event.
      const authorize = async () => ({ botToken, botId: identity.bot_id, botUserId: identity.user_id });
      const app = new App({
        receiver,
        authorize,
        convoStore: false,
        logger: boltLogger(log),
        clientOptions: CLIENT(apiUrl),
      });
      app.error(async (error) =>
        log({ level: 'error', says: 'a delivery of Slack was not handled', reason: reasonOf(error) }),
      );
      const answers = replies({ api, post, log, name: () => me?.user ?? 'bascule' });
      listen(app, { desk, api, replies: answers, root, log });
      await receiver.start().catch(cannotStart);
      running = true;
      log({ level: 'info', says: 'Slack is connected', mode: http ? 'http' : 'socket', as: identity.user });
    },
    post,
    update: edits.update,
    groupsOf,
    async stop() {
      if (running) await receiver.stop();
      running = false;
      await edits.idle(editEveryMs + 3000);
      api.stop();
      sockets?.stop();
    },
  };
}

/** The client Bolt hands to listeners; ours never use it, and it must not retry either. */
const CLIENT = (slackApiUrl: string) => ({
  slackApiUrl,
  retryConfig: { retries: 0 },
  allowAbsoluteUrls: false,
  timeout: 10_000,
});

function httpOf({ appToken, signingSecret, http, log }: SlackOptions, now: () => number) {
  if (appToken !== undefined && http === undefined) return undefined;
  if (http !== undefined && signingSecret !== undefined && appToken === undefined)
    return httpReceiver({ signingSecret, ...http, log, now });
  return fail('bad-input', {
    what: 'Slack was not started',
    why: 'it needs either an app token (Socket Mode) or a signing secret and an address to listen on (HTTP)',
    next: 'set one of the two in the config',
  });
}

async function socketAddress(sockets: SlackApi | undefined): Promise<string> {
  const { url } = (await sockets?.patient<{ url: string }>('apps.connections.open', {})) ?? { url: '' };
  return url;
}

const cannotStart = (error: unknown): never => {
  const { why = reasonOf(error), next = 'see the log' } = (error as Partial<Failed>).failure ?? {};
  return fail('unavailable', { what: 'Slack was not started', why, next }, error);
};

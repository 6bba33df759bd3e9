import { setTimeout as delay } from 'node:timers/promises';
import { webApi } from '@slack/bolt';
import { Failed, type Failure, failure } from '../../src/contracts/failure.ts';
import { boltLogger, type Log, reasonOf } from './log.ts';

/**
 * Calls to Slack's Web API that are never repeated blindly: the client of the SDK retries posts after lost answers
 * (two deliveries each) and pauses everything on one 429 (PLATFORMS.md §1), so its retries are off.
 */
export interface SlackApi {
  /** Calls once. Throws {@link Failed}: sent `no`, `refused` or `unknown`; a 429 is `refused` with status 429. */
  once<T extends object>(method: string, args: Args): Promise<T>;
  /** As `once`, but waits out 429s, which are certain not to have been executed, for up to two minutes. */
  patient<T extends object>(method: string, args: Args): Promise<T>;
  /** Rejects what waits and what comes later. */
  stop(): void;
  /** Waits; throws when stopped. */
  wait(ms: number): Promise<void>;
}

type Args = Record<string, unknown>;

const TIMEOUT_MS = 10_000;
const PATIENCE_MS = 120_000;

export function slackApi(token: string, apiUrl: string, log: Log): SlackApi {
  const client = new webApi.WebClient(token, {
    slackApiUrl: apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
    timeout: TIMEOUT_MS,
    maxRequestConcurrency: 50,
    logger: boltLogger(log),
    fetch: fetchWithWait,
  });
  const end = new AbortController();

  const once = async <T extends object>(method: string, args: Args): Promise<T> => {
    if (end.signal.aborted) throw stopped(method);
    try {
      return (await client.apiCall(method, args)) as unknown as T;
    } catch (error) {
      throw new Failed(failureOf(error, method), { cause: error });
    }
  };
  const wait = async (ms: number) => {
    try {
      await delay(ms, undefined, { signal: end.signal });
    } catch (error) {
      throw new Failed(stopped('wait').failure, { cause: error });
    }
  };

  return {
    once,
    wait,
    async patient<T extends object>(method: string, args: Args): Promise<T> {
      for (let waited = 0; ; ) {
        try {
          return await once<T>(method, args);
        } catch (error) {
          const pause = retryAfterMs(error);
          if (pause === undefined || waited + pause > PATIENCE_MS) throw error;
          waited += pause;
          await wait(pause);
        }
      }
    },
    stop: () => end.abort(),
  };
}

/** How long Slack wants us to wait, milliseconds, if that is what the error says. */
export function retryAfterMs(error: unknown): number | undefined {
  const cause = error instanceof Failed ? error.cause : error;
  return cause instanceof webApi.WebAPIRateLimitedError ? Math.max(cause.retryAfter, 1) * 1000 : undefined;
}

/** Slack's own word for a refusal, such as `not_in_channel`. */
export function refusalOf(error: unknown): string | undefined {
  const cause = error instanceof Failed ? error.cause : error;
  return cause instanceof webApi.WebAPIPlatformError ? cause.data.error : undefined;
}

/** The SDK takes a 429 without a usable Retry-After for an unknown failure; it gets one here. */
const fetchWithWait: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (response.status !== 429 || /^\d+$/.test(response.headers.get('retry-after') ?? '')) return response;
  await response.body?.cancel();
  return new Response('{"ok":false,"error":"ratelimited"}', { status: 429, headers: { 'retry-after': '5' } });
};

const stopped = (method: string) =>
  new Failed(
    failure('unavailable', {
      what: `Slack was not asked (${method})`,
      why: 'the Slack adapter has stopped',
      next: 'start it again',
      sent: 'no',
    }),
  );

/** Codes of a connection that never came to be, so that nothing was sent. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
/** Slack documents these as errors after which the work may still have been done. */
const UNSURE = new Set(['fatal_error', 'internal_error', 'request_timeout', 'service_unavailable']);

const NEXT: Readonly<Record<string, string>> = {
  invalid_auth: 'check the bot token in the config',
  not_authed: 'check the bot token in the config',
  account_inactive: 'the app was removed: install it again and update the bot token',
  token_revoked: 'install the app again and update the bot token',
  missing_scope: 'update the app with the manifest of `bascule setup slack` and install it again',
  not_in_channel: 'invite the app into that channel',
  channel_not_found: 'check the channel id, and invite the app if the channel is private',
  plan_upgrade_required: 'user groups need a paid Slack plan: list people under roles in the config instead',
  no_such_subteam: 'check the user group id in the config',
};

function failureOf(error: unknown, method: string): Failure {
  const what = `Slack did not do ${method}`;
  if (error instanceof webApi.WebAPIRateLimitedError)
    return failure('unavailable', {
      what,
      why: `Slack limits the rate and asks to wait ${error.retryAfter} s`,
      next: 'try again later',
      sent: 'refused',
      status: 429,
    });
  if (error instanceof webApi.WebAPIPlatformError && /^[a-z0-9_]{1,80}$/.test(error.data.error)) {
    const word = error.data.error;
    const messages = error.data.response_metadata?.messages?.join('; ') ?? '';
    return failure(UNSURE.has(word) ? 'unavailable' : 'refused', {
      what,
      why: `Slack says ${word}${messages && `: ${messages.slice(0, 300)}`}`,
      next: NEXT[word] ?? 'see the log',
      sent: UNSURE.has(word) ? 'unknown' : 'refused',
    });
  }
  if (error instanceof webApi.WebAPIHTTPError)
    return failure('unavailable', {
      what,
      why: `Slack answered HTTP ${error.statusCode}`,
      next: 'try again later',
      sent: error.statusCode < 500 ? 'refused' : 'unknown',
      status: error.statusCode,
    });
  const unsent = UNSENT.has(codeOf(error));
  return failure('unavailable', {
    what,
    why: unsent ? `Slack cannot be reached (${codeOf(error)})` : `the answer of Slack was lost (${reasonOf(error)})`,
    next: 'check the network between the bot and Slack',
    sent: unsent ? 'no' : 'unknown',
  });
}

/** The system's code at the bottom of a chain of causes. */
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at instanceof webApi.WebAPIRequestError ? at.original : at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code && !code.startsWith('slack_')) return code;
    if (at instanceof AggregateError) return codeOf(at.errors[0]);
  }
  return '';
}

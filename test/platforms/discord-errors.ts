import type { Problem } from '../oracles/slack-shapes.ts';
import type { DiscordWorld, Json } from './discord-world.ts';

export interface DiscordAnswer {
  status: number;
  json?: unknown;
}

export interface Call {
  /** What the groups of the route's path matched. */
  at: string[];
  query: URLSearchParams;
  body: unknown;
  files: { name: string; content: string }[];
}

export interface Route {
  /** The name that faults and call counts use. */
  operation: string;
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  path: RegExp;
  /** Needs no bot token: the interaction token in the path is the secret. */
  open?: boolean;
  run(call: Call, world: DiscordWorld): DiscordAnswer;
}

export const refuse = (status: number, code: number, message: string): DiscordAnswer => ({
  status,
  json: { message, code },
});

/** 50035 with the nested `errors` object of Discord. */
export function invalidBody(problems: Problem[]): DiscordAnswer {
  const errors: Json = {};
  for (const { pointer, message } of problems) {
    let here = errors;
    for (const step of pointer.split('/').filter(Boolean)) {
      here[step] ??= {};
      here = here[step] as Json;
    }
    here._errors = [...((here._errors as Json[] | undefined) ?? []), { code: 'BASE_TYPE_BAD', message }];
  }
  return { status: 400, json: { message: 'Invalid Form Body', code: 50035, errors } };
}

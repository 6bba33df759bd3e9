import { Failed } from './contracts/failure.ts';
import type { Finding } from './contracts/finding.ts';

/** Looks at one thing and says what it found. Failed becomes a finding of its own. */
export interface Check {
  readonly about: string;
  look(): Promise<readonly Finding[]>;
}

const MARK = { ok: 'ok', warning: 'WARN', wrong: 'FAIL', unknown: '?' } as const;

/** Runs the checks one after the other and tells each as it comes. Resolves false when anything is wrong. */
export async function examine(checks: readonly Check[], tell: (line: string) => void): Promise<boolean> {
  let sound = true;
  for (const check of checks) {
    for (const finding of await findings(check)) {
      sound &&= finding.state !== 'wrong';
      tell(findingLine(finding));
    }
  }
  return sound;
}

async function findings(check: Check): Promise<readonly Finding[]> {
  try {
    return await check.look();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    const { why, next } = error.failure;
    return [{ about: check.about, state: 'wrong', says: why, remedy: next }];
  }
}

/** `FAIL  node ovh1: helper: not the expected one → install it again` */
export function findingLine({ about, state, says, remedy }: Finding): string {
  return `${MARK[state].padEnd(5)} ${about}: ${says}${remedy ? ` → ${remedy}` : ''}`;
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkParsePolicySet,
  type DetailedError,
  type PolicyJson,
  policyToJson,
  type SchemaJson,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs';
import { Failed, fail, failure } from '../src/contracts/failure.ts';
import { countedRoles } from './shape.ts';
import { lineAt, type PolicyText, splitPolicies } from './split.ts';

/** A policy that parsed and fits the schema. */
export interface Policy extends PolicyText {
  /** From `@id`: what answers and the audit call it. */
  readonly id: string;
  /** From `@says`: what a person reads when this forbid refuses. */
  readonly says?: string;
  /** Roles whose votes it counts: every `context.approvals.<role>` in it. */
  readonly counts: readonly string[];
  /** Its JSON form. */
  readonly json: PolicyJson;
}

/** Policy files by name: those shipped here, or every `*.cedar` directly in a site's folder, sorted. */
export function shippedFiles(preset: string): readonly string[] {
  return ['common', preset].map((name) => join(import.meta.dirname, `${name}.cedar`));
}

/** Throws Failed bad-input when the folder cannot be read. */
export function siteFiles(folder: string): readonly string[] {
  return attempt(folder, () =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.cedar'))
      .sort()
      .map((name) => join(folder, name)),
  );
}

function attempt<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    return fail(
      'bad-input',
      {
        what: 'the policies were not loaded',
        why: `${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`,
        next: 'correct the path of the site policies in the config, or the rights of the files',
      },
      cause,
    );
  }
}

/**
 * Reads, parses and checks the files. Throws Failed bad-input with every fault as `file:line: words of the
 * validator`. In a site's files warnings are faults too: a policy that can never apply protects nothing. Shipped
 * ones may name a group of actions that is empty here.
 */
export function readPolicies(
  shipped: readonly string[],
  site: readonly string[],
  schema: SchemaJson<string>,
): readonly Policy[] {
  const faults: string[] = [];
  const policies = new Map<string, Policy>();
  for (const file of [...shipped, ...site]) {
    for (const text of splitPolicies(
      file,
      attempt(file, () => readFileSync(file, 'utf8')),
    )) {
      const policy = parse(text, faults);
      if (!policy) continue;
      const other = policies.get(policy.id);
      if (other) faults.push(`${file}:${text.line}: @id("${policy.id}") is taken by ${other.file}:${other.line}`);
      else policies.set(policy.id, policy);
    }
  }
  faults.push(...misfits(policies, new Set(site), schema));
  if (faults.length > 0) throw new Failed(refusal(faults));
  return [...policies.values()];
}

const SHOWN_FAULTS = 8;

function refusal(faults: readonly string[]) {
  const more = faults.length > SHOWN_FAULTS ? [`and ${faults.length - SHOWN_FAULTS} more`] : [];
  return failure('bad-input', {
    what: 'the policies were not loaded',
    why: [...faults.slice(0, SHOWN_FAULTS), ...more].join('\n'),
    next: 'correct the named lines; policies/README.md shows what a policy may say',
  });
}

function parse(text: PolicyText, faults: string[]): Policy | undefined {
  const parsed = checkParsePolicySet({ staticPolicies: { policy: text.text } });
  if (parsed.type === 'failure') {
    faults.push(...parsed.errors.map((error) => fault(text, error)));
    return undefined;
  }
  const asJson = policyToJson(text.text);
  if (asJson.type === 'failure') {
    faults.push(...asJson.errors.map((error) => fault(text, error)));
    return undefined;
  }
  const { id, says } = (asJson.json.annotations ?? {}) as Readonly<Record<string, string>>;
  if (!id) {
    faults.push(`${text.file}:${text.line}: a policy needs a name: write @id("…") above it`);
    return undefined;
  }
  return { ...text, id, ...(says ? { says } : {}), counts: countedRoles(asJson.json), json: asJson.json };
}

/** What does not fit the schema. All policies at once: each call would read the schema again. */
function misfits(
  policies: ReadonlyMap<string, Policy>,
  strict: ReadonlySet<string>,
  schema: SchemaJson<string>,
): readonly string[] {
  const staticPolicies = Object.fromEntries([...policies].map(([id, { text }]) => [id, text]));
  const answer = validate({ schema, policies: { staticPolicies } });
  if (answer.type === 'failure') return answer.errors.map(({ message }) => message);
  // An error makes the same policy "impossible" as well; the error alone says more.
  const wrong = new Set(answer.validationErrors.map(({ policyId }) => policyId));
  const warnings = answer.validationWarnings.filter(
    ({ policyId }) => !wrong.has(policyId) && strict.has(policies.get(policyId)!.file),
  );
  return [...answer.validationErrors, ...warnings]
    .map(({ policyId, error }) => ({ at: policies.get(policyId)!, error }))
    .sort((a, b) => (a.at.file < b.at.file ? -1 : a.at.file > b.at.file ? 1 : a.at.line - b.at.line))
    .map(({ at, error }) => fault(at, error));
}

/** `file:line: words`. Cedar counts in bytes of UTF-8, from the start of the policy. */
function fault(at: PolicyText, error: DetailedError): string {
  const place = error.sourceLocations?.[0];
  const before = Buffer.from(at.text).subarray(0, place?.start ?? 0);
  const line = at.line + lineAt(before.toString(), before.length) - 1;
  const words = [error.message.replace(/^failed to parse policy with id `policy` from string: /, '')];
  if (place?.label) words.push(place.label);
  if (error.help) words.push(error.help);
  return `${at.file}:${line}: ${words.join('; ')}`;
}

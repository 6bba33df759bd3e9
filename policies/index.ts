import { createHash } from 'node:crypto';
import {
  type AuthorizationAnswer,
  type CheckParseAnswer,
  preparsePolicySet,
  preparseSchema,
  type SchemaJson,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import { fail } from '../src/contracts/failure.ts';
import type { Circumstances, Judge, Question, Verdict } from '../src/contracts/policy.ts';
import { Memory } from './memory.ts';
import { findNeeds, withEverything } from './needs.ts';
import { type Policy, readPolicies, shippedFiles, siteFiles } from './read.ts';
import { expandRoles, type RoleConfig } from './roles.ts';
import { allActions, type PolicyAction, schemaFor } from './schema.ts';
import { noPermit } from './words.ts';
import { actionUid, contextFor, entitiesFor, principalUid, resourceUid } from './world.ts';

export { expandRoles, type RoleConfig } from './roles.ts';
export { BUILT_IN_ACTIONS, type PolicyAction } from './schema.ts';

export interface PolicyOptions {
  readonly preset: 'team' | 'strict' | 'solo';
  /** The configured roles; viewer, operator and admin are there in any case. */
  readonly roles: RoleConfig;
  /** The actions of every command, with their risk. */
  readonly actions: readonly PolicyAction[];
  /** Folder with the site's own `*.cedar` files. */
  readonly siteDir?: string;
}

/**
 * Loads and checks the policies. Throws Failed bad-input with `file:line` and the validator's words when one does
 * not parse or does not fit the roles and actions there are.
 */
export function loadPolicies(options: PolicyOptions): Judge {
  const roles = expandRoles(options.roles);
  const actions = allActions(options.actions);
  const schema = schemaFor([...roles.keys()], actions);
  const site = options.siteDir === undefined ? [] : siteFiles(options.siteDir);
  const policies = readPolicies(shippedFiles(options.preset), site, schema);
  return new CedarJudge({ policies, roles, actions, schema });
}

/** One question's answer: whether, and by which policies; `errors` are evaluation errors, which refuse. */
interface Answer {
  readonly allowed: boolean;
  readonly policies: readonly string[];
  readonly errors: readonly string[];
}

interface Loaded {
  readonly policies: readonly Policy[];
  readonly roles: ReadonlyMap<string, readonly string[]>;
  readonly actions: readonly PolicyAction[];
  readonly schema: SchemaJson<string>;
}

class CedarJudge implements Judge {
  readonly #policies: ReadonlyMap<string, Policy>;
  readonly #roles: ReadonlyMap<string, readonly string[]>;
  readonly #counted: readonly string[];
  readonly #memory: Memory;
  readonly #cacheName: string;

  constructor({ policies, roles, actions, schema }: Loaded) {
    this.#policies = new Map(policies.map((policy) => [policy.id, policy]));
    this.#roles = roles;
    this.#counted = [...new Set(policies.flatMap((policy) => policy.counts))];
    this.#memory = new Memory(policies, actions);
    this.#cacheName = prepare(policies, schema);
  }

  decide(question: Question): Verdict {
    const { context } = question;
    const ask = this.#asker(question);
    if (context.early) return this.#early(question, ask(withEverything(context, this.#roles.keys())));
    const now = ask(context);
    if (now.allowed) return { answer: 'allowed', needs: [], policies: now.policies, why: '' };
    if (now.errors.length > 0) return this.#denied(question, now);
    const best = ask(withEverything(context, this.#roles.keys()));
    if (!best.allowed) return this.#denied(question, best);
    const needs = findNeeds(context, {
      ask: (circumstances) => ask(circumstances).allowed,
      roles: this.#roles,
      counted: this.#counted,
      approver: () => this.#approver(question),
    });
    if (needs.length === 0) return this.#denied(question, now);
    return { answer: 'needs', needs, policies: now.policies, why: '' };
  }

  allows(question: Question): boolean {
    const { context } = question;
    return this.#memory.answer(question, () => {
      const asked = context.early ? withEverything(context, this.#roles.keys()) : context;
      return this.#asker(question)(asked).allowed;
    });
  }

  #early(question: Question, best: Answer): Verdict {
    if (!best.allowed) return this.#denied(question, best);
    return { answer: 'allowed', needs: [], policies: best.policies, why: '' };
  }

  #denied(question: Question, { policies, errors }: Answer): Verdict {
    const says = policies.map((id) => this.#policies.get(id)?.says ?? `Forbidden by policy ${id}.`);
    const why = errors.length > 0 ? [...errors] : says;
    if (why.length === 0) why.push(noPermit(question.action, question.person));
    return { answer: 'denied', needs: [], policies, why: [...new Set(why)].join(' ') };
  }

  /** The least powerful role whose members may approve such a request. */
  #approver({ context, resource, action }: Question): string {
    const everything = withEverything(context, this.#roles.keys());
    const cluster = resource.type === 'Bot' ? '' : resource.cluster;
    const about = { id: '', requester: 'somebody', command: '', risk: context.risk, cluster, action };
    const mayApprove = (role: string): boolean =>
      this.#asker({
        person: { id: 'somebody else', roles: [role] },
        action: 'approve',
        resource: { type: 'Request', ...about },
        context: everything,
      })(everything).allowed;
    const weakestFirst = [...this.#roles].sort(([, a], [, b]) => a.length - b.length).map(([role]) => role);
    return weakestFirst.find(mayApprove) ?? 'operator';
  }

  /** Turns a question into entities once, to be asked under several circumstances. */
  #asker(question: Question): (circumstances: Circumstances) => Answer {
    const call = {
      principal: principalUid(question.person),
      action: actionUid(question.action),
      resource: resourceUid(question.resource),
      entities: entitiesFor(question, this.#roles),
      preparsedSchemaName: this.#cacheName,
      preparsedPolicySetId: this.#cacheName,
      validateRequest: true,
    };
    return (circumstances) => {
      try {
        return read(statefulIsAuthorized({ ...call, context: contextFor(circumstances, this.#roles.keys()) }));
      } catch (error) {
        // The WebAssembly module throws what it cannot convert, such as a fraction where a whole number belongs.
        return { allowed: false, policies: [], errors: [`The policies could not be asked: ${String(error)}`] };
      }
    };
  }
}

/**
 * Parsed policies are kept by Cedar under a name and never freed; the name is their hash, so that loading the same
 * ones again takes no more memory.
 */
function prepare(policies: readonly Policy[], schema: SchemaJson<string>): string {
  const texts = policies.map(({ id, text }) => [id, text] as const);
  const name = createHash('sha256')
    .update(JSON.stringify([texts, schema]))
    .digest('hex');
  expectSuccess(preparseSchema(name, schema));
  expectSuccess(preparsePolicySet(name, { staticPolicies: Object.fromEntries(texts) }));
  return name;
}

function expectSuccess(answer: CheckParseAnswer): void {
  if (answer.type === 'success') return;
  fail('bad-input', {
    what: 'the policies were not loaded',
    why: answer.errors.map(({ message }) => message).join('; '),
    next: 'check the role names in the config',
  });
}

/**
 * Cedar skips a policy whose evaluation fails: a forbid that meets an error (measured with 4.13: an overflow, a
 * missing attribute) leaves an allow with diagnostics behind. So any diagnostic at all is a no.
 */
function read(answer: AuthorizationAnswer): Answer {
  if (answer.type === 'failure') {
    const errors = answer.errors.map(({ message }) => `The policies could not be asked: ${message}.`);
    return { allowed: false, policies: [], errors };
  }
  const { decision, diagnostics } = answer.response;
  const errors = diagnostics.errors.map(({ policyId, error }) => `Policy ${policyId} failed: ${error.message}.`);
  const failed = diagnostics.errors.map(({ policyId }) => policyId);
  if (errors.length > 0) return { allowed: false, policies: failed, errors };
  return { allowed: decision === 'allow', policies: diagnostics.reason, errors };
}

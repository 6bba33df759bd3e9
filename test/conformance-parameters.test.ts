import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Route } from '../adapters/simulator/call.ts';
import { type Pve, routes } from '../adapters/simulator/index.ts';
import type { Rule } from '../adapters/simulator/verify.ts';

/** One parameter as the API viewer of Proxmox describes it. */
interface Fact {
  type?: string;
  format?: string | Record<string, Fact>;
  optional?: number;
  minimum?: number | string;
  maximum?: number | string;
  minLength?: number;
  maxLength?: number;
  enum?: string[];
  pattern?: string;
  alias?: string;
}

interface Method {
  parameters?: { properties?: Record<string, Fact>; additionalProperties?: number };
}

const factsFile = (pve: Pve) => new URL(`../../shared/pve/api-facts-${pve}.json`, import.meta.url);
const versions: Pve[] = ['8.4', '9.2'];
const present = versions.every((pve) => existsSync(factsFile(pve)));
if (!present) console.log('conformance of parameters: skipped, the API descriptions are not beside this repository');

/** Routes whose parameters are described nowhere, and those where ours are a part on purpose. */
const undescribed = new Set(['POST /cluster/ha/rules']);
const partly: Record<string, string> = {
  'PUT /nodes/{node}/qemu/{vmid}/config': 'a VM has some two hundred settings; the commands change these',
  'POST /nodes/{node}/qemu/{vmid}/config': 'as above',
  'POST /nodes/{node}/qemu/{vmid}/status/start': 'the rest is for migrations',
  'POST /nodes/{node}/vzdump': 'one guest at a time is backed up on request; the rest is for jobs',
  'PUT /pools': 'storages in pools are not imitated',
  'POST /cluster/backup': 'jobs are only ever read by the commands',
  'PUT /access/users/{userid}': 'people are managed elsewhere',
  'PUT /access/users/{userid}/token/{tokenid}': 'tokens are managed elsewhere',
};
/** Formats that had another name in 8.4. */
const renamed: Record<string, string> = { 'pve-ha-group-node-list': 'pve-ha-node-list' };
/** Parameters of containers that no token may set at all, and which are refused as unknown. */
const notOurs = /^(dev\[n\]|unused\[n\])$/;

function ruleProblems(name: string, rule: Rule, fact: Fact, pve: Pve): string[] {
  const out: string[] = [];
  const differ = (what: string, ours: unknown, real: unknown) => {
    if (String(ours) !== String(real)) out.push(`${name}: ${what} ${ours}, real ${real}`);
  };
  if (rule.type !== fact.type) differ('type', rule.type, fact.type);
  differ('optional', Boolean(rule.optional), Boolean(fact.optional));
  differ('minimum', rule.min, fact.minimum);
  differ('maximum', rule.max, fact.maximum);
  differ('maxLength', rule.maxLength, fact.maxLength);
  differ('minLength', rule.minLength, fact.minLength);
  if (!(name.endsWith('disk') && fact.enum))
    differ('values', (rule.valuesIn?.[pve] ?? rule.values)?.join(), fact.enum?.join());
  if (typeof fact.format === 'string') differ('format', rule.format, renamed[fact.format] ?? fact.format);
  if (fact.format && typeof fact.format === 'object') out.push(...keyProblems(name, rule, fact.format, pve));
  return out;
}

function keyProblems(name: string, rule: Rule, keys: Record<string, Fact>, pve: Pve): string[] {
  return Object.entries(keys)
    .filter(([, fact]) => fact.alias === undefined)
    .flatMap(([key, fact]) => {
      const own = rule.keys?.[key];
      return own ? ruleProblems(`${name}.${key}`, own, fact, pve) : [`${name}.${key}: missing in ours`];
    });
}

function routeProblems(route: Route, method: Method, pve: Pve): string[] {
  const facts = method.parameters?.properties ?? {};
  const where = `${route.method} ${route.path}`;
  const rules = Object.entries(route.rules).filter(([, rule]) => !rule.only || rule.only === pve);
  const unknown = rules
    .filter(([name]) => !facts[name])
    .map(([name]) => `${where} ${name}: Proxmox has no such parameter`);
  const known = rules.flatMap(([name, rule]) =>
    facts[name] ? ruleProblems(`${where} ${name}`, rule, facts[name], pve) : [],
  );
  const missing = partly[where]
    ? []
    : Object.keys(facts)
        .filter((name) => !Object.hasOwn(route.rules, name) && !notOurs.test(name))
        .map((name) => `${where} ${name}: missing in ours`);
  return [...unknown, ...known, ...missing];
}

describe.skipIf(!present)('the parameters the simulator checks are those of the API descriptions', () => {
  for (const pve of versions) {
    test(`of ${pve}`, () => {
      const { paths } = JSON.parse(readFileSync(factsFile(pve), 'utf8')) as {
        paths: Record<string, Record<string, Method>>;
      };
      const served = routes('').filter((route) => !route.only || route.only === pve);
      const found = served.flatMap((route) => {
        const method = paths[route.path]?.[route.method];
        if (!method) return [`${route.method} ${route.path}: Proxmox has no such call`];
        return undescribed.has(`${route.method} ${route.path}`) ? [] : routeProblems(route, method, pve);
      });
      expect(found).toEqual([]);
    });
  }
});

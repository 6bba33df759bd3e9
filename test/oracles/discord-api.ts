import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Problem } from './slack-shapes.ts';

const file = fileURLToPath(new URL('../../../shared/chat/discord-openapi.json', import.meta.url));

/** True where Discord's own API description is at hand; without it bodies are not validated. */
export const discordApiPresent = existsSync(file);

type Json = Record<string, unknown>;
interface Description {
  components: { schemas: Record<string, Json> };
}

let loaded: { ajv: Ajv2020; description: Description } | undefined;

function load() {
  if (loaded) return loaded;
  const description = JSON.parse(readFileSync(file, 'utf8')) as Description;
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false });
  addFormats.default(ajv as unknown as Parameters<typeof addFormats.default>[0]);
  for (const name of ['nonce', 'snowflake', 'int32']) ajv.addFormat(name, true);
  ajv.addSchema({ ...description, $id: 'discord' });
  loaded = { ajv, description };
  return loaded;
}

/** What a schema of the description (`MessageCreateRequest`, …) refuses in a body. */
export function schemaProblems(schema: string, body: unknown): Problem[] {
  if (!discordApiPresent) return [];
  const validate = load().ajv.getSchema(`discord#/components/schemas/${schema}`);
  if (!validate) throw new Error(`Discord's description has no schema ${schema}`);
  if (validate(body)) return [];
  return (validate.errors ?? []).map((error) => ({
    pointer: error.instancePath,
    message: `${error.message} ${JSON.stringify(error.params)}`,
  }));
}

/** Fields that the schema does not know, at any depth. Discord ignores them, so a typo goes unseen. */
export function strayFields(schema: string, body: unknown): string[] {
  if (!discordApiPresent) return [];
  return strays(body, { $ref: `#/components/schemas/${schema}` }, '');
}

function strays(value: unknown, given: Json, at: string): string[] {
  const schema = resolve(given);
  const choices = (schema.oneOf ?? schema.anyOf) as Json[] | undefined;
  if (choices) return strayInChoices(value, choices.map(resolve), at);
  if (Array.isArray(value)) {
    const items = schema.items as Json | undefined;
    return items ? value.flatMap((one, index) => strays(one, items, `${at}/${index}`)) : [];
  }
  const properties = schema.properties as Record<string, Json> | undefined;
  if (typeof value !== 'object' || value === null || !properties) return [];
  return Object.entries(value).flatMap(([name, part]) => {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    return known ? strays(part, known, `${at}/${name}`) : [`${at}/${name}`];
  });
}

/** Components are told apart by `type`; for other unions one choice without strays is enough. */
function strayInChoices(value: unknown, choices: Json[], at: string): string[] {
  const type = (value as Json | null)?.type;
  const tagged = choices.filter((one) => {
    const tags = (one.properties as Record<string, Json> | undefined)?.type?.enum as unknown[] | undefined;
    return tags?.includes(type);
  });
  const found = (tagged.length > 0 ? tagged : choices).map((one) => strays(value, one, at));
  return found.find((one) => one.length === 0) ?? found[0] ?? [];
}

function resolve(schema: Json): Json {
  const name = /^#\/components\/schemas\/(.+)$/.exec(String(schema.$ref ?? ''))?.[1];
  return name ? resolve(load().description.components.schemas[name] ?? {}) : schema;
}

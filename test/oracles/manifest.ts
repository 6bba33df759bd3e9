import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type AnySchema, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

const file = fileURLToPath(new URL('../../../shared/chat/slack-manifest-schema.json', import.meta.url));

/** True where Slack's own manifest schema is at hand. */
export const manifestSchemaPresent = existsSync(file);

let compiled: ValidateFunction | undefined;

/** What Slack's manifest schema refuses, one line each; empty for a good manifest. */
export function manifestProblems(manifest: unknown): string[] {
  compiled ??= compile();
  if (compiled(manifest)) return [];
  return (compiled.errors ?? []).map(
    (error) => `${error.instancePath || '/'} ${error.message} ${JSON.stringify(error.params)}`,
  );
}

function compile(): ValidateFunction {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv.compile(JSON.parse(readFileSync(file, 'utf8')) as AnySchema);
}

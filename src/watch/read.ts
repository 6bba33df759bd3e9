import { z } from 'zod';

/**
 * Tolerant readers for what Proxmox answers: numbers come as text, keys are missing, whole answers are HTML
 * (ODDITIES 1 to 7). A row that cannot be read is left out; nothing here throws.
 */

/** A number, also as text. */
export const num = z
  .union([
    z.number(),
    z
      .string()
      .trim()
      .regex(/^-?\d+(\.\d+)?(e\d+)?$/i)
      .transform(Number),
  ])
  .refine(Number.isFinite);

/** 1, "1" and true; 0, "0", "" and false. Anything else is unreadable, not false (ODDITIES 2). */
export const flag = z.union([
  z.literal([1, '1', true]).transform(() => true),
  z.literal([0, '0', '', false]).transform(() => false),
]);

export const text = z.string();
export const name = z.string().min(1);

/** Absent, or unreadable, is undefined; the rest of the row still counts. */
export function maybe<S extends z.ZodType>(schema: S) {
  return schema.optional().catch(undefined);
}

/** The readable rows of a list; none when it is no list. */
export function rows<S extends z.ZodType>(schema: S, data: unknown): z.output<S>[] {
  if (!Array.isArray(data)) return [];
  return data.flatMap((row) => {
    const read = schema.safeParse(row);
    return read.success ? [read.data] : [];
  });
}

/** The entries of an object whose values can be read. */
export function entries<S extends z.ZodType>(schema: S, data: unknown): [string, z.output<S>][] {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return [];
  return Object.entries(data).flatMap(([key, value]): [string, z.output<S>][] => {
    const read = schema.safeParse(value);
    return read.success ? [[key, read.data]] : [];
  });
}

/** `/nodes/ovh1/tasks?typefilter=vzdump` without its query. */
export function pathOf(endpoint: string): string {
  return endpoint.split('?', 1)[0]!;
}

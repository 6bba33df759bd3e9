import { z } from 'zod';

/** What the page may send. Everything is bounded: a browser tab is not trusted more than any other client. */
const id = z.string().min(1).max(200);
const typed = z.string().max(16_000);
const options = z
  .record(z.string().min(1).max(100), typed)
  .refine((all) => Object.keys(all).length <= 100, 'more than 100 options');

/** `id` is made by the page; the same id again, after a lost answer, is handled once. */
const delivery = { id, person: id, channel: id };

export const Say = z.strictObject({
  ...delivery,
  input: z.union([z.strictObject({ text: typed }), z.strictObject({ command: id, options })]),
});
export type Say = z.infer<typeof Say>;

export const Press = z.strictObject({ ...delivery, message: id.optional(), ref: id, typed: typed.optional() });
export type Press = z.infer<typeof Press>;

export const Flip = z.strictObject({ id, switch: id, on: z.boolean() });
export const FormOf = z.strictObject({ text: typed });
export const PromptOf = z.strictObject({ ref: id });
export const HomeOf = z.strictObject({ person: id });
export const Complete = z.strictObject({
  person: id,
  channel: id,
  command: id,
  option: z.string().min(1).max(100),
  typed,
  options,
});

import { createHash } from 'node:crypto';
import { NONCE_MAX } from './limits.ts';

const MARK_LENGTH = 12;

const hashed = (key: string): string => createHash('sha256').update(key).digest('hex');

/** Lets Discord refuse a second message for the same key for a few minutes (limits.json discord.141). */
export const nonceOf = (key: string): string => hashed(key).slice(0, NONCE_MAX);

/**
 * What the footer says about the key a message was posted under. Discord does not give a nonce back later, so a
 * message from before a restart is found by this. 48 bits: no two of a channel's messages share one by chance.
 */
export const markOf = (key: string): string => hashed(key).slice(0, MARK_LENGTH);

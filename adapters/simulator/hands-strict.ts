import type { Account } from './hands-accounts.ts';
import { visible } from './hands-answer.ts';
import { type Inside, kindWords } from './hands-inside.ts';

/**
 * Why sshd would take no key of theirs: its StrictModes wants home, .ssh and the file to be theirs or root's, and nobody
 * else able to write there. What belongs to the simulator itself counts as theirs: it cannot give files away.
 */
export function strictTroubles(inside: Inside, user: Account, files: readonly string[]): string[] {
  return [user.home, `${user.home}/.ssh`, ...files].flatMap((path) => {
    const name = visible(path, 300);
    const seen = inside.stat(path);
    if (!seen) return path === user.home ? [`its home folder ${name} is missing`] : [];
    if (!(files.includes(path) ? seen.isFile() : seen.isDirectory())) return [`${name} is a ${kindWords(seen)}`];
    const owners = [0, user.uid, process.getuid?.()];
    const mode = (seen.mode & 0o7777).toString(8).padStart(4, '0');
    return [
      ...(owners.includes(seen.uid) ? [] : [`${name} belongs to uid ${seen.uid}, so sshd takes no key`]),
      ...((seen.mode & 0o022) === 0 ? [] : [`${name} can be written by others (mode ${mode}), so sshd takes no key`]),
    ];
  });
}

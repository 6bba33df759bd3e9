import { rangeOf, type Verbs, verb } from './hands.ts';
import { configVerbs } from './hands-config.ts';
import { keyVerbs } from './hands-keys.ts';
import { lookingVerbs } from './hands-looking.ts';
import { quorumVerbs } from './hands-quorum.ts';
import { restoreVerbs } from './hands-restore.ts';
import { scriptVerbs } from './hands-script.ts';
import { setupVerbs } from './hands-setup.ts';
import { userVerbs } from './hands-users.ts';

/** Every verb that the stand-in of bascule-node knows. */

const hello: Verbs = {
  hello: verb({
    needs: {},
    may: {},
    run: (_args, { hands, config }) => ({
      version: '1.0.0',
      sha256: hands.sha256,
      known: hands.known,
      verbs: [...config.verbs].sort(),
      vmids: config.vmids.map(rangeOf).map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)),
      sudo: config.sudo,
      jump: [...config.jump].sort(),
      scripts: config.scripts ? [...config.scripts].sort() : null,
    }),
  }),
};

export const verbs: Verbs = {
  ...hello,
  ...userVerbs,
  ...keyVerbs,
  ...configVerbs,
  ...scriptVerbs,
  ...quorumVerbs,
  ...setupVerbs,
  ...lookingVerbs,
  ...restoreVerbs,
};

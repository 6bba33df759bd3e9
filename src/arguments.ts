import { parseArgs } from 'node:util';
import { fail } from './contracts/failure.ts';

/** The words and options of the command line; throws Failed for what is not known. */
export function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', default: 'bascule.yaml' },
        port: { type: 'string' },
        pve: { type: 'string' },
        health: { type: 'string' },
        person: { type: 'string' },
        tag: { type: 'string', multiple: true },
        channel: { type: 'string' },
        cluster: { type: 'string' },
        script: { type: 'boolean' },
        json: { type: 'boolean' },
        ansible: { type: 'string' },
        'public-key': { type: 'string' },
        vmids: { type: 'string' },
        from: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return fail('bad-input', {
      what: 'Nothing was done',
      why: (error as Error).message.split(/\. |\n/)[0]!,
      next: 'bascule --help lists what there is',
    });
  }
}

/** 0 to 65535, or undefined when not given. */
export function portOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  return fail('bad-input', {
    what: 'Nothing was started',
    why: `${name} ${text} is no port`,
    next: `${name} 0 to 65535`,
  });
}

export function pveOf(text: string | undefined): '8.4' | '9.2' {
  if (text === undefined || text === '9.2') return '9.2';
  if (text === '8.4') return '8.4';
  return fail('bad-input', {
    what: 'Nothing was started',
    why: `there is no simulated Proxmox VE ${text}`,
    next: '--pve 8.4 or --pve 9.2',
  });
}

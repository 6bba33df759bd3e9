import { z } from 'zod';
import type { News, Watcher } from '../contracts/watch.ts';
import { maybe, name, num, pathOf, rows, text } from './read.ts';

/** Certificates near their end: `/nodes/N/certificates/info`. */

export interface CertificateMemory {
  /** By node/file: the end that was told, and how gravely. */
  told: Record<string, { notAfter: number; severity: string }>;
}

const PATH = /^\/nodes\/([^/]+)\/certificates\/info$/;
const row = z.object({ filename: name, notafter: num, subject: maybe(text) });
const DAY = 86_400;

export const certificatesWatcher: Watcher<CertificateMemory> = {
  name: 'certificates',
  blank: { told: {} },
  wants: (endpoint) => PATH.test(pathOf(endpoint)),
  see(memory, { endpoint, status, data, at }, { cluster, limits }) {
    if (status !== 200) return { memory, news: [] };
    const node = PATH.exec(pathOf(endpoint))![1]!;
    const told = { ...memory.told };
    const news = rows(row, data).flatMap(({ filename, notafter, subject }): News[] => {
      const key = `${node}/${filename}`;
      const left = notafter - at;
      const severity = left <= 0 ? 'critical' : left <= limits.certificate / 4 ? 'error' : 'warning';
      const known = told[key];
      const facts = {
        file: filename,
        notAfter: notafter,
        days: Math.floor(left / DAY),
        ...(subject ? { subject } : {}),
      };
      const common = { cluster, incident: `certificate/${key}`, node, at, facts };
      if (left > limits.certificate) {
        if (!known) return [];
        delete told[key];
        return [
          {
            kind: 'certificate-ok',
            severity: 'info',
            phase: 'ends',
            text: `Certificate ${filename} of ${node} was renewed`,
            ...common,
          },
        ];
      }
      if (known?.notAfter === notafter && known.severity === severity) return [];
      told[key] = { notAfter: notafter, severity };
      const when = left <= 0 ? 'has expired' : `ends in ${Math.floor(left / DAY)} days`;
      return [
        {
          kind: 'certificate-expiring',
          severity,
          phase: known ? 'goes-on' : 'opens',
          text: `Certificate ${filename} of ${node} ${when}`,
          ...common,
        },
      ];
    });
    return { memory: { told }, news };
  },
};

import { request } from 'node:http';

/** One notification as Proxmox sends it to its targets (FACTS 3.2). */
export interface Notice {
  readonly type: 'fencing' | 'replication' | 'vzdump' | 'test';
  readonly severity: 'info' | 'notice' | 'warning' | 'error';
  /** Ends in a blank there, from the template's last line feed. */
  readonly title: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The body that `bascule setup pve` gives the target. */
export function noticeBody(cluster: string, { type, severity, title, message, fields }: Notice, at: number): string {
  return JSON.stringify({ v: 1, cluster, severity, timestamp: at, title, message, fields: { ...fields, type } });
}

/** Sends once, as Proxmox does: no second try, and a refusal is only logged. Resolves with the status, 0 for none. */
export function sendNotice(url: string, secret: string, body: string): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(
      url,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${secret}`,
          'content-type': 'application/json',
          'user-agent': 'proxmox-sync-http-client/0.1',
          'content-length': Buffer.byteLength(body),
        },
        timeout: 10_000,
      },
      (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.once('timeout', () => sent.destroy());
    sent.once('error', () => resolve(0));
    sent.end(body);
  });
}

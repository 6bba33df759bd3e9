import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `/healthz`: the process lives. `/readyz`: it leads, its chats are connected and its store answers. */
export async function serveHealth(
  where: { readonly host: string; readonly port: number },
  ready: () => Promise<boolean>,
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    const answer = (status: number, text: string) =>
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    if (request.method !== 'GET') return answer(405, 'only GET');
    if (request.url === '/healthz') return answer(200, 'ok');
    if (request.url !== '/readyz') return answer(404, 'only /healthz and /readyz');
    ready().then(
      (yes) => answer(yes ? 200 : 503, yes ? 'ready' : 'standing by'),
      () => answer(503, 'the store does not answer'),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(where.port, where.host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${where.host}:${port}`,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

import pino from 'pino';

export type Log = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> & { child(bindings: object): Log };

/** One JSON line per event. Fields that could hold a secret are cut out, whoever logs them. */
export function makeLog(level: string, destination?: pino.DestinationStream): Log {
  const secretKeys = ['token', 'botToken', 'appToken', 'signingSecret', 'password', 'authorization', 'secret'];
  return pino(
    {
      level,
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
      base: {},
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  );
}

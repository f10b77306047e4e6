/**
 * Log lines as JSON on standard output, each with the region and the replica that it speaks for.
 *
 * Lines are written without waiting for the reader. One that does not read costs LINES_BYTES_MAX and then lines,
 * never the node.
 */
import type { Log } from '@causeway/replica';
import { destination, pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { LogLevel } from './settings.js';

const LINES_BYTES_MAX = 8 << 20;

export interface Logger extends Log {
  /** The same with more fields on every line. */
  child(fields: object): Logger;
  /** Writes what waits, blocking. */
  flush(): void;
}

export function createLogger(options: { readonly region: string; readonly level: LogLevel }): Logger {
  const lines = destination({ fd: 1, sync: false, minLength: 0, maxLength: LINES_BYTES_MAX });
  const root = pino(
    {
      level: options.level,
      base: { region: options.region },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: stdSerializers.err, error: stdSerializers.err },
      formatters: { level: (level) => ({ level }) },
    },
    lines,
  );
  const wrap = (logger: typeof root): Logger => ({
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
    flush: () => lines.flushSync(),
  });
  return wrap(root);
}

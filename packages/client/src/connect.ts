/**
 * Connecting: from options to a database that works.
 */
import { CausewayError, utf8Length } from '@causeway/protocol';
import { createDatabase, type Database } from './database.js';
import { Endpoints } from './endpoints.js';
import { RemoteExecutor } from './remote-executor.js';
import { toCausewayError } from './runner.js';
import type { Surroundings } from './surroundings.js';

export interface ConnectOptions {
  /**
   * URLs of nodes, `ws://host:port` or `wss://host:port`. They are tried in turn, the first one first, also whenever the
   * connection is lost.
   */
  readonly endpoints: readonly string[];
  /** What the nodes' logs call this client. Default `causeway-client`. */
  readonly name?: string;
  /** How long `connect` tries before it rejects with CAUSEWAY_UNREACHABLE. Milliseconds, default 10,000. */
  readonly connectTimeoutMs?: number;
  /**
   * How long an operation may wait for a connection, and then for its answer. Milliseconds, default 30,000. If it was
   * not sent it rejects with CAUSEWAY_UNREACHABLE, without any effect; if it was, a read rejects with CAUSEWAY_TIMEOUT and
   * a mutation with CAUSEWAY_OUTCOME_UNKNOWN.
   */
  readonly operationTimeoutMs?: number;
}

const NAME_DEFAULT = 'causeway-client';
const NAME_BYTES_MAX = 256;
const CONNECT_TIMEOUT_MS_DEFAULT = 10_000;
const OPERATION_TIMEOUT_MS_DEFAULT = 30_000;
/** Beyond it timers of the platform misbehave. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * The database behind `endpoints`, in the given surroundings. Resolves when one endpoint has answered the handshake;
 * rejects with CAUSEWAY_UNREACHABLE when none has in time, with CAUSEWAY_BAD_CONFIG if the options are wrong, and at
 * once with what they say if all endpoints in a row refuse this client (CAUSEWAY_BAD_VERSION).
 */
export async function connectWith(options: ConnectOptions, surroundings: Surroundings): Promise<Database> {
  const connectTimeoutMs = timeout('connectTimeoutMs', options.connectTimeoutMs, CONNECT_TIMEOUT_MS_DEFAULT);
  const remoteOptions = {
    name: checkedName(options.name ?? NAME_DEFAULT),
    operationTimeoutMs: timeout(
      'operationTimeoutMs',
      options.operationTimeoutMs,
      OPERATION_TIMEOUT_MS_DEFAULT,
    ),
  };
  const endpoints = new Endpoints(options.endpoints, () => surroundings.random());
  let executor: RemoteExecutor | undefined;
  let cancel = (): void => {};
  try {
    executor = await new Promise<RemoteExecutor>((resolve, reject) => {
      let lastError: CausewayError | undefined;
      let refusals = 0;
      cancel = surroundings.after(connectTimeoutMs, () => {
        const because = lastError === undefined ? '' : `: ${lastError.message}`;
        reject(
          new CausewayError(
            'CAUSEWAY_UNREACHABLE',
            `no endpoint answered within ${connectTimeoutMs} ms${because}`,
            { cause: lastError },
          ),
        );
      });
      const made = new RemoteExecutor(surroundings, endpoints, remoteOptions, {
        connected: () => resolve(made),
        disconnected: (error) => {
          lastError = error;
          refusals = error.code === 'CAUSEWAY_BAD_VERSION' ? refusals + 1 : 0;
          if (refusals >= endpoints.count) reject(error);
        },
      });
      executor = made;
    });
    return createDatabase(executor);
  } catch (error) {
    await executor?.close();
    throw toCausewayError(error);
  } finally {
    cancel();
  }
}

function checkedName(name: unknown): string {
  const bytes = typeof name === 'string' ? utf8Length(name) : -1;
  if (bytes >= 0 && bytes <= NAME_BYTES_MAX) return name as string;
  throw new CausewayError('CAUSEWAY_BAD_CONFIG', `name must be text of at most ${NAME_BYTES_MAX} bytes`);
}

function timeout(option: string, value: number | undefined, byDefault: number): number {
  const timeoutMs = value ?? byDefault;
  if (typeof timeoutMs === 'number' && timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  throw new CausewayError('CAUSEWAY_BAD_CONFIG', `${option} must be a number of milliseconds above 0`);
}
